"""ccxt, unmodified: what an account can do beyond plain orders on the main dex."""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt
import ccxt.async_support
from steps import API_URL, KEY, check, control, say, step, truth, wait_for

BTC, ETH, SOL, GOLD = "BTC/USDC:USDC", "ETH/USDC:USDC", "SOL/USDC:USDC", "TST-GOLD/TUSD:TUSD"
_MS_PER_MINUTE = 60_000


def on_venue(me: str) -> Any:
    """The client, pointed at the venue as its manual says: sandbox mode and `urls`."""
    client = ccxt.async_support.hyperliquid({"walletAddress": me, "privateKey": KEY, "enableRateLimit": False})
    client.set_sandbox_mode(True)
    client.urls["api"] = {"public": API_URL, "private": API_URL}
    return client


async def position(client: Any, symbol: str, **params: Any) -> dict[str, Any] | None:
    held = await client.fetch_positions([symbol], params)
    return next((p for p in held if p["contracts"]), None)


async def take(client: Any, symbol: str, side: str, amount: float, **params: Any) -> None:
    """Buy or sell at market."""
    price = (await client.fetch_ticker(symbol))["last"]
    await client.create_order(symbol, "market", side, amount, price, params)


async def margin_and_triggers(client: Any, me: str) -> None:
    with step("an isolated position, margin added and taken out"):
        await client.set_margin_mode("isolated", SOL, {"leverage": 5})
        await take(client, SOL, "buy", 10)
        before = await position(client, SOL)
        assert before is not None
        check((before["marginMode"], before["leverage"]), ("isolated", 5))
        await client.add_margin(SOL, 100)
        added = await position(client, SOL)
        assert added is not None and added["liquidationPrice"] < before["liquidationPrice"], added
        await client.reduce_margin(SOL, 50)
        await take(client, SOL, "sell", 10, reduceOnly=True)
        check(await position(client, SOL), None)
    with step("a parent with take profit and stop loss"):
        mid = (await client.fetch_ticker(ETH))["last"]
        stop_px = round(mid * 0.9)
        protection = {
            "takeProfit": {"triggerPrice": round(mid * 1.1), "type": "market"},
            "stopLoss": {"triggerPrice": stop_px, "type": "market"},
        }
        await client.create_order(ETH, "limit", "buy", 0.5, round(mid * 1.02), protection)
        waiting = await client.fetch_open_orders(ETH)
        check({o["info"]["orderType"] for o in waiting}, {"Take Profit Market", "Stop Market"})
        check(sorted(o["triggerPrice"] for o in waiting), [stop_px, round(mid * 1.1)])
        control("set_mark", coin="ETH", px=str(stop_px - 10))
        await asyncio.to_thread(wait_for, lambda: not truth(me)["openOrders"], "both orders gone")
        control("set_mark", coin="ETH", px=None)
        ended = {o["info"]["orderType"]: (await client.fetch_order(o["id"], ETH))["status"] for o in waiting}
        check(ended, {"Stop Market": "closed", "Take Profit Market": "canceled"})
        check(await position(client, ETH), None)
    with step("a stop order alone"):
        placed = await client.create_order(
            BTC, "market", "sell", 0.01, 50_000, {"stopLossPrice": 50_000, "reduceOnly": True}
        )
        (waiting_alone,) = await client.fetch_open_orders(BTC)
        check((waiting_alone["triggerPrice"], waiting_alone["reduceOnly"]), (50_000, True))
        assert placed["id"] is None, placed
        await client.cancel_order(waiting_alone["id"], BTC)
    with step("start and end a TWAP"):
        started = await client.create_twap_order(BTC, "buy", 0.1, 5 * _MS_PER_MINUTE)
        await asyncio.to_thread(wait_for, lambda: truth(me)["positions"].get("BTC"), "a slice")
        check((await client.cancel_twap_order(started["id"], BTC))["status"], "success")
        held = await position(client, BTC)
        assert held is not None
        await take(client, BTC, "sell", held["contracts"], reduceOnly=True)
        check(await position(client, BTC), None)


async def builder_dex(client: Any) -> None:
    with step("trade on the builder's dex"):
        await take(client, GOLD, "buy", 0.1)
        held = await position(client, GOLD, dex="tst")
        assert held is not None
        check((held["symbol"], held["contracts"]), (GOLD, 0.1))
        far = round((await client.fetch_ticker(GOLD))["last"] * 0.9)
        placed = await client.create_order(GOLD, "limit", "buy", 0.1, far, {"postOnly": True})
        (mine,) = await client.fetch_open_orders(GOLD, params={"dex": "tst"})
        check(mine["id"], placed["id"])
        await client.cancel_order(placed["id"], GOLD)
        await take(client, GOLD, "sell", 0.1, reduceOnly=True)
        check(await position(client, GOLD, dex="tst"), None)
        check({t["fee"]["currency"] for t in await client.fetch_my_trades(GOLD)}, {"TUSD"})


async def money(client: Any, me: str) -> str:
    sub = ""
    with step("move money between balances"):
        await client.transfer("USDC", 250, "swap", "spot")
        check((await client.fetch_balance({"type": "spot"}))["USDC"]["total"], 250)
        check(truth(me)["spot"], {"USDC": "250.0"})
        await client.transfer("USDC", 200, "spot", "swap")
        await client.withdraw("USDC", 20, me)
    with step("a sub-account with money of its own trades"):
        sub = (await client.create_sub_account("second"))["response"]["data"]
        await client.transfer("USDC", 5_000, "main", sub)
        check((await client.fetch_balance({"user": sub}))["USDC"]["total"], 5_000)
        await take(client, ETH, "buy", 0.2, vaultAddress=sub)
        held = await position(client, ETH, user=sub)
        assert held is not None
        check((held["contracts"], await position(client, ETH)), (0.2, None))
        await take(client, ETH, "sell", 0.2, vaultAddress=sub, reduceOnly=True)
        await client.transfer("USDC", 1_000, sub, "main")
    with step("a sub-account's spot balance"):
        await client.transfer("USDC", 30, "main", sub, {"type": "spot"})
        await client.transfer("USDC", 10, sub, "main", {"type": "spot"})
        check((truth(me)["spot"], truth(sub)["spot"]), ({"USDC": "30.0"}, {"USDC": "20.0"}))
    return sub


async def final_state(client: Any, accounts: list[str]) -> None:
    with step("final state is the venue's"):
        for address in accounts:
            venue = truth(address)
            check((venue["openOrders"], venue["positions"]), ([], {}))
            for dex, held in venue["dexes"].items():
                balance = await client.fetch_balance({"user": address, "dex": dex})
                check(float(balance["info"]["marginSummary"]["totalRawUsd"]), float(held["rawUsd"]))
            check(len(await client.fetch_my_trades(params={"user": address})), venue["fills"])


async def main() -> None:
    me = ccxt.Exchange.eth_get_address_from_private_key(KEY)
    client = on_venue(me)
    try:
        with step("load markets of both dexes", vital=True):
            markets = await client.load_markets()
            check(markets[GOLD]["baseId"], "110000")
            assert {BTC, ETH, SOL} <= set(markets), list(markets)
        await margin_and_triggers(client, me)
        await builder_dex(client)
        sub = await money(client, me)
        await final_state(client, [me, sub])
    finally:
        await client.close()


if __name__ == "__main__":
    say({"client": "ccxt", "version": ccxt.__version__})
    asyncio.run(main())
