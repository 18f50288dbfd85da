"""The small pieces of the runtime: Events, errors, peers, rights, credentials."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.support.kube import objects

from perpmaker.operator import metrics, rbac
from perpmaker.operator.interfaces import EventType, KubeError, Manifest, Ref
from perpmaker.operator.kube.client import busy_wait_s
from perpmaker.operator.kube.credentials import CredentialsError, Token, find, from_kubeconfig
from perpmaker.operator.kube.resources import EVENT, MARKET_MAKER
from perpmaker.operator.runtime import engine, events, troubles
from perpmaker.operator.runtime.events import EventTeller, Reason
from perpmaker.operator.runtime.peers import Standing, has_joined, standing
from perpmaker.operator.settings import ImageSettings, NetworkPolicySettings, OperatorSettings, TlsMode, TlsSettings

ETH = Ref(MARKET_MAKER, "trading", "eth")


class Posted:
    """Where Events go in these tests; fails as often as told."""

    def __init__(self, *failures: KubeError) -> None:
        self.events: list[Manifest] = []
        self.failures = list(failures)

    async def post_event(self, _namespace: str, event: Manifest) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.events.append(event)


class Told:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def tell(self, _about: Manifest, _type: EventType, _reason: str, message: str) -> None:
        self.messages.append(message)


def maker() -> Manifest:
    manifest = objects.maker()
    manifest["metadata"]["uid"] = "u1"
    return manifest


async def deliver(teller: EventTeller) -> None:
    import asyncio

    running = asyncio.create_task(teller.run())
    await teller.flush(5)
    running.cancel()
    await asyncio.wait((running,))


async def test_the_same_words_are_told_once_in_ten_minutes() -> None:
    now = [0.0]
    posted = Posted()
    teller = EventTeller(posted, instance="me", clock=lambda: now[0])
    for second in (0.0, 1.0, 599.0, 600.0):
        now[0] = second
        teller.tell(maker(), EventType.WARNING, Reason.INVALID, "no")
    await deliver(teller)
    assert len(posted.events) == 2


async def test_other_words_or_another_object_are_told_at_once() -> None:
    posted = Posted()
    teller = EventTeller(posted, instance="me")
    other = maker()
    other["metadata"]["uid"] = "u2"
    for about, reason, message in ((maker(), "Invalid", "a"), (maker(), "Invalid", "b"), (maker(), "InUse", "a")):
        teller.tell(about, EventType.WARNING, reason, message)
    teller.tell(other, EventType.WARNING, "Invalid", "a")
    await deliver(teller)
    assert len(posted.events) == 4


async def test_an_event_that_could_not_be_posted_counts_as_not_said() -> None:
    posted = Posted(KubeError("create", Ref(EVENT, "trading", "x"), 403, "Forbidden", "no"))
    teller = EventTeller(posted, instance="me")
    teller.tell(maker(), EventType.WARNING, "Invalid", "a")
    await deliver(teller)
    teller.tell(maker(), EventType.WARNING, "Invalid", "a")
    await deliver(teller)
    assert len(posted.events) == 1


async def test_more_events_than_the_queue_holds_are_dropped_without_waiting() -> None:
    posted = Posted()
    teller = EventTeller(posted, instance="me", queue_size=2)
    for number in range(5):
        teller.tell(maker(), EventType.NORMAL, "Applied", str(number))
    await deliver(teller)
    assert [event["message"] for event in posted.events] == ["0", "1"]


def test_an_event_is_cut_to_what_the_server_takes() -> None:
    event = events.build(maker(), EventType.NORMAL, "Applied", "x" * 5000, "me", datetime.now(UTC))
    assert len(event["message"]) == events.MESSAGE_MAX


def test_pauses_double_up_to_a_minute() -> None:
    longest: Callable[[], float] = lambda: 1.0  # noqa: E731
    assert [troubles.pause_s(n, longest) for n in (1, 2, 3, 9, 10, 100)] == [0.2, 0.4, 0.8, 51.2, 60.0, 60.0]


def test_at_least_half_of_a_pause_is_kept() -> None:
    assert troubles.pause_s(4, lambda: 0.0) == pytest.approx(0.8)


def test_an_error_is_told_once_for_each_change_of_its_text() -> None:
    told = Told()
    trouble = troubles.Troubles(ETH, told)
    for error in (ValueError("port 1 is shut"), ValueError("port 2 is shut"), ValueError("no route"), OSError("gone")):
        trouble.note(error, maker())
    assert [message.split(";")[0] for message in told.messages] == [
        "ValueError: port 1 is shut",
        "ValueError: no route",
        "OSError: gone",
    ]


def test_an_error_that_returns_after_all_went_well_is_told_again() -> None:
    told = Told()
    trouble = troubles.Troubles(ETH, told)
    trouble.note(ValueError("a"), maker())
    trouble.clear()
    trouble.note(ValueError("a"), maker())
    assert len(told.messages) == 2


def test_a_refusal_names_its_causes() -> None:
    error = KubeError("apply", ETH, 422, "Invalid", "it is invalid", ["spec.mode: unsupported"])
    assert "spec.mode: unsupported" in troubles.advice(error)


@pytest.mark.parametrize(("asked", "waited"), [("2", 2.0), ("0", 0.0), ("3600", 8.0), (None, 0.5), ("Fri", 1.0)])
def test_a_busy_server_is_waited_for_as_it_asks_within_bounds(asked: str | None, waited: float) -> None:
    assert busy_wait_s(asked, 1) == waited


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def peering(priority: int, age_s: float, name: str = "other") -> list[Manifest]:
    seen = (NOW - timedelta(seconds=age_s)).isoformat()
    return [{"status": {name: {"priority": priority, "lifetime": 30, "lastseen": seen}}}]


def stands(entered: list[Manifest], priority: int, *, joined: bool = True) -> Standing:
    return standing(entered, "me", priority, NOW, has_joined=joined)


def test_a_younger_copy_that_lives_works() -> None:
    assert stands(peering(2, 5), 1) is Standing.WAITS


def test_a_younger_copy_that_was_not_heard_of_for_its_lifetime_is_dead() -> None:
    assert stands(peering(2, 31), 1) is Standing.WORKS


def test_an_older_copy_waits_for_us() -> None:
    assert stands(peering(1, 5), 2) is Standing.WORKS


def test_our_own_entry_does_not_hold_us_up() -> None:
    assert stands(peering(1, 5, "me"), 1) is Standing.WORKS


def test_before_others_can_know_of_us_we_do_not_begin() -> None:
    assert stands(peering(1, 5), 2, joined=False) is Standing.JOINING


@pytest.mark.parametrize(
    ("entered", "joined"),
    [
        ([], False),
        ([{}], False),
        (peering(1, 5), False),
        (peering(1, 5, "me"), True),
        (peering(1, 5, "me") + peering(1, 5, "me"), True),
        (peering(1, 5, "me") + peering(1, 5), False),
    ],
    ids=["no object", "an empty one", "others only", "we", "we in both namespaces", "we in one of two"],
)
def test_a_copy_has_joined_when_it_is_entered_wherever_it_serves(entered: list[Manifest], joined: bool) -> None:
    assert has_joined(entered, "me") is joined


def settings(**more: object) -> OperatorSettings:
    base = {"namespace": "p", "watch_namespaces": ("a", "b"), "image": ImageSettings(reference="x:1")}
    return OperatorSettings.model_validate(base | more)


def test_no_right_on_secrets_is_ever_needed() -> None:
    assert not [rule for rule in rbac.RULES if rule.resource.startswith("secrets")]


def test_no_right_is_a_wildcard() -> None:
    assert not [rule for rule in rbac.RULES if "*" in (rule.group, rule.resource, *rule.verbs)]


def test_rights_follow_the_settings() -> None:
    few = settings(peering=False, network_policies=NetworkPolicySettings(enabled=False))
    assert {"kopfpeerings", "networkpolicies", "certificates"} & {r.resource for r in rbac.required(few)} == set()
    tls = TlsSettings(mode=TlsMode.CERT_MANAGER)
    assert {"kopfpeerings", "networkpolicies", "certificates"} <= {r.resource for r in rbac.required(settings(tls=tls))}


def test_the_whole_cluster_is_peered_in_the_cluster() -> None:
    wide = {rule.resource for rule in rbac.required(settings(watch_namespaces=()))}
    assert "clusterkopfpeerings" in wide
    assert "kopfpeerings" not in wide


def test_what_may_be_watched_is_watched_in_every_namespace() -> None:
    scopes = engine.scopes(settings())
    assert {scope.namespace for scope in scopes} == {"a", "b"}
    assert {scope.resource.plural for scope in scopes} == {
        rule.resource for rule in rbac.required(settings()) if "watch" in rule.verbs
    }


def test_a_token_file_is_read_again_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one\n")
    token = Token(file=file)
    assert token.read() == "one"
    replacement = tmp_path / "next"
    replacement.write_text("two\n")
    replacement.rename(file)
    assert token.read() == "two"


def test_a_token_file_that_is_away_for_a_moment_keeps_the_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    token = Token(file=file)
    token.read()
    file.unlink()
    assert token.read() == "one"


def kubeconfig(path: Path, user: dict[str, object], **cluster: object) -> Path:
    file = path / "config"
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "trading"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://example:6443/", **cluster}}],
        "users": [{"name": "u", "user": user}],
    }
    file.write_text(yaml.safe_dump(document))
    return file


def test_a_kubeconfig_gives_server_token_authority_and_namespace(tmp_path: Path) -> None:
    authority = base64.b64encode(b"PEM").decode()
    found = from_kubeconfig(kubeconfig(tmp_path, {"token": "t"}, **{"certificate-authority-data": authority}))
    assert (found.server, found.token.read(), found.ca_data, found.namespace) == (
        "https://example:6443",
        "t",
        "PEM",
        "trading",
    )


def test_a_relative_path_in_a_kubeconfig_is_relative_to_it(tmp_path: Path) -> None:
    (tmp_path / "client.crt").write_text("CERT")
    (tmp_path / "client.key").write_text("KEY")
    found = from_kubeconfig(kubeconfig(tmp_path, {"client-certificate": "client.crt", "client-key": "client.key"}))
    assert (found.certificate_data, found.key_data) == ("CERT", "KEY")


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"exec": {"command": "aws"}}, "another program"),
        ({"client-certificate-data": "%%%"}, "client-certificate-data is not base64"),
        ({"client-certificate": "missing.crt"}, "client-certificate"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_says_why(tmp_path: Path, user: dict[str, object], said: str) -> None:
    with pytest.raises(CredentialsError, match=said):
        from_kubeconfig(kubeconfig(tmp_path, user))


def test_in_a_pod_the_service_account_is_used(tmp_path: Path) -> None:
    for name, text in (("token", "t\n"), ("ca.crt", "PEM"), ("namespace", "trading")):
        (tmp_path / name).write_text(text)
    environ = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = find(environ, tmp_path)
    assert (found.server, found.token.read(), found.namespace) == ("https://[fd00::1]:443", "t", "trading")


def test_without_any_credentials_the_error_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(CredentialsError, match="set KUBECONFIG or run in a cluster"):
        find({}, tmp_path / "none")


def test_conditions_are_series_until_their_object_is_gone() -> None:
    conditions = metrics.Conditions()
    conditions.note("MarketMaker", "trading", "eth", [{"type": "Ready", "status": "False", "reason": "Paused"}])

    def series() -> dict[str, float]:
        (family,) = conditions.collect()
        return {sample.labels["status"]: sample.value for sample in family.samples}

    assert series() == {"True": 0, "False": 1, "Unknown": 0}
    conditions.note("MarketMaker", "trading", "eth", [{"type": "Ready", "status": "True", "reason": "Quoting"}])
    assert series() == {"True": 1, "False": 0, "Unknown": 0}
    conditions.forget("MarketMaker", "trading", "eth")
    assert series() == {}
