"""From `kubectl apply` to quotes, fills and figures a person can read."""

from __future__ import annotations

import time

import pytest
from tests.e2e.house import ACCOUNT, START_S, House, account, maker
from tests.e2e.measure import Measure

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


async def test_two_objects_make_a_market_that_trades(house: House, measured: Measure) -> None:
    began = time.monotonic()
    await house.apply(account(), maker("eth"))
    address = await house.address()
    await house.two_sided("eth", within_s=START_S)
    measured("apply of account and maker to two-sided quotes", f"{time.monotonic() - began:.1f} s")
    await house.ready("eth")
    await house.ready(ACCOUNT, "TradingAccount")

    async def filled() -> bool:
        return bool(await house.venue.fills(address))

    await house.until("somebody trades with us", filled, within_s=60)


async def test_a_second_market_quotes_soon_on_a_ready_account(house: House, measured: Measure) -> None:
    await house.quoting("eth")
    began = time.monotonic()
    await house.apply(maker("btc"))
    await house.two_sided("btc", within_s=START_S)
    measured("apply to two-sided quotes on a ready account (15 s)", f"{time.monotonic() - began:.1f} s")
    await house.ready("btc")


async def test_what_kubectl_shows_is_what_a_trader_asks_first(house: House) -> None:
    await house.quoting("eth")

    async def figures() -> bool:
        found = await house.api.read("MarketMaker", "eth", house.namespace)
        return "quoteUptime" in found.get("status", {}).get("summary", {})

    await house.until("status has figures", figures, within_s=60)
    shown = house.cluster.kubectl("get", "mm", "eth", "-n", house.namespace).splitlines()
    words = dict(zip(shown[0].replace("DAY P&L", "DAY_P&L").split(), shown[1].split(), strict=True))
    assert (words["STATE"], words["MARKET"], words["MODE"], words["APPLIED"]) == ("Quoting", "ETH", "Active", "1")
    assert words["UPTIME"].endswith("%")
    float(words["POSITION"])
    float(words["DAY_P&L"])
