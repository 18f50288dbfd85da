"""ccxt, unmodified, trading on the simulated venue: REST and streams of its `pro` class."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt
import ccxt.pro
from steps import API_URL, HANG_S, KEY, WS_URL, check, control, say, step, truth, wait_for

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"
CLOID = "0x" + "ab" * 16
_ADDRESS_OF_THE_PAGE = "http://127.0.0.1:8010"
_LONGEST_SWEEP = 50


def on_venue(me: str) -> Any:
    """The client, pointed at the venue as its manual says: sandbox mode and `urls`."""
    client = ccxt.pro.hyperliquid({"walletAddress": me, "privateKey": KEY, "enableRateLimit": False})
    client.set_sandbox_mode(True)
    client.urls["api"] = {"public": API_URL, "private": API_URL, "ws": {"public": WS_URL}}
    return client


async def refused(call: Any, kind: type[Exception], text: str) -> None:
    """The call must raise `kind` with `text` in its message."""
    try:
        answer = await call
    except kind as error:
        assert text in str(error), repr(error)
        return
    raise AssertionError(f"was accepted: {answer!r}")


def run_example() -> list[str]:
    """What the program on the page prints, pointed at this venue."""
    page = (Path(__file__).parents[3] / "docs" / "venue.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    check(program.count(_ADDRESS_OF_THE_PAGE), 1)
    command = [sys.executable, "-c", program.replace(_ADDRESS_OF_THE_PAGE, API_URL)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=HANG_S, check=False)
    check((ended.returncode, ended.stderr), (0, ""))
    return ended.stdout.split()


async def trade(client: Any, me: str) -> None:
    with step("load markets", vital=True):
        markets = await client.load_markets()
        assert {BTC, ETH} <= set(markets), list(markets)
        check(markets[BTC]["precision"]["amount"], 1e-05)
        assert markets[BTC]["precision"]["price"] >= 0.1
    with step("time, status, tickers and a book"):
        assert await client.fetch_time() > 1_600_000_000_000
        check((await client.fetch_status())["status"], "ok")
        tickers = await client.fetch_tickers([BTC, ETH])
        assert tickers[BTC]["bid"] < tickers[BTC]["ask"], tickers[BTC]
        book = await client.fetch_order_book(BTC)
        assert book["bids"][0][0] < book["asks"][0][0]
    with step("candles, trades and funding rates"):
        assert isinstance(await client.fetch_ohlcv(BTC, "1m", limit=5), list)
        check((await client.fetch_funding_rate(BTC))["symbol"], BTC)
    with step("stream a book"):
        watched = await asyncio.wait_for(client.watch_order_book(ETH), HANG_S)
        assert watched["bids"][0][0] < watched["asks"][0][0]

    orders: list[Any] = []
    fills: list[Any] = []
    arrived = asyncio.Event()

    async def follow(call: Any, into: list[Any]) -> None:
        while True:
            into.extend(dict(item) for item in await call())
            arrived.set()

    following = [
        asyncio.create_task(follow(client.watch_orders, orders)),
        asyncio.create_task(follow(client.watch_my_trades, fills)),
    ]

    async def streamed(items: list[Any], holds: Callable[[Any], bool]) -> None:
        """Return once an item of a stream, past or to come, is as wanted. Raises `TimeoutError`."""
        async with asyncio.timeout(HANG_S):
            while not any(holds(item) for item in items):
                arrived.clear()
                await arrived.wait()

    with step("set leverage"):
        check((await client.set_leverage(7, ETH, {"marginMode": "cross"}))["status"], "ok")
    far = round(book["bids"][0][0] * 0.9)
    oid = ""
    with step("place a limit order"):
        oid = (await client.create_order(BTC, "limit", "buy", 0.01, far))["id"]
        (resting,) = await client.fetch_open_orders(BTC)
        check((resting["id"], resting["price"], resting["remaining"]), (oid, far, 0.01))
    with step("its order update on the stream"):
        await streamed(orders, lambda o: (o["id"], o["status"]) == (oid, "open"))
    with step("place with a client id, post-only"):
        await client.create_order(BTC, "limit", "buy", 0.02, far, {"clientOrderId": CLOID, "postOnly": True})
        named = await client.fetch_order(CLOID, BTC)
        check((named["clientOrderId"], named["status"], named["amount"]), (CLOID, "open", 0.02))
    with step("edit an order"):
        edited = await client.edit_order(oid, BTC, "limit", "buy", 0.015, far - 10)
        oid = edited["id"]
        check((await client.fetch_order(oid, BTC))["amount"], 0.015)
    with step("cancel by oid"):
        await client.cancel_order(oid, BTC)
        check((await client.fetch_order(oid, BTC))["status"], "canceled")
        await streamed(orders, lambda o: (o["id"], o["status"]) == (oid, "canceled"))
    with step("cancel by client id"):
        await client.cancel_order("", BTC, {"clientOrderId": CLOID})
        check(await client.fetch_open_orders(BTC), [])
    with step("cancel what is gone"):
        await refused(client.cancel_order(oid, BTC), ccxt.OrderNotFound, "never placed, already canceled, or filled")
        await refused(client.fetch_order("1", BTC), ccxt.OrderNotFound, "unknownOid")
    with step("place and cancel a batch"):
        batch = [
            {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.01, "price": far - i, "params": {}}
            for i in range(3)
        ]
        placed = [order["id"] for order in await client.create_orders(batch)]
        check(len(set(placed)), 3)
        check(len(truth(me)["openOrders"]), 3)
        check(len(await client.cancel_orders(placed, BTC)), 3)
        check(truth(me)["openOrders"], [])
    with step("errors of orders as this client names them"):
        await refused(
            client.create_order(BTC, "limit", "buy", 0.01, far * 2, {"postOnly": True}),
            ccxt.InvalidOrder,
            "Post only order would have immediately matched",
        )
        await refused(client.create_order(BTC, "limit", "buy", 0.00001, far), ccxt.InvalidOrder, "minimum value of $10")
        await refused(client.create_order(BTC, "limit", "buy", 100, far), ccxt.InsufficientFunds, "Insufficient margin")
    with step("place and cancel over the WebSocket"):
        placed_ws = await client.create_order_ws(BTC, "limit", "buy", 0.01, far)
        check([o["id"] for o in await client.fetch_open_orders(BTC)], [placed_ws["id"]])
        await client.cancel_order_ws(placed_ws["id"], BTC)
        check(await client.fetch_open_orders(BTC), [])
    with step("market order, its fill on the stream, the position"):
        best_ask = (await client.fetch_order_book(ETH))["asks"][0][0]
        taken = (await client.create_order(ETH, "market", "buy", 0.5, best_ask))["id"]

        await streamed(fills, lambda f: f["order"] == taken and f["info"]["crossed"])
        (position,) = [p for p in await client.fetch_positions([ETH]) if p["contracts"]]
        check((position["contracts"], position["side"], position["leverage"]), (0.5, "long", 7))
    with step("be filled by a taker"):
        best_bid, depth = (await client.fetch_order_book(ETH))["bids"][0][:2]
        mine = (await client.create_order(ETH, "limit", "buy", 0.1, best_bid))["id"]
        for _ in range(_LONGEST_SWEEP):
            control("trade", coin="ETH", side="A", sz=str(depth))
            if (await client.fetch_order(mine, ETH))["status"] == "closed":
                break
        trades = [t for t in await client.fetch_my_trades(ETH) if t["order"] == mine]
        check({t["takerOrMaker"] for t in trades}, {"maker"})
        check(round(sum(t["amount"] for t in trades), 4), 0.1)
    with step("close the position"):
        price = (await client.fetch_order_book(ETH))["bids"][0][0]
        await client.create_order(ETH, "market", "sell", 0.6, price, {"reduceOnly": True})
        check([p for p in await client.fetch_positions([ETH]) if p["contracts"]], [])
    with step("schedule cancel"):
        left = (await client.create_order(BTC, "limit", "buy", 0.01, far))["id"]
        await client.cancel_all_orders_after(6_000)
        wait_for(lambda: not truth(me)["openOrders"], "the scheduled cancel")
        # This client has no unified word for the status and hands on the exchange's.
        check((await client.fetch_order(left, BTC))["status"], "scheduledCancel")
    with step("the example of docs/venue.md"):
        check(await asyncio.to_thread(run_example), ["open", "canceled"])
    with step("final state is the venue's"):
        venue = truth(me)
        check(((await client.fetch_open_orders()), venue["positions"]), ([], {}))
        balance = await client.fetch_balance()
        check(float(balance["info"]["marginSummary"]["totalRawUsd"]), float(venue["rawUsd"]))
        check(balance["USDC"]["total"], float(venue["accountValue"]))
        check(len(await client.fetch_my_trades()), venue["fills"])
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)


async def main() -> None:
    me = ccxt.Exchange.eth_get_address_from_private_key(KEY)
    client = on_venue(me)
    try:
        await trade(client, me)
    finally:
        await client.close()


if __name__ == "__main__":
    say({"client": "ccxt", "version": ccxt.__version__})
    asyncio.run(main())
