"""Builders in the quoter's words, and a modelled exchange that carries out plans."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

from perpmaker.api.parts import InventoryPart, QuoterPart, QuotingPart
from perpmaker.common.decimals import E8
from perpmaker.common.service import Endpoint
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.quoter.decide import View
from perpmaker.quoter.gate import Standing
from perpmaker.quoter.plan import Plan
from perpmaker.quoter.settings import Settings, settings_from
from perpmaker.quoter.values import BookView, LiveOrder, LiveState, Permission, Side, TargetLevel

BTC = InstrumentRules(market="BTC", asset_id=0, sz_decimals=5, max_leverage=40)
SECOND_NS = 1_000_000_000
NOW_NS = 1_000 * SECOND_NS
NOW_MS = 1_760_000_000_000
PX = 60_000 * E8


def part(directory: Path | None = None, **quoting: Any) -> QuoterPart:
    """A quoter's part: two levels of $300 on BTC, limit $3,000."""
    base = directory or Path("/nowhere")
    wanted: dict[str, Any] = {"levels": 2, "order_notional_e8": 300 * E8, "min_requote_interval_ms": 100} | quoting
    return QuoterPart(
        endpoint=Endpoint(listen=f"unix:{base}/quoter.sock"),
        account="desk",
        name="btc",
        market="BTC",
        gateway_target=f"unix:{base}/gateway.sock",
        order_state_target=f"unix:{base}/orders.sock",
        risk_target=f"unix:{base}/risk.sock",
        quoting=QuotingPart(**wanted),
        inventory=InventoryPart(max_notional_e8=3_000 * E8),
    )


def settings(**changes: Any) -> Settings:
    """Settings of that part, with fields of Settings changed."""
    return replace(settings_from(part()), **changes)


def permission(**changes: Any) -> Permission:
    """A permission for one BTC either way, fresh at NOW."""
    wanted: dict[str, Any] = {
        "min_position_e8": -E8,
        "max_position_e8": E8,
        "valid_until_ms": NOW_MS + 2_000,
        "received_ns": NOW_NS,
    } | changes
    return Permission(**wanted)


def book(
    bid_e8: int = PX - E8, ask_e8: int = PX + E8, *, sz_e8: int = E8, depth: int = 3, received_ns: int = NOW_NS
) -> BookView:
    """A symmetric book around 60,000 with a spread of two dollars."""
    return BookView(
        bids=tuple((bid_e8 - i * E8, sz_e8) for i in range(depth)),
        asks=tuple((ask_e8 + i * E8, sz_e8) for i in range(depth)),
        exchange_time_ms=NOW_MS,
        received_ns=received_ns,
    )


def standing(**changes: Any) -> Standing:
    """Everything in order at NOW."""
    wanted: dict[str, Any] = {
        "now_ns": NOW_NS,
        "now_ms": NOW_MS,
        "started_ns": NOW_NS - 60 * SECOND_NS,
        "book": book(),
        "permission": permission(),
        "feed_live": True,
        "orders_known": True,
        "held": False,
        "connected": True,
        "fenced": False,
        "draining": False,
    } | changes
    return Standing(**wanted)


def view(*, position_e8: int = 0, orders: tuple[LiveOrder, ...] = (), **changes: Any) -> View:
    """What a cycle sees; `changes` go to the standing."""
    return View(standing=standing(**changes), position_e8=position_e8, orders=orders)


_cloids = itertools.count(1)


def order(
    side: Side,
    px_e8: int,
    *,
    level: int = 0,
    sz_e8: int = E8 // 200,
    state: LiveState = LiveState.WORKING,
    cloid: str | None = None,
) -> LiveOrder:
    """A live order with a client id of its own."""
    return LiveOrder(cloid or f"0x{next(_cloids):032x}", side, level, px_e8, sz_e8, state)


def target(side: Side, px_e8: int, *, level: int = 0, sz_e8: int = E8 // 200) -> TargetLevel:
    """A target level."""
    return TargetLevel(side, level, px_e8, sz_e8)


def carry_out(plan: Plan, orders: tuple[LiveOrder, ...]) -> tuple[LiveOrder, ...]:
    """The live orders after every item of a plan succeeded at the exchange and was seen."""
    gone = {cancel.order.cloid for cancel in plan.cancels} | {r.order.cloid for r in plan.replaces}
    kept = tuple(o for o in orders if o.cloid not in gone and o.state is not LiveState.CANCELLING)
    new = [replacement.target for replacement in plan.replaces] + [placement.target for placement in plan.places]
    return kept + tuple(order(t.side, t.px_e8, level=t.level, sz_e8=t.sz_e8) for t in new)
