"""Which change restarts a pod, and which is only told to it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.children import CERT_MANAGER, EXTERNAL, REAL, REVISIONS, account, maker, settings, templates

from perpmaker.api.desired import Revisions
from perpmaker.api.parts import QuoterPart
from perpmaker.gateway import reconfigure as gateway
from perpmaker.operator.children import account_children, hashes, maker_children
from perpmaker.operator.children.objects import image_version
from perpmaker.operator.names import Role
from perpmaker.order_state import app as order_state
from perpmaker.quoter import desk
from perpmaker.risk import app as risk

HASH = "perpmaker.io/config-hash"
SERVICES = {"main-gateway", "main-order-state", "main-risk"}


def _hashes(
    account_changes: dict[str, Any] | None = None,
    maker_changes: dict[str, Any] | None = None,
    installation: dict[str, Any] | None = None,
    revisions: Revisions = REVISIONS,
) -> dict[str, str]:
    wanted, made, chosen = account(REAL | (account_changes or {})), maker(maker_changes), settings(installation)
    children = (
        *account_children(wanted, [made], chosen, revisions),
        *maker_children(made, wanted, chosen, running=True),
    )
    return {name: template["metadata"]["annotations"][HASH] for name, template in templates(children).items()}


def _restarted(*changes: Any, **more: Any) -> set[str]:
    before, after = _hashes(), _hashes(*changes, **more)
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def _said(value: object) -> str:
    """The same words in every process, also of a set."""
    return str(sorted(value)) if isinstance(value, set) else str(value)


@pytest.mark.parametrize(
    "change",
    [
        {"spec.mode": "ReduceOnly"},
        {"spec.mode": "Paused"},
        {"spec.logLevel": "Debug"},
        {"spec.quoting.levels": 3},
        {"spec.quoting.minHalfSpreadBps": "2.5"},
        {"spec.inventory.maxNotional": "6000"},
        {"spec.risk.maxDailyLoss": "100"},
        {"spec.risk.onBreach": "ReduceOnly"},
        {"spec.leverage": {"value": 7}},
        {"spec.killSwitch.engaged": True},
        {"spec.flatten.maxSlippageBps": "5"},
        {"metadata.generation": 99},
        {"metadata.labels": {"a": "b"}},
    ],
    ids=_said,
)
def test_a_hot_change_of_a_maker_restarts_nothing(change: dict[str, Any]) -> None:
    assert _restarted(None, change) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"spec.risk.maxGrossNotional": "60000"},
        {"spec.risk.maxDailyLoss": "400"},
        {"spec.rateLimit.maxActionsPerMinute": 300},
        {"spec.rateLimit.reservedForCancelsPercent": 50},
        {"spec.deadMansSwitch.timeoutSeconds": 60},
        {"spec.killSwitch.engaged": True},
        {"spec.deletionPolicy": "Flatten"},
    ],
    ids=_said,
)
def test_a_hot_change_of_an_account_restarts_nothing(change: dict[str, Any]) -> None:
    assert _restarted(change) == set()


def test_a_new_revision_restarts_nothing() -> None:
    assert _restarted(revisions=Revisions(gateway=5, order_state=6, risk=7)) == set()


def test_another_maker_on_the_account_restarts_nothing() -> None:
    def services(*makers: Any) -> dict[str, str]:
        children = account_children(account(REAL), makers, settings(), REVISIONS)
        return {name: template["metadata"]["annotations"][HASH] for name, template in templates(children).items()}

    assert services(maker()) == services(maker(), maker(name="btc", symbol="BTC"))


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        ({"spec.apiWallet.secretRef.name": "other"}, {"main-gateway"}),
        ({"spec.apiWallet.secretRef.key": "other"}, {"main-gateway"}),
        ({"spec.network": "Mainnet"}, {"main-gateway"}),
        ({"spec.gateway.pod": {"priorityClassName": "high"}}, {"main-gateway"}),
        ({"spec.orderState.pod": {"labels": {"team": "desk"}}}, {"main-order-state"}),
        ({"spec.riskService.pod": {"annotations": {"a.example/b": "c"}}}, {"main-risk"}),
        (EXTERNAL, {"main-order-state", "main-risk", "main-store"}),
    ],
    ids=_said,
)
def test_a_cold_change_of_an_account_restarts_whom_it_concerns(change: dict[str, Any], restarted: set[str]) -> None:
    assert _restarted(change) == restarted


@pytest.mark.parametrize(
    "change",
    [
        {"spec.pod": {"resources": {"limits": {"memory": "1Gi"}}}},
    ],
    ids=_said,
)
def test_a_cold_change_of_a_maker_restarts_its_quoter_only(change: dict[str, Any]) -> None:
    assert _restarted(None, change) == {"eth-quoter"}


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        ({"image.reference": "perpmaker:0.2.0"}, SERVICES | {"eth-quoter", "main-store"}),
        ({"tls.mode": "existingSecret"}, SERVICES | {"eth-quoter"}),
        (CERT_MANAGER, SERVICES | {"eth-quoter"}),
        ({"store.credentials_secret": "other"}, SERVICES - {"main-gateway"} | {"main-store"}),
        ({"priority_class": "high"}, SERVICES | {"eth-quoter", "main-store"}),
        ({"resources.risk": {"limits": {"memory": "1Gi"}}}, {"main-risk"}),
        ({"network_policies.enabled": False}, set()),
        ({"service_account": "another"}, set()),
        ({"resync_seconds": 5.0}, set()),
        ({"store.size": "2Gi"}, set()),
    ],
    ids=_said,
)
def test_a_change_of_the_installation_restarts_whom_it_concerns(change: dict[str, Any], restarted: set[str]) -> None:
    assert _restarted(None, None, change) == restarted


def test_stopping_a_quoter_is_no_other_configuration() -> None:
    stopped = templates(maker_children(maker(), account(), settings(), running=False))
    running = templates(maker_children(maker(), account(), settings(), running=True))
    assert stopped == running


def test_exactly_what_a_service_takes_over_while_it_runs_restarts_nothing() -> None:
    assert {
        Role.GATEWAY: {"revision", *gateway.HOT_FIELDS},
        Role.ORDER_STATE: {"revision", *order_state.HOT_FIELDS},
        Role.RISK: {"revision", *risk.HOT_FIELDS},
        Role.QUOTER: QuoterPart.model_fields.keys() - set(desk._FIXED_FIELDS) - {"endpoint"},
    } == hashes.HOT_FIELDS


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("perpmaker:0.1.0", "0.1.0"),
        ("registry.example:5000/team/perpmaker:0.1.0", "0.1.0"),
        ("registry.example:5000/team/perpmaker", "latest"),
        ("perpmaker:0.1.0@sha256:" + "ab" * 32, "0.1.0"),
        ("perpmaker@sha256:" + "ab" * 32, "sha256-" + "ab" * 28),
        ("perpmaker:_odd-", "odd"),
    ],
)
def test_the_version_label_is_what_the_image_reference_says(reference: str, version: str) -> None:
    assert image_version(reference) == version
