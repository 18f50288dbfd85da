"""What admission cannot know: whether an object may be run beside the others, at this exchange, at this price. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.marketmaker import MarketKind, RolloutStrategy
from perpmaker.common.decimals import E8, format_e8
from perpmaker.operator.children import Refusal, account_refusals, maker_refusals
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.observe.values import Instrument
from perpmaker.operator.settings import OperatorSettings

_LOT_DIGITS = 8
_TOLD = 3
VALID = Verdict(Reason.VALID, "it can be run")


@dataclass(frozen=True, slots=True)
class Claim:
    """A MarketMaker's wish to have a market."""

    created: str
    name: str
    uid: str


def claim_of(body: Manifest) -> Claim:
    """The claim of an object as the API server has it."""
    meta = body["metadata"]
    return Claim(meta.get("creationTimestamp", ""), meta["name"], meta.get("uid", ""))


def winner(claims: Sequence[Claim]) -> Claim:
    """Who has the market: the oldest, of equals the first by name."""
    return min(claims, key=lambda claim: (claim.created, claim.name))


def market_of(body: Manifest) -> tuple[str, str]:
    """Account and symbol that an object refers to, also when the rest of it cannot be read."""
    spec = body.get("spec") or {}
    return (
        str((spec.get("accountRef") or {}).get("name", "")),
        str((spec.get("market") or {}).get("symbol", "")),
    )


def parse_maker(body: Manifest) -> MarketMaker | Verdict:
    """The object as a value, or why it cannot be read."""
    try:
        return MarketMaker.model_validate(_without_status(body))
    except ValidationError as error:
        return invalid(error)


def parse_account(body: Manifest) -> TradingAccount | Verdict:
    """The object as a value, or why it cannot be read."""
    try:
        return TradingAccount.model_validate(_without_status(body))
    except ValidationError as error:
        return invalid(error)


def _without_status(body: Manifest) -> dict[str, Any]:
    """Status is ours and may be of another version; managedFields are many."""
    meta = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {key: value for key, value in body.items() if key != "status"} | {"metadata": meta}


def invalid(error: ValidationError) -> Verdict:
    """The fields that are wrong; the values stay out of it."""
    found = error.errors(include_url=False, include_input=False)
    told = [f"{'.'.join(str(step) for step in item['loc']) or 'object'}: {item['msg']}" for item in found[:_TOLD]]
    more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
    return Verdict(Reason.INVALID, f"{'; '.join(told)}{more}")


def _refusal(refusals: Sequence[Refusal]) -> Verdict | None:
    if not refusals:
        return None
    first = refusals[0]
    known = {reason.value: reason for reason in Reason}
    return Verdict(known.get(first.reason.value, Reason.INVALID), "; ".join(item.message for item in refusals[:_TOLD]))


def judge_account(account: TradingAccount, settings: OperatorSettings) -> Verdict:
    """Whether an account can be run by this installation."""
    return _refusal(account_refusals(account, settings)) or VALID


def judge_maker(
    maker: MarketMaker,
    claims: Sequence[Claim],
    *,
    refused_symbol: str,
    refused_leverage: str,
    instrument: Instrument | None,
    mark_px_e8: int,
) -> Verdict:
    """Whether a maker can be run.

    `claims` are those of all makers of the account on the market, its own included; `refused_symbol` the gateway's
    words when it does not take the symbol, `refused_leverage` when it cannot set the leverage;
    `mark_px_e8` 0 while no price is known.
    """
    owner = winner(claims)
    if owner.uid != (maker.metadata.uid or ""):
        return Verdict(
            Reason.DUPLICATE_MARKET,
            f"MarketMaker {owner.name} has {maker.spec.market.symbol} on account {maker.spec.account_ref.name}; one"
            " market has one maker: delete one of the two",
        )
    return (
        _unsupported(maker)
        or _refusal(maker_refusals(maker))
        or _unknown_symbol(maker, refused_symbol)
        or (_beyond_the_market(maker, instrument, mark_px_e8) if instrument is not None else None)
        or (Verdict(Reason.LEVERAGE_TOO_HIGH, f"spec.leverage: {refused_leverage}") if refused_leverage else None)
        or VALID
    )


def _unsupported(maker: MarketMaker) -> Verdict | None:
    if maker.spec.market.kind is not MarketKind.PERPETUAL:
        return Verdict(Reason.NOT_SUPPORTED, "spec.market.kind: only Perpetual markets can be traded yet")
    if maker.spec.rollout.strategy is not RolloutStrategy.CANCEL_AND_REPLACE:
        return Verdict(
            Reason.NOT_SUPPORTED, "spec.rollout.strategy: Handover is not available yet; use CancelAndReplace"
        )
    return None


def _unknown_symbol(maker: MarketMaker, refused: str) -> Verdict | None:
    if not refused:
        return None
    return Verdict(
        Reason.UNKNOWN_SYMBOL,
        f"{refused}; spec.market is immutable: delete the MarketMaker and create one for the right symbol",
    )


def _beyond_the_market(maker: MarketMaker, instrument: Instrument, mark_px_e8: int) -> Verdict | None:
    leverage = maker.spec.leverage
    symbol = maker.spec.market.symbol
    if leverage is not None and leverage.value > instrument.max_leverage:
        return Verdict(
            Reason.LEVERAGE_TOO_HIGH,
            f"spec.leverage.value {leverage.value} is above {instrument.max_leverage}, the most that the exchange"
            f" allows for {symbol}; lower it",
        )
    if mark_px_e8 <= 0:
        return None
    lot_e8 = 10 ** (_LOT_DIGITS - instrument.sz_decimals)
    notional_e8 = maker.spec.quoting.order_notional.e8
    size_e8 = notional_e8 * E8 // mark_px_e8 // lot_e8 * lot_e8
    least_e8 = max(-(-lot_e8 * mark_px_e8 // E8), instrument.min_notional_e8)
    if size_e8 > 0 and size_e8 * mark_px_e8 // E8 >= instrument.min_notional_e8:
        return None
    return Verdict(
        Reason.BELOW_TICK_OR_LOT,
        f"spec.quoting.orderNotional {format_e8(notional_e8)} makes {format_e8(size_e8)} {symbol} at a price of"
        f" {format_e8(mark_px_e8)} in lots of {format_e8(lot_e8)}, less than the exchange accepts; give clearly more"
        f" than {format_e8(least_e8)}",
    )
