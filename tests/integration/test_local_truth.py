"""Reading an account's books over the exchange's public API, all pages of fills included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from perpmaker.common import cloid
from perpmaker.common.decimals import E8
from perpmaker.local.integrity import FillId, FillTerms
from perpmaker.local.truth import BooksUnreadableError, ExchangeReader

OURS = cloid.mint(1, 1, 1, is_buy=True, level=0)
PAGE = 2_000
MARKETS = ("BTC", "xyz:GOLD")


class Exchange:
    """Serves one account's public record."""

    def __init__(self, fills: int = 0) -> None:
        self.fills = [
            {
                "coin": "BTC",
                "px": "64000.5",
                "sz": "0.01",
                "side": "B" if number % 2 else "A",
                "time": 1_000 + number // 3,
                "tid": number,
                "oid": 7,
                "fee": "-0.0192",
            }
            for number in range(fills)
        ]
        self.orders: list[dict[str, Any]] = []
        self.positions = [("BTC", "-0.25")]
        self.status = 200

    async def info(self, request: web.Request) -> web.Response:
        """POST /info."""
        question = await request.json()
        dex = question.get("dex", "")

        def is_there(coin: str) -> bool:
            return coin.rpartition(":")[0] == dex

        answers: dict[str, Any] = {
            "clearinghouseState": {
                "assetPositions": [{"position": {"coin": c, "szi": szi}} for c, szi in self.positions if is_there(c)]
            },
            "openOrders": [order for order in self.orders if is_there(order["coin"])],
            "userFillsByTime": [fill for fill in self.fills if fill["time"] >= question.get("startTime", 0)][:PAGE],
        }
        return web.json_response(answers[question["type"]], status=self.status)


@pytest.fixture
async def exchange() -> Exchange:
    return Exchange()


@pytest.fixture
async def reader(exchange: Exchange) -> AsyncIterator[ExchangeReader]:
    application = web.Application()
    application.router.add_post("/info", exchange.info)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as session:
        yield ExchangeReader(session, f"http://{host}:{port}", "0x" + "ab" * 20)
    await runner.cleanup()


async def test_every_page_of_fills_is_read(exchange: Exchange, reader: ExchangeReader) -> None:
    exchange.fills = Exchange(2 * PAGE + 500).fills
    books = await reader.read(0, MARKETS, own_only=False)
    assert {key.tid for key in books.fills} == set(range(2 * PAGE + 500))


async def test_numbers_are_exact(exchange: Exchange, reader: ExchangeReader) -> None:
    exchange.fills = Exchange(1).fills
    books = await reader.read(0, MARKETS, own_only=False)
    assert books.positions_e8 == {"BTC": -E8 // 4}
    assert books.fills == {
        FillId("BTC", 0, 7): FillTerms(is_buy=False, px_e8=6_400_050_000_000, sz_e8=E8 // 100, fee_quote_e8=-1_920_000)
    }


async def test_orders_that_are_not_ours_may_stay_open(exchange: Exchange, reader: ExchangeReader) -> None:
    order = {"coin": "BTC", "side": "B", "sz": "1", "limitPx": "5", "oid": 3}
    exchange.orders = [order, {**order, "oid": 4, "cloid": OURS}]
    assert [order[-7:] for order in (await reader.read(0, MARKETS, own_only=True)).open_orders] == ["(oid 4)"]
    assert len((await reader.read(0, MARKETS, own_only=False)).open_orders) == 2


async def test_an_exchange_that_answers_with_an_error_is_not_taken_for_an_empty_one(
    exchange: Exchange, reader: ExchangeReader
) -> None:
    exchange.status = 503
    with pytest.raises(BooksUnreadableError, match="HTTP 503"):
        await reader.read(0, MARKETS, own_only=False)


async def test_every_dex_of_the_markets_is_read(exchange: Exchange, reader: ExchangeReader) -> None:
    exchange.positions += [("xyz:GOLD", "3"), ("abc:OIL", "1")]
    exchange.orders = [
        {"coin": coin, "side": "B", "sz": "1", "limitPx": "4000", "oid": 1, "cloid": OURS}
        for coin in ("xyz:GOLD", "abc:OIL")
    ]
    books = await reader.read(0, MARKETS, own_only=True)
    assert books.positions_e8 == {"BTC": -E8 // 4, "xyz:GOLD": 3 * E8}
    assert books.open_orders == ("xyz:GOLD buy 1 at 4000 (oid 1)",)


async def test_what_people_trade_elsewhere_is_no_difference(exchange: Exchange, reader: ExchangeReader) -> None:
    exchange.positions.append(("ETH", "5"))
    exchange.fills = [{**fill, "coin": coin} for fill in Exchange(1).fills for coin in ("BTC", "ETH")]
    books = await reader.read(0, MARKETS, own_only=True)
    assert books.positions_e8 == {"BTC": -E8 // 4}
    assert {key.market for key in books.fills} == {"BTC"}
