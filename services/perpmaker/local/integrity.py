"""Whether our books and the exchange's agree: a pure comparison of positions, fills by trade id and open orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from perpmaker.common.decimals import format_e8

_MAX_DIFFERENCES = 50


@dataclass(frozen=True, slots=True, order=True)
class FillId:
    """What identifies an execution; both sides of a trade carry the same `tid`, hence the `oid`."""

    market: str
    tid: int
    oid: int


@dataclass(frozen=True, slots=True)
class FillTerms:
    """What an execution was."""

    is_buy: bool
    px_e8: int
    sz_e8: int
    fee_quote_e8: int


@dataclass(frozen=True, slots=True)
class Books:
    """One account as one party keeps it."""

    positions_e8: Mapping[str, int]
    """Signed sizes by market; an absent market is flat."""
    fills: Mapping[FillId, FillTerms]
    open_orders: tuple[str, ...]
    """Orders not known to be ended, in words."""


def differences(ledger: Books, exchange: Books) -> tuple[str, ...]:
    """Everything in which order-state's ledger and the exchange's own record differ, in words; empty when they agree.

    Open orders are differences by themselves: after an ordered stop neither side may know one.
    """
    found: list[str] = []
    for market in sorted({*ledger.positions_e8, *exchange.positions_e8}):
        ours, theirs = ledger.positions_e8.get(market, 0), exchange.positions_e8.get(market, 0)
        if ours != theirs:
            found.append(f"{market}: position {format_e8(ours)} in the ledger, {format_e8(theirs)} at the exchange")
    for key in sorted({*ledger.fills, *exchange.fills}):
        ours_fill, theirs_fill = ledger.fills.get(key), exchange.fills.get(key)
        name = f"{key.market}: fill {key.tid} of order {key.oid}"
        if ours_fill is None and theirs_fill is not None:
            found.append(f"{name} ({_terms(theirs_fill)}) is at the exchange and not in the ledger")
        elif theirs_fill is None and ours_fill is not None:
            found.append(f"{name} ({_terms(ours_fill)}) is in the ledger and not at the exchange")
        elif ours_fill is not None and theirs_fill is not None and ours_fill != theirs_fill:
            found.append(f"{name} is {_terms(ours_fill)} in the ledger, {_terms(theirs_fill)} at the exchange")
    found += [f"order-state still holds {order}" for order in ledger.open_orders]
    found += [f"the exchange still has {order}" for order in exchange.open_orders]
    if len(found) > _MAX_DIFFERENCES:
        return (*found[:_MAX_DIFFERENCES], f"and {len(found) - _MAX_DIFFERENCES} more")
    return tuple(found)


def _terms(fill: FillTerms) -> str:
    side = "bought" if fill.is_buy else "sold"
    return f"{side} {format_e8(fill.sz_e8)} at {format_e8(fill.px_e8)}, fee {format_e8(fill.fee_quote_e8)}"
