"""Every row of a TradingAccount's conditions, and of what is said about a workload."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from perpmaker.operator import names, times
from perpmaker.operator.conditions import kill_switch, workload
from perpmaker.operator.conditions.account import AccountObserved, judge
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.observe.values import (
    AccountView,
    GatewayFacts,
    OrderStateFacts,
    RiskFacts,
    TripFacts,
    Unreachable,
    Why,
)

NOW_MS = 1_760_000_000_000
GATEWAY = GatewayFacts(
    is_ready=True, reason="", applied_revision=1, account_address="0xaa", signer_address="0xbb", key_refusal="",
    signer_valid_until_ms=0, signer_confirmed=True, exchange_connected=True, dead_man_deadline_ms=NOW_MS + 30_000,
    dead_man_refusal="", dead_man_firings_left=10, rate_limit_used_ppm=0,
)  # fmt: skip
ORDERS = OrderStateFacts(is_ready=True, applied_revision=1, markets={})
RISK = RiskFacts(
    is_ready=True, applied_revision=1, equity_e8=0, day_pnl_e8=0, gross_notional_e8=0, margin_usage_ppm=0,
    last_rearmed_trip_id="", trips=(), markets={},
)  # fmt: skip
VIEW = AccountView(GATEWAY, ORDERS, RISK)
UP = Workload(Reason.AVAILABLE, "pod runs")
DOWN = Workload(Reason.IMAGE_PULL_FAILED, "no such image")
SILENT = Unreachable(Why.TIMED_OUT, "DEADLINE_EXCEEDED")


def found(type_: ConditionType, **changes: Any) -> tuple[str, str]:
    view = changes.get("view", VIEW)
    whole = {
        "accepted": Verdict(Reason.VALID, "it can be run"),
        "network": "Testnet",
        "view": view,
        "gateway": UP,
        "order_state": UP,
        "risk": UP,
        "store": UP,
        "venue": UP,
        "switch_wanted": True,
        "has_markets": True,
        "kill_switch": kill_switch.judge(view.risk, "", {}),
        "now_ms": NOW_MS,
    }
    finding = next(item for item in judge(AccountObserved(**{**whole, **changes})) if item.type is type_)
    return finding.status.value, finding.reason.value


def gateway(**changes: Any) -> dict[str, Any]:
    return {"view": replace(VIEW, gateway=replace(GATEWAY, **changes))}


@pytest.mark.parametrize(
    ("type_", "changes", "expected"),
    [
        (ConditionType.READY, {}, ("True", "Ready")),
        (ConditionType.READY, {"is_terminating": True}, ("False", "Terminating")),
        (ConditionType.READY, {"accepted": Verdict(Reason.INSECURE_TRANSPORT, "tls")}, ("False", "Invalid")),
        (ConditionType.READY, {"store": DOWN}, ("False", "StoreUnavailable")),
        (ConditionType.READY, gateway(key_refusal="not an agent"), ("False", "CredentialsInvalid")),
        (ConditionType.READY, gateway(exchange_connected=False), ("False", "ExchangeDisconnected")),
        (ConditionType.READY, gateway(is_ready=False, reason="clock"), ("False", "GatewayUnavailable")),
        (ConditionType.READY, {"order_state": DOWN}, ("False", "OrderStateUnavailable")),
        (ConditionType.READY, {"view": replace(VIEW, risk=SILENT)}, ("False", "RiskUnavailable")),
        (ConditionType.ACCEPTED, {}, ("True", "Valid")),
        (ConditionType.CREDENTIALS_VALID, {}, ("True", "Valid")),
        (ConditionType.CREDENTIALS_VALID, gateway(key_refusal="another is expected"), ("False", "AddressMismatch")),
        (ConditionType.CREDENTIALS_VALID, gateway(key_refusal="no agent"), ("False", "KeyRefused")),
        (ConditionType.CREDENTIALS_VALID, gateway(signer_valid_until_ms=NOW_MS - 1), ("False", "Expired")),
        (ConditionType.CREDENTIALS_VALID, gateway(signer_confirmed=False), ("Unknown", "Unknown")),
        (ConditionType.CREDENTIALS_VALID, {"view": replace(VIEW, gateway=SILENT)}, ("Unknown", "Unknown")),
        (ConditionType.EXCHANGE_CONNECTED, {}, ("True", "Connected")),
        (ConditionType.EXCHANGE_CONNECTED, gateway(exchange_connected=False), ("False", "Disconnected")),
        (ConditionType.EXCHANGE_CONNECTED, {"venue": DOWN}, ("False", "ImagePullFailed")),
        (ConditionType.EXCHANGE_CONNECTED, gateway(network="Testnet"), ("True", "Connected")),
        (ConditionType.EXCHANGE_CONNECTED, gateway(network="Mainnet"), ("False", "NetworkMismatch")),
        (ConditionType.READY, gateway(network="Mainnet", key_refusal="no agent"), ("False", "NetworkMismatch")),
        (ConditionType.READY, {**gateway(network="Mainnet"), "network": ""}, ("True", "Ready")),
        (ConditionType.EXCHANGE_CONNECTED, {"venue": None}, ("True", "Connected")),
        (ConditionType.GATEWAY_AVAILABLE, {}, ("True", "Available")),
        (ConditionType.GATEWAY_AVAILABLE, {"gateway": DOWN}, ("False", "ImagePullFailed")),
        (ConditionType.GATEWAY_AVAILABLE, gateway(is_ready=False, reason="x"), ("False", "NotTradable")),
        (ConditionType.GATEWAY_AVAILABLE, {"view": replace(VIEW, gateway=SILENT)}, ("Unknown", "Unknown")),
        (
            ConditionType.ORDER_STATE_AVAILABLE,
            {"view": replace(VIEW, order_state=replace(ORDERS, is_ready=False))},
            ("False", "NotTradable"),
        ),
        (
            ConditionType.RISK_AVAILABLE,
            {"view": replace(VIEW, risk=replace(RISK, is_ready=False))},
            ("False", "NotTradable"),
        ),
        (ConditionType.STORE_AVAILABLE, {"store": None}, ("True", "External")),
        (ConditionType.STORE_AVAILABLE, {"store": DOWN}, ("False", "ImagePullFailed")),
        (ConditionType.DEAD_MANS_SWITCH_ARMED, {}, ("True", "Armed")),
        (ConditionType.DEAD_MANS_SWITCH_ARMED, {"switch_wanted": False}, ("False", "Disabled")),
        (ConditionType.DEAD_MANS_SWITCH_ARMED, gateway(dead_man_refusal="volume"), ("False", "RefusedByExchange")),
        (ConditionType.DEAD_MANS_SWITCH_ARMED, gateway(dead_man_deadline_ms=0), ("False", "Lapsed")),
        (
            ConditionType.DEAD_MANS_SWITCH_ARMED,
            {**gateway(dead_man_deadline_ms=0), "has_markets": False},
            ("False", "Idle"),
        ),
        (ConditionType.STALLED, {}, ("False", "AsWanted")),
        (ConditionType.STALLED, {"stalled": Verdict(Reason.NAME_CONFLICT, "x")}, ("True", "NameConflict")),
        (ConditionType.RECONCILING, {"work": Verdict(Reason.PENDING, "x")}, ("True", "Pending")),
        (ConditionType.RECONCILING, {"is_frozen": True}, ("False", "ReconciliationPaused")),
    ],
)
def test_row(type_: ConditionType, changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert found(type_, **changes) == expected


def test_a_tripped_account_is_not_ready() -> None:
    view = replace(VIEW, risk=replace(RISK, trips=(TripFacts("t-1", "", "min_equity", NOW_MS, executed=True),)))
    assert found(ConditionType.READY, view=view) == ("False", "KillSwitchTripped")
    assert found(ConditionType.KILL_SWITCH_TRIPPED, view=view) == ("True", "MinEquity")


def deployment(version: str = "v1", replicas: int = 1) -> dict[str, Any]:
    template = {"metadata": {"annotations": {names.CONFIG_HASH: version}}}
    return {"metadata": {"name": "eth-quoter"}, "spec": {"replicas": replicas, "template": template}}


def pod(container: dict[str, Any] | None = None, *, version: str = "v1", **status: Any) -> dict[str, Any]:
    meta = {"name": "eth-quoter-0", "creationTimestamp": "T1", "annotations": {names.CONFIG_HASH: version}}
    volumes = [{"name": "key", "secret": {"secretName": "main-api-wallet"}}]
    return {
        "metadata": meta,
        "spec": {"containers": [{"image": "perpmaker:1"}], "volumes": volumes},
        "status": {"phase": "Running", "containerStatuses": [container] if container else [], **status},
    }


RUNNING = {"state": {"running": {}}, "restartCount": 0}
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2025-10-09T08:00:00Z"}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"image": "perpmaker:1", "state": {"waiting": {"reason": reason, "message": message}}, **more}


@pytest.mark.parametrize(
    ("live", "pods", "reason", "says"),
    [
        (None, [], Reason.PROGRESSING, "not created"),
        (deployment(replicas=0), [], Reason.PROGRESSING, "0 replicas"),
        (deployment(), [], Reason.PROGRESSING, "no pod yet"),
        (deployment(), [pod(RUNNING)], Reason.AVAILABLE, "runs"),
        (deployment("v2"), [pod(RUNNING)], Reason.PROGRESSING, "replaced"),
        (deployment(), [pod(waiting("ImagePullBackOff"))], Reason.IMAGE_PULL_FAILED, "perpmaker:1"),
        (
            deployment(),
            [pod(waiting("CreateContainerConfigError", 'secret "main-store" not found'))],
            Reason.CREATE_CONTAINER_CONFIG_ERROR,
            'secret "main-store" not found',
        ),
        (
            deployment(),
            [
                pod(
                    waiting(
                        "CrashLoopBackOff",
                        restartCount=4,
                        lastState={"terminated": {"exitCode": 2, "message": "reading\nthe key belongs to 0xab\n"}},
                    )
                )
            ],
            Reason.CRASH_LOOPING,
            "exit code 2; it said: the key belongs to 0xab",
        ),
        (
            deployment(),
            [
                pod(
                    waiting(
                        "CrashLoopBackOff",
                        lastState={"terminated": {"exitCode": 2, "message": '{"reason": "no key", "ts": "12:00"}'}},
                    )
                )
            ],
            Reason.CRASH_LOOPING,
            "it said: no key",
        ),
        (
            deployment(),
            [pod({"state": {"terminated": {"exitCode": 1}}, "restartCount": 0})],
            Reason.CRASH_LOOPING,
            "exit code 1",
        ),
        (
            deployment(),
            [
                pod(
                    None,
                    phase="Pending",
                    conditions=[{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/1 nodes"}],
                )
            ],
            Reason.UNSCHEDULABLE,
            "0/1 nodes",
        ),
        (
            deployment(),
            [pod(waiting("ContainerCreating"), phase="Pending", conditions=[SCHEDULED])],
            Reason.CREATE_CONTAINER_CONFIG_ERROR,
            "main-api-wallet",
        ),
    ],
)
def test_what_is_said_of_a_workload(live: Any, pods: list[Any], reason: Reason, says: str) -> None:
    judged = workload.judge(live, pods, NOW_MS)
    assert judged.reason is reason
    assert says in judged.message


def test_a_pod_that_ends_is_not_the_newest() -> None:
    ending = pod(waiting("CrashLoopBackOff"))
    ending["metadata"] |= {"deletionTimestamp": "T9", "creationTimestamp": "T8"}
    assert workload.judge(deployment(), [ending, pod(RUNNING)], NOW_MS).reason is Reason.AVAILABLE


@pytest.mark.parametrize(
    ("lived_s", "runs_for_s", "code", "reason"),
    [
        (2, 1, 2, Reason.CRASH_LOOPING),
        (2, 60, 2, Reason.AVAILABLE),
        (3_600, 1, 137, Reason.AVAILABLE),
        (2, 1, 0, Reason.AVAILABLE),
    ],
)
def test_what_failed_at_once_runs_only_when_it_stays_up(
    lived_s: int, runs_for_s: int, code: int, reason: Reason
) -> None:
    ended = NOW_MS - 1000 * runs_for_s
    last = {
        "exitCode": code,
        "startedAt": times.from_ms(ended - 1000 * lived_s),
        "finishedAt": times.from_ms(ended),
    }
    now = {"running": {"startedAt": times.from_ms(ended)}}
    running = {"state": now, "restartCount": 1, "lastState": {"terminated": last}}
    assert workload.judge(deployment(), [pod(running)], NOW_MS).reason is reason
