"""What the exchange says of the market itself reaches a running quoter: other rules, and the market's end."""

from __future__ import annotations

from pathlib import Path

from tests.support.quoter import PX
from tests.support.quoter_peers import until
from tests.support.quoter_running import quoting

from perpmaker.common.decimals import E8
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.orderstate.v1.orderstate_pb2 import NewOrder


async def test_rules_that_change_are_those_of_the_very_next_orders(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await quoter.is_at_rest()
        coarse = InstrumentRules(market="BTC", asset_id=0, sz_decimals=2, max_leverage=40)
        assert all(order.sz_e8 % coarse.lot_e8 for order in quoter.orders.live)
        told = len(quoter.orders.requests)

        def new() -> list[NewOrder]:
            plans = quoter.orders.requests[told:]
            return [order for plan in plans for order in (*plan.places, *(item.order for item in plan.replaces))]

        quoter.gateway.change_rules(sz_decimals=coarse.sz_decimals)
        quoter.gateway.move(PX + 60 * E8)
        await until("a plan brings orders", lambda: bool(new()))
        assert all(order.sz_e8 % coarse.lot_e8 == 0 and coarse.is_valid_price(order.px_e8) for order in new())


async def test_a_delisted_market_is_emptied_and_the_quoter_says_why(tmp_path: Path) -> None:
    async with quoting(tmp_path) as quoter:
        await quoter.is_full()
        await quoter.is_ready()
        quoter.gateway.change_rules(delisted=True)
        await quoter.is_full(0)
        await quoter.is_ready(False)
        status = await quoter.status()
        assert not status.quoting
        assert "delisted" in status.reasons
        quoter.gateway.move(PX + 60 * E8)
        await quoter.is_full(0)
