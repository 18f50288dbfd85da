"""The exchange's documented metadata to instruments, what changes of them, and ticks that change with prices."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from perpmaker.common.clock import ManualClock
from perpmaker.common.decimals import E8, parse_e8
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.decode import reference_wire
from perpmaker.gateway.listings import Listing, Listings, instrument, listings_of
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

NOW = 1_760_000_000_000
META = {
    "universe": [
        {"szDecimals": 5, "name": "BTC", "maxLeverage": 40, "marginTableId": 56},
        {"szDecimals": 1, "name": "OLD", "maxLeverage": 3, "marginTableId": 3, "isDelisted": True},
        {
            "szDecimals": 0,
            "name": "ISO",
            "maxLeverage": 3,
            "marginTableId": 3,
            "onlyIsolated": True,
            "marginMode": "strictIsolated",
        },
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "0.0", "maxLeverage": 40},
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                ],
            },
        ]
    ],
    "collateralToken": 235,
}
BTC = InstrumentRules(market="BTC", asset_id=0, sz_decimals=5, max_leverage=40)


def _meta(**changes: Any) -> reference_wire.MetaWire:
    return reference_wire.META.decode(msgspec.json.encode(META | changes))


def test_listing_has_tiers_collateral_and_flags() -> None:
    found = listings_of(_meta(), "xyz")
    assert found["BTC"] == Listing("xyz", 235, ((0, 40), (150_000_000 * E8, 20)), False, False, 5, 40)
    assert found["OLD"].delisted
    assert found["ISO"].only_isolated
    assert found["ISO"].tiers == ((0, 3),)


def test_instrument_tells_steps_at_the_newest_price() -> None:
    told = instrument(BTC, listings_of(_meta(), "")["BTC"], parse_e8("64310"))
    assert (told.lot_e8, told.finest_tick_e8, told.tick_e8) == (1_000, E8 // 10, E8)
    assert [(tier.lower_bound_e8, tier.max_leverage) for tier in told.margin_tiers] == [(0, 40), (150_000_000 * E8, 20)]
    assert instrument(BTC, None, 0).tick_e8 == 0


class _Metas:
    def __init__(self) -> None:
        self.meta = _meta()

    async def metas(self, dexes: object) -> dict[str, reference_wire.MetaWire]:
        return {"": self.meta}


def _listings(markets: Markets, reads: _Metas, hub: MarketHub, ended: Callable[[], None] = lambda: None) -> Listings:
    async def on_delisted() -> None:
        ended()

    return Listings(markets, reads, hub, ManualClock(NOW), on_delisted)  # type: ignore[arg-type]


async def test_only_a_change_is_told_and_taken_over() -> None:
    markets, hub, reads = Markets(("BTC",)), MarketHub(), _Metas()
    markets.serve(("BTC",), {"BTC": BTC})
    listings = _listings(markets, reads, hub)
    mailbox = hub.subscribe(["BTC"])
    await listings.refresh()
    await listings.refresh()
    assert mailbox.drain() == []

    reads.meta = _meta(universe=[META["universe"][0] | {"maxLeverage": 25}])  # type: ignore[index,operator]
    await listings.refresh()

    (message,) = mailbox.drain()
    assert message.instrument.max_leverage == 25
    assert markets.rules_of("BTC") == InstrumentRules(market="BTC", asset_id=0, sz_decimals=5, max_leverage=25)
    assert listings.instruments()[0].max_leverage == 25


@pytest.mark.parametrize("first_reading", [True, False])
async def test_a_delisted_market_is_told_of_and_let_go(first_reading: bool) -> None:
    markets, hub, reads, ended = Markets(("BTC", "ISO")), MarketHub(), _Metas(), []
    iso = InstrumentRules(market="ISO", asset_id=2, sz_decimals=0, max_leverage=3)
    markets.serve(("BTC", "ISO"), {"BTC": BTC, "ISO": iso})
    listings = _listings(markets, reads, hub, lambda: ended.append(markets.names))
    if not first_reading:
        await listings.refresh()
    mailbox = hub.subscribe(["BTC", "ISO"])
    listed = dict(META["universe"][0])  # type: ignore[call-overload]
    reads.meta = _meta(universe=[listed | {"isDelisted": True}, META["universe"][2]])  # type: ignore[index]

    await listings.refresh()
    await listings.refresh()

    (message,) = mailbox.drain()
    assert (message.trace.market, message.instrument.delisted) == ("BTC", True)
    assert ended == [("ISO",)]
    assert markets.rules_of("BTC") is None
    assert markets.rules_for_cancels("BTC") is not None


def test_what_is_served_is_told_to_readers_that_were_there_before() -> None:
    markets, hub = Markets(("BTC",)), MarketHub()
    mailbox = hub.subscribe(["BTC"])
    markets.serve(("BTC",), {"BTC": BTC})
    _listings(markets, _Metas(), hub).tell()
    (message,) = mailbox.drain()
    assert (message.instrument.sz_decimals, message.instrument.max_leverage) == (5, 40)


def test_tick_is_told_when_the_price_crosses_a_power_of_ten() -> None:
    hub, markets = MarketHub(), Markets(("BTC",))
    markets.serve(("BTC",), {"BTC": BTC})
    stream = MarketDataStream(("BTC",), "0xab", hub, ManualClock(NOW), 5.0, lambda: None, tick_e8=markets.tick_e8)
    mailbox = hub.subscribe(["BTC"])

    def quote(bid: str, ask: str, time_ms: int) -> list[pb.TickChanged]:
        levels = [{"px": bid, "sz": "1", "n": 1}, {"px": ask, "sz": "1", "n": 1}]
        data = {"coin": "BTC", "time": time_ms, "bbo": levels}
        stream.received(json.dumps({"channel": "bbo", "data": data}).encode(), 1)
        return [message.tick_changed for message in mailbox.drain() if message.HasField("tick_changed")]

    assert quote("9998.5", "9999.5", NOW) == []
    assert quote("9999.9", "10000", NOW + 1) == []
    crossed = pb.TickChanged(px_e8=10_000 * E8, tick_e8=E8, former_tick_e8=E8 // 10)
    assert quote("10000", "10001", NOW + 2) == [crossed]
    assert quote("10001", "10002", NOW + 3) == []
    back = pb.TickChanged(px_e8=parse_e8("9999.9"), tick_e8=E8 // 10, former_tick_e8=E8)
    assert quote("9999.9", "10000", NOW + 4) == [back]
