"""The judge of the operator's rights: recorded lines of an audit log, and what is complained of."""

from __future__ import annotations

from typing import Any

from tests.e2e.audit import Request, requests_in, spans, trespasses

USER = "system:serviceaccount:trading:perpmaker-operator"
NAME, NAMESPACE = "perpmaker-operator", "trading"

Line = dict[str, Any]


def line(second: int, verb: str, resource: str, code: int, *, user: str = USER, name: str = "", **more: Any) -> Line:
    """A line as kube-apiserver writes it at level Metadata, shortened."""
    plural, _, sub = resource.partition("/")
    reference = {"resource": plural, "namespace": NAMESPACE, "apiVersion": "v1"}
    reference |= {"name": name} if name else {}
    reference |= {"subresource": sub} if sub else {}
    reference |= {"apiGroup": "rbac.authorization.k8s.io"} if plural in {"roles", "rolebindings"} else {}
    return {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": f"{second}-{verb}-{resource}-{code}",
        "stage": "ResponseComplete",
        "verb": verb,
        "user": {"username": user, "groups": ["system:authenticated"]},
        "objectRef": reference,
        "responseStatus": {"metadata": {}, "code": code, **more},
        "requestReceivedTimestamp": f"2026-11-21T10:00:{second:02d}.000100Z",
        "stageTimestamp": f"2026-11-21T10:00:{second:02d}.004000Z",
    }


def rights(second: int, verb: str, resource: str, code: int = 200) -> Line:
    """The administrator changes the operator's rights."""
    return line(second, verb, resource, code, user="admin", name=NAME)


INSTALLED = [rights(1, "create", "roles", 201), rights(2, "create", "rolebindings", 201)]


def told(*lines: Line) -> list[str]:
    found: list[Request] = trespasses(requests_in(lines, USER), spans(lines, NAMESPACE, NAME))
    return [f"{one.verb} {one.resource} {one.code}" for one in found]


def test_what_is_granted_is_fine() -> None:
    assert told(*INSTALLED, line(3, "list", "pods", 200), line(4, "watch", "pods", 200)) == []


def test_a_refusal_is_told() -> None:
    assert told(*INSTALLED, line(3, "list", "pods", 200), line(4, "watch", "pods", 403)) == ["watch pods 403"]


def test_a_right_to_the_whole_is_none_to_a_part() -> None:
    asked = (line(3, "patch", "pods", 200), line(4, "patch", "pods/status", 403))
    assert told(*INSTALLED, *asked) == ["patch pods/status 403"]


def test_a_secret_is_told_whether_it_was_granted_or_not() -> None:
    asked = (line(3, "get", "secrets", 200), line(4, "list", "secrets", 403))
    assert told(*INSTALLED, *asked) == ["get secrets 200", "list secrets 403"]


def test_an_api_server_that_has_just_come_up_knows_no_roles_yet() -> None:
    assert told(*INSTALLED, line(3, "list", "pods", 403), line(4, "list", "pods", 200)) == []


def test_a_right_that_an_upgrade_grants_does_not_excuse_a_refusal_before_it() -> None:
    upgrade = rights(4, "patch", "roles")
    asked = (line(3, "list", "pods", 403), line(5, "list", "pods", 200))
    assert told(*INSTALLED, asked[0], upgrade, asked[1]) == ["list pods 403"]


def test_a_right_that_an_upgrade_takes_does_not_excuse_a_refusal_after_it() -> None:
    upgrade = rights(4, "update", "roles")
    asked = (line(3, "list", "pods", 200), line(5, "list", "pods", 403))
    assert told(*INSTALLED, asked[0], upgrade, asked[1]) == ["list pods 403"]


def test_a_change_that_was_refused_is_none() -> None:
    failed = rights(4, "update", "roles", 409)
    assert told(*INSTALLED, line(3, "list", "pods", 403), failed, line(5, "list", "pods", 200)) == []


def test_an_operator_without_its_role_or_binding_is_refused_rightly() -> None:
    for gone in ("roles", "rolebindings"):
        assert (
            told(*INSTALLED, line(3, "list", "pods", 200), rights(4, "delete", gone), line(5, "get", "pods", 403)) == []
        )


def test_what_comes_after_another_installation_is_looked_at_again() -> None:
    again = [rights(4, "delete", "roles"), rights(5, "delete", "rolebindings")]
    again += [rights(7, "create", "roles", 201), rights(8, "create", "rolebindings", 201)]
    between, after = line(6, "list", "pods", 403), line(9, "list", "pods", 403)
    assert told(*INSTALLED, line(3, "list", "pods", 200), *again, between, after) == ["list pods 403"]


def test_nobody_may_create_in_a_namespace_that_is_being_deleted() -> None:
    message = "forbidden: unable to create new content in namespace trading because it is being terminated"
    assert told(*INSTALLED, line(3, "create", "events", 403, message=message)) == []


def test_requests_of_others_do_not_count() -> None:
    assert told(*INSTALLED, line(3, "list", "secrets", 200, user="admin")) == []
