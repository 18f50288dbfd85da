"""Builders in the domain's words for tests of order truth."""

from __future__ import annotations

from perpmaker.common import cloid as cloids
from perpmaker.common.decimals import parse_e8
from perpmaker.order_state.core.ledger import FillEntry
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.plan import NewOrder
from perpmaker.order_state.core.transitions import State

ACCOUNT = "main"
MARKET = "BTC"
TAG = cloids.market_tag(ACCOUNT, MARKET)
T0 = 1_760_000_000_000


def e8(text: str) -> int:
    """Shorthand for exact decimals."""
    return parse_e8(text)


def cloid(sequence: int, *, buy: bool = True, level: int = 0, epoch: int = 1, market: str = MARKET) -> str:
    """A client order id of ours."""
    return cloids.mint(cloids.market_tag(ACCOUNT, market), epoch, sequence, is_buy=buy, level=level)


def order(sequence: int = 1, **facts: object) -> TrackedOrder:
    """A tracked buy of 1.0 at 100, pending, unless told otherwise."""
    buy = bool(facts.pop("is_buy", True))
    level = int(str(facts.pop("level", 0)))
    given: dict[str, object] = {
        "market": MARKET,
        "px_e8": e8("100"),
        "sz_e8": e8("1"),
        "placed_time_ms": T0,
        "state_time_ms": T0,
        "epoch": 1,
        **facts,
    }
    return TrackedOrder(
        cloid=cloid(sequence, buy=buy, level=level),
        is_buy=buy,
        level=level,
        **given,  # type: ignore[arg-type]
    )


def resting(sequence: int = 1, **facts: object) -> TrackedOrder:
    """A tracked order in the book with oid 1000 + sequence."""
    return order(sequence, **{"state": State.RESTING, "oid": 1000 + sequence, "ack_time_ms": T0, **facts})


def new_order(
    sequence: int, *, buy: bool = True, sz: str = "1", px: str = "100", level: int = 0, **more: object
) -> NewOrder:
    """An order to place."""
    return NewOrder(
        cloid=cloid(sequence, buy=buy, level=level),
        is_buy=buy,
        px_e8=e8(px),
        sz_e8=e8(sz),
        level=level,
        **more,  # type: ignore[arg-type]
    )


def fill(tid: int, *, sz: str = "1", px: str = "100", buy: bool = True, oid: int = 1001, **more: object) -> FillEntry:
    """A fill of ours."""
    given: dict[str, object] = {"market": MARKET, "exchange_time_ms": T0 + tid, **more}
    return FillEntry(tid=tid, oid=oid, is_buy=buy, px_e8=e8(px), sz_e8=e8(sz), **given)  # type: ignore[arg-type]
