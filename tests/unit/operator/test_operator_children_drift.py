"""What counts as drift: whatever is wanted and not there, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.support import children as make
from tests.support.api import REMOVED
from tests.support.children import CASES, REVISIONS, Case, pick

from perpmaker.operator.children import account_children, hashes
from perpmaker.operator.children.drift import missing, to_apply, with_immutable_fields
from perpmaker.operator.interfaces import Manifest

MANIFESTS = tuple(child for case in CASES for child in case.children)
Step = str | int


def _leaves(value: Any, path: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*path, index))
    else:
        yield path


def _at(value: Any, path: tuple[Step, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _defaulted(value: Any, key: str = "") -> Any:
    """As an API server keeps it: fields filled in, order of keyed lists its own, somebody's container added."""
    if isinstance(value, dict):
        filled = {name: _defaulted(item, name) for name, item in value.items()}
        if key in ("selector", "matchLabels", "nodeSelector", "podSelector", "namespaceSelector", "labelSelector"):
            return filled
        return filled | {"filledIn": {"by": "the API server"}}
    if isinstance(value, list):
        items = [_defaulted(item) for item in value]
        if key in ("containers", "volumes"):
            return [{"name": "injected", "image": "mesh"}, *reversed(items)]
        return items
    return value


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_an_object_lacks_nothing_of_itself(manifest: Manifest) -> None:
    assert missing(manifest, copy.deepcopy(manifest)) == []


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda manifest: manifest["kind"])
def test_what_others_add_is_no_drift(manifest: Manifest) -> None:
    assert missing(manifest, _defaulted(manifest)) == []


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_any_changed_leaf_is_found(data: st.DataObject) -> None:
    manifest = data.draw(st.sampled_from(MANIFESTS))
    path = data.draw(st.sampled_from(list(_leaves(manifest))))
    live = copy.deepcopy(manifest)
    parent, last = _at(live, path[:-1]), path[-1]
    other = data.draw(st.sampled_from([REMOVED, "other", 7, True, None, {}, []]))
    if other is REMOVED:
        del parent[last]
    else:
        assume(type(other) is not type(parent[last]) or other != parent[last])
        parent[last] = other
    assert missing(manifest, _defaulted(live) if data.draw(st.booleans()) else live)


@pytest.mark.parametrize(
    ("desired", "live", "found"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["a.b"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a"]),
        ({"replicas": 0}, {"replicas": False}, ["replicas"]),
        ({"replicas": 1}, {"replicas": True}, ["replicas"]),
        ({"ingress": []}, {}, []),
        ({"args": ["a", "b"]}, {"args": ["b", "a"]}, ["args[0]", "args[1]"]),
        ({"args": ["a"]}, {"args": ["a", "b"]}, ["args"]),
        ({"containers": [{"name": "a", "image": "x"}]}, {"containers": [{"name": "a", "image": "y"}]}, None),
        ({"containers": [{"name": "a"}]}, {"containers": []}, ["containers[a]"]),
        ({"ingress": [{"from": [1]}]}, {"ingress": [{"from": [1]}, {}]}, ["ingress"]),
        ({"selector": {"a": "b"}}, {"selector": {"a": "b", "c": "d"}}, ["selector"]),
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}, []),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1024Mi"}}, []),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}, ["limits.memory"]),
        ({"limits": {"cpu": 1}}, {"limits": {"cpu": "1"}}, []),
        ({"requests": {"cpu": "1"}}, {"requests": {}}, ["requests.cpu"]),
        ({"emptyDir": {"sizeLimit": "64Mi"}}, {"emptyDir": {"sizeLimit": "65536Ki"}}, []),
    ],
)
def test_differences_are_named(desired: dict[str, Any], live: dict[str, Any], found: list[str] | None) -> None:
    assert missing(desired, live) == (["containers[a].image"] if found is None else found)


def test_a_rule_that_somebody_added_to_a_policy_is_drift() -> None:
    policy = pick(CASES[0].children, "NetworkPolicy", "main-gateway")
    live = copy.deepcopy(policy)
    live["spec"]["ingress"].append({"from": [{"namespaceSelector": {}}]})
    assert missing(policy, live) == ["spec.ingress"]


def test_ports_of_one_number_are_told_apart_by_protocol() -> None:
    desired = {"ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]}
    assert missing(desired, {"ports": [{"name": "dns", "port": 53, "protocol": "TCP"}]}) == ["ports[53/UDP]"]


def test_a_changed_size_of_the_installation_leaves_existing_claims_as_they_are() -> None:
    live = pick(CASES[0].children, "StatefulSet", "main-store")
    grown = make.settings({"store.size": "10Gi", "image.reference": "perpmaker:0.2.0"})
    desired = pick(account_children(make.account(), [make.maker()], grown, REVISIONS), "StatefulSet", "main-store")
    applied = with_immutable_fields(desired, live)
    assert applied["spec"]["volumeClaimTemplates"] == live["spec"]["volumeClaimTemplates"]
    assert applied["spec"]["template"] == desired["spec"]["template"]
    assert applied["metadata"]["annotations"]["perpmaker.io/applied-hash"] == hashes.applied_hash(applied)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_objects_without_immutable_differences_are_applied_as_they_are(case: Case) -> None:
    for child in case.children:
        assert with_immutable_fields(child, None) is child
        assert with_immutable_fields(child, _defaulted(child)) is child


@pytest.mark.parametrize(
    ("rolling", "taken"),
    [
        ({"maxSurge": "25%", "maxUnavailable": "25%"}, {"maxSurge": 0, "maxUnavailable": 1}),
        ({"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": "0%", "maxUnavailable": 2}),
    ],
)
def test_a_deployment_that_somebody_made_roll_is_taken_back_in_two_steps(rolling: Any, taken: Any) -> None:
    desired = pick(CASES[0].children, "Deployment", "main-gateway")
    live = copy.deepcopy(desired)
    live["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": rolling}
    first, last = to_apply(desired, live)
    assert first["spec"]["strategy"] == {"type": "RollingUpdate", "rollingUpdate": taken}
    assert first["spec"]["paused"] is True
    assert first["spec"]["template"] == desired["spec"]["template"]
    assert last is desired


@pytest.mark.parametrize("child", CASES[0].children, ids=lambda child: child["kind"])
def test_anything_else_is_applied_at_once(child: Manifest) -> None:
    assert to_apply(child, None) == (child,)
    assert to_apply(child, _defaulted(child)) == (child,)
