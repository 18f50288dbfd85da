"""What of an answer is news: two answers that are equal here are no reason for another look. Pure."""

from __future__ import annotations

from perpmaker.operator.observe.values import (
    AccountView,
    GatewayAnswer,
    OrderStateAnswer,
    OrderStateFacts,
    QuoterAnswer,
    RiskAnswer,
    RiskFacts,
    Unreachable,
)


def account_news(view: AccountView) -> tuple[object, ...]:
    """Of an account: how its services are, and which markets there are."""
    return (_gateway_news(view.gateway), _order_state_news(view.order_state), _risk_news(view.risk), view.instruments)


def _gateway_news(answer: GatewayAnswer) -> object:
    if isinstance(answer, Unreachable):
        return answer.why
    return (
        answer.is_ready,
        answer.reason,
        answer.applied_revision,
        answer.account_address,
        answer.network,
        answer.signer_address,
        answer.key_refusal,
        answer.signer_valid_until_ms,
        answer.signer_confirmed,
        answer.exchange_connected,
        answer.dead_man_deadline_ms > 0,
        answer.dead_man_refusal,
    )


def _order_state_news(answer: OrderStateAnswer) -> object:
    if isinstance(answer, Unreachable):
        return answer.why
    return answer.is_ready, answer.applied_revision, frozenset(answer.markets)


def _risk_news(answer: RiskAnswer) -> object:
    if isinstance(answer, Unreachable):
        return answer.why
    return answer.is_ready, answer.applied_revision, answer.trips, answer.last_rearmed_trip_id


def market_news(view: AccountView, market: str) -> object:
    """Of one market: what its maker has to know of the account\'s services."""
    has_instrument = view.instruments.get(market)
    held = view.order_state.markets.get(market) if isinstance(view.order_state, OrderStateFacts) else None
    if not isinstance(view.risk, RiskFacts):
        return view.risk.why, has_instrument, held is None
    facts = view.risk.markets.get(market)
    permission = facts and (facts.is_killed, facts.is_closed, facts.reduce_only, facts.mark_px_e8 > 0)
    return permission, view.risk.trip_of(market), view.risk.last_rearmed_trip_id, has_instrument, held is None


def quoter_news(answer: QuoterAnswer) -> object:
    """Of a quoter."""
    if isinstance(answer, Unreachable):
        return answer.why
    return (
        answer.is_quoting,
        tuple(word for word in answer.reasons if not word.startswith("burst_")),
        answer.applied_generation,
        answer.epoch,
        answer.is_flat,
    )
