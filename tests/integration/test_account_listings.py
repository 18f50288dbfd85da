"""The exchange changes what it lists while an account trades: another tick, another leverage cap, a market's end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.account_stack import Account, running_account
from tests.support.risk import BTC, ETH
from tests.support.venue import TestVenue, VenueClient, running
from tests.support.waiting import HANG_S, until

from perpmaker.common.decimals import E8, parse_e8
from perpmaker.gateway.app import Gateway
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.risk.v1 import risk_pb2
from perpmaker.quoter.app import QuoterApp
from perpmaker.risk.app import RiskApp

TRADER = 7
TEN_THOUSAND_E8 = 10_000 * E8
"""From here on five significant figures are whole numbers."""


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with running(seed=5, flow=True, block_ms=50) as house:
        yield house


def gateway_of(account: Account) -> Gateway:
    service = account._houses["gateway"].service
    assert isinstance(service, Gateway)
    return service


async def test_a_delisted_market_is_quoted_no_more_and_says_so_while_the_other_goes_on(
    venue: TestVenue, tmp_path: Path
) -> None:
    async with running_account(venue, tmp_path, BTC, ETH) as account:
        btc, eth = await account.quote(BTC), await account.quote(ETH)
        await venue.control("delist", coin=ETH)

        async def said() -> bool:
            return "delisted" in eth._desk.reasons and not account.is_ready(ETH)

        await until("the quoter says that its market is delisted", said)
        assert await account.resting(ETH) == []

        async def denied() -> bool:
            permission = await account.permission(ETH)
            return "delisted" in permission.reasons and permission.size_factor_ppm == 0

        await until("risk denies the market for the same reason", denied)
        listed = await account.gateway.ListInstruments(gateway_pb2.ListInstrumentsRequest(), timeout=HANG_S)
        assert [instrument.market for instrument in listed.instruments] == [BTC]
        cycles = btc._desk.cycles

        async def goes_on() -> bool:
            both = set(await account.resting(BTC)) == {"A", "B"}
            return both and btc._desk.cycles > cycles and account.is_ready("gateway") and account.is_ready("risk")

        await until("the other market is quoted", goes_on)


async def test_risk_judges_by_a_leverage_cap_that_was_cut(venue: TestVenue, tmp_path: Path) -> None:
    async with running_account(venue, tmp_path, BTC) as account:
        risk = account._houses["risk"].service
        assert isinstance(risk, RiskApp)
        await account.quote(BTC)
        await venue.control("cap_leverage", coin=BTC, leverage=3)
        gateway_of(account).parts.listings.doubt()

        async def capped() -> bool:
            states = risk._controller.evaluation.markets if risk._controller.evaluation is not None else {}
            instrument = states[BTC].state.instrument
            return instrument is not None and instrument.max_leverage == 3

        await until("risk judges by the new cap", capped)
        state = await account.risk.GetState(risk_pb2.GetStateRequest(), timeout=HANG_S)
        assert state.ready


async def make_market(trader: VenueClient, bid: str, ask: str) -> None:
    """Be the book: one large order on each side and nothing else."""
    for order in await trader.mine("openOrders"):
        await trader.cancel(BTC, order["oid"])
    for is_buy, px in ((True, bid), (False, ask)):
        assert "resting" in await trader.place(BTC, is_buy=is_buy, px=px, sz="1", tif="Gtc")


async def orders_of(account: Account, kind: str) -> list[dict[str, Any]]:
    return list(await account.venue.client().info(kind, user=account.address))


async def test_a_price_that_crosses_a_power_of_ten_is_quoted_on_its_new_tick_at_once(tmp_path: Path) -> None:
    async with running(seed=5, flow=False, block_ms=20) as venue:
        trader = venue.client(TRADER)
        await venue.control("set_mark", coin=BTC, px="10000")
        await venue.control("fund", address=trader.address, usdc="1000000")
        await make_market(trader, "9990.3", "9990.9")
        async with running_account(venue, tmp_path, BTC) as account:
            app: QuoterApp = await account.quote(BTC)

            async def quoted_around(low: str, high: str) -> bool:
                prices = [float(order["limitPx"]) for order in await orders_of(account, "openOrders")]
                return len(prices) == 4 and all(float(low) < px < float(high) for px in prices)

            await until("it quotes below the power of ten", lambda: quoted_around("9900", "10090"))
            for bid, ask in (("10200", "10201"), ("9800.5", "9800.9"), ("10150", "10152")):
                await make_market(trader, bid, ask)
                low, high = str(float(bid) - 60), str(float(ask) + 60)
                await until(f"it quotes around {bid}", lambda low=low, high=high: quoted_around(low, high))
            assert app._desk.is_quoting
            placed = await orders_of(account, "historicalOrders")
        prices = [parse_e8(entry["order"]["limitPx"]) for entry in placed]
        above = [px for px in prices if px > TEN_THOUSAND_E8]
        below = [px for px in prices if px < TEN_THOUSAND_E8]
        assert above
        assert all(px % E8 == 0 for px in above)
        assert any(px % E8 for px in below)
        assert "tickRejected" not in {entry["status"] for entry in placed}
