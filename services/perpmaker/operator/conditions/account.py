"""Conditions of a TradingAccount. Ready names the first thing that stands in the way, in the order below."""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.operator.conditions.findings import Finding, false, true, unknown
from perpmaker.operator.conditions.maker import Verdict, reconciling, stalled
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.observe.values import (
    AccountView,
    GatewayFacts,
    OrderStateFacts,
    RiskFacts,
    Unreachable,
)


@dataclass(frozen=True, slots=True)
class AccountObserved:
    """Everything that the conditions of a TradingAccount are judged from."""

    accepted: Verdict
    network: str
    """What the spec wants; empty where there is no telling."""
    view: AccountView
    gateway: Workload
    order_state: Workload
    risk: Workload
    store: Workload | None
    """None for a store that is run by somebody else."""
    venue: Workload | None
    """The simulated exchange; None on real networks."""
    switch_wanted: bool
    """Whether the dead man's switch is enabled."""
    has_markets: bool
    kill_switch: Finding
    now_ms: int
    work: Verdict | None = None
    stalled: Verdict | None = None
    is_terminating: bool = False
    is_frozen: bool = False


def judge(seen: AccountObserved) -> list[Finding]:
    """All conditions, Ready first."""
    accepted = seen.accepted
    accepted_finding = (
        true(ConditionType.ACCEPTED, Reason.VALID, accepted.message)
        if accepted.reason is Reason.VALID
        else false(ConditionType.ACCEPTED, accepted.reason, accepted.message)
    )
    store = _store(seen)
    gateway = _service(ConditionType.GATEWAY_AVAILABLE, seen.gateway, seen.view.gateway, _gateway_says(seen))
    order_state = _service(
        ConditionType.ORDER_STATE_AVAILABLE, seen.order_state, seen.view.order_state, _order_state_says(seen)
    )
    risk = _service(ConditionType.RISK_AVAILABLE, seen.risk, seen.view.risk, _risk_says(seen))
    credentials, exchange = _credentials(seen), _exchange(seen)
    ready = _ready(
        seen,
        accepted_finding,
        (
            # First, for what another network says of key and orders is not about this account.
            *(((exchange, Reason.NETWORK_MISMATCH),) if exchange.reason is Reason.NETWORK_MISMATCH else ()),
            (store, Reason.STORE_UNAVAILABLE),
            (credentials, Reason.CREDENTIALS_INVALID),
            (exchange, Reason.EXCHANGE_DISCONNECTED),
            (gateway, Reason.GATEWAY_UNAVAILABLE),
            (order_state, Reason.ORDER_STATE_UNAVAILABLE),
            (risk, Reason.RISK_UNAVAILABLE),
        ),
    )
    return [
        ready,
        accepted_finding,
        credentials,
        exchange,
        gateway,
        order_state,
        risk,
        store,
        _switch(seen),
        seen.kill_switch,
        reconciling(seen.work, is_frozen=seen.is_frozen),
        stalled(seen.stalled),
    ]


def _store(seen: AccountObserved) -> Finding:
    type_ = ConditionType.STORE_AVAILABLE
    if seen.store is None:
        return true(type_, Reason.EXTERNAL, "the store is run elsewhere; order-state and risk tell whether it answers")
    if seen.store.is_available:
        return true(type_, Reason.AVAILABLE, seen.store.message)
    return false(type_, seen.store.reason, seen.store.message)


def _service(type_: ConditionType, workload: Workload, answer: object, not_tradable: str) -> Finding:
    if not workload.is_available:
        return false(type_, workload.reason, workload.message)
    if isinstance(answer, Unreachable):
        return unknown(type_, Reason.UNKNOWN, f"{workload.message}, but {answer}")
    if not_tradable:
        return false(type_, Reason.NOT_TRADABLE, f"{workload.message}, but is not ready: {not_tradable}")
    return true(type_, Reason.AVAILABLE, workload.message)


def _gateway_says(seen: AccountObserved) -> str:
    facts = seen.view.gateway
    return (facts.reason or "it does not say why") if isinstance(facts, GatewayFacts) and not facts.is_ready else ""


def _order_state_says(seen: AccountObserved) -> str:
    facts = seen.view.order_state
    waiting = "replaying or reconciling with the exchange"
    return waiting if isinstance(facts, OrderStateFacts) and not facts.is_ready else ""


def _risk_says(seen: AccountObserved) -> str:
    facts = seen.view.risk
    if not isinstance(facts, RiskFacts) or facts.is_ready:
        return ""
    held = {check for market in facts.markets.values() for check in market.checks}
    return f"waiting for {', '.join(sorted(held))}" if held else "not every source was heard yet"


def _credentials(seen: AccountObserved) -> Finding:
    type_, facts = ConditionType.CREDENTIALS_VALID, seen.view.gateway
    if not isinstance(facts, GatewayFacts):
        if seen.gateway.reason in (Reason.CRASH_LOOPING, Reason.CREATE_CONTAINER_CONFIG_ERROR):
            return unknown(type_, Reason.UNKNOWN, f"the gateway does not start: {seen.gateway.message}")
        return unknown(type_, Reason.UNKNOWN, f"the gateway: {facts}")
    if facts.key_refusal:
        reason = Reason.ADDRESS_MISMATCH if "expected" in facts.key_refusal else Reason.KEY_REFUSED
        return false(type_, reason, f"the key in the Secret is refused: {facts.key_refusal}")
    if 0 < facts.signer_valid_until_ms <= seen.now_ms:
        return false(type_, Reason.EXPIRED, "the exchange's approval of the API wallet has ended; approve a new one")
    if not facts.signer_address:
        return unknown(type_, Reason.UNKNOWN, "the gateway has no signer yet")
    if not facts.signer_confirmed:
        return unknown(type_, Reason.UNKNOWN, "the exchange has not said yet whether the signer may trade")
    return true(type_, Reason.VALID, "the exchange knows the signer as an API wallet of the account")


def _exchange(seen: AccountObserved) -> Finding:
    type_, facts = ConditionType.EXCHANGE_CONNECTED, seen.view.gateway
    if seen.venue is not None and not seen.venue.is_available:
        return false(type_, seen.venue.reason, f"the simulated exchange: {seen.venue.message}")
    if not isinstance(facts, GatewayFacts):
        return unknown(type_, Reason.UNKNOWN, f"the gateway: {facts}")
    if other := other_network(seen.view, seen.network):
        return false(type_, Reason.NETWORK_MISMATCH, other)
    if not facts.exchange_connected:
        return false(type_, Reason.DISCONNECTED, f"sockets are down or incomplete: {facts.reason or 'no reason told'}")
    return true(type_, Reason.CONNECTED, "account and market data sockets are complete")


def other_network(view: AccountView, wanted: str) -> str:
    """Why a gateway's word is not of the account's exchange, with the remedy; empty when it is, or nobody can tell."""
    told = view.gateway.network if isinstance(view.gateway, GatewayFacts) else ""
    if not told or not wanted or told == wanted:
        return ""
    return (
        f"spec.network is {wanted}, but the gateway that answers speaks to {told}: it is one of another account or of"
        " an earlier one of this name; look for orders there, then delete its Deployment, which is made anew"
    )


def _switch(seen: AccountObserved) -> Finding:
    type_, facts = ConditionType.DEAD_MANS_SWITCH_ARMED, seen.view.gateway
    if not seen.switch_wanted:
        return false(type_, Reason.DISABLED, "spec.deadMansSwitch.mode is Disabled: if all fails, orders stay")
    if not isinstance(facts, GatewayFacts):
        return unknown(type_, Reason.UNKNOWN, f"the gateway: {facts}")
    if facts.dead_man_refusal:
        return false(type_, Reason.REFUSED_BY_EXCHANGE, f"the exchange refuses it: {facts.dead_man_refusal}")
    if facts.dead_man_deadline_ms > 0:
        return true(type_, Reason.ARMED, f"{facts.dead_man_firings_left} firings are left today")
    if not seen.has_markets:
        return false(type_, Reason.IDLE, "no market is traded")
    return false(type_, Reason.LAPSED, "it is not armed; see the gateway's log")


def _ready(seen: AccountObserved, accepted: Finding, parts: tuple[tuple[Finding, Reason], ...]) -> Finding:
    type_ = ConditionType.READY
    if seen.is_terminating:
        return false(type_, Reason.TERMINATING, "it is being deleted")
    if not accepted.holds:
        return false(type_, Reason.INVALID, accepted.message)
    for part, reason in parts:
        if not part.holds:
            return false(type_, reason, part.message)
    if seen.kill_switch.holds:
        return false(type_, Reason.KILL_SWITCH_TRIPPED, seen.kill_switch.message)
    return true(type_, Reason.READY, "all services are ready to trade")
