"""The exchange's own Python SDK, unmodified, trading on the simulated venue."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.types import Cloid
from steps import API_URL, KEY, check, control, say, step, truth, wait_for

GTC, ALO, IOC = ({"limit": {"tif": tif}} for tif in ("Gtc", "Alo", "Ioc"))
_LONGEST_SWEEP = 50


def statuses(answer: dict[str, Any]) -> list[Any]:
    check(answer["status"], "ok")
    return list(answer["response"]["data"]["statuses"])


def resting_oid(answer: dict[str, Any]) -> int:
    (status,) = statuses(answer)
    return int(status["resting"]["oid"])


def main() -> None:
    wallet = Account.from_key(KEY)
    me = wallet.address.lower()
    with step("load markets", vital=True):
        info = Info(API_URL)
        exchange = Exchange(wallet, API_URL)
        names = {m["name"]: m for m in info.meta()["universe"]}
        check(names["BTC"]["szDecimals"], 5)
        check(info.name_to_asset("BTC"), next(i for i, name in enumerate(names) if name == "BTC"))
    with step("contexts, candles and funding of a market"):
        meta, contexts = info.meta_and_asset_ctxs()
        check(len(contexts), len(meta["universe"]))
        assert float(contexts[0]["markPx"]) > 0
        now_ms = int(time.time() * 1000)
        assert isinstance(info.candles_snapshot("BTC", "1m", now_ms - 600_000, now_ms), list)
        assert isinstance(info.funding_history("BTC", now_ms - 600_000), list)

    heard: dict[str, list[Any]] = defaultdict(list)
    with step("stream books, order updates and fills"):
        info.subscribe({"type": "l2Book", "coin": "ETH"}, lambda m: heard["book"].append(m["data"]))
        info.subscribe({"type": "orderUpdates", "user": me}, lambda m: heard["order"].extend(m["data"]))
        info.subscribe({"type": "userFills", "user": me}, lambda m: heard["fills"].append(m["data"]))
        book = wait_for(lambda: heard["book"] and heard["book"][-1], "a book on the stream")
        check(book["coin"], "ETH")
        bids, asks = book["levels"]
        assert float(bids[0]["px"]) < float(asks[0]["px"])
        (snapshot,) = wait_for(lambda: heard["fills"], "the snapshot of fills")
        check((snapshot["isSnapshot"], snapshot["fills"]), (True, []))

    def update(oid: int, status: str) -> dict[str, Any]:
        return wait_for(
            lambda: next((u for u in heard["order"] if u["order"]["oid"] == oid and u["status"] == status), None),
            f"{status} of {oid} on the stream",
        )

    with step("update leverage"):
        check(exchange.update_leverage(10, "ETH", is_cross=True), {"status": "ok", "response": {"type": "default"}})
        check(info.post("/info", {"type": "activeAssetData", "user": me, "coin": "ETH"})["leverage"]["value"], 10)

    far = float(round(float(info.all_mids()["BTC"]) * 0.9))
    cloid = Cloid.from_int(0xABCD)
    oid = 0
    with step("place a limit order"):
        oid = resting_oid(exchange.order("BTC", True, 0.01, far, GTC))
        check([(o["oid"], o["limitPx"]) for o in info.open_orders(me)], [(oid, f"{far:.1f}")])
        update(oid, "open")
    with step("place with a client id, post-only"):
        by_cloid = resting_oid(exchange.order("BTC", True, 0.02, far, ALO, cloid=cloid))
        check(info.query_order_by_cloid(me, cloid)["order"]["order"]["oid"], by_cloid)
    with step("modify"):
        moved = resting_oid(exchange.modify_order(oid, "BTC", True, 0.015, far - 10, GTC))
        status = info.query_order_by_oid(me, moved)
        check((status["order"]["status"], status["order"]["order"]["sz"]), ("open", "0.015"))
        oid = moved
    with step("modify by client id"):
        replaced = resting_oid(exchange.modify_order(cloid, "BTC", True, 0.021, far - 20, ALO, cloid=cloid))
        check(info.query_order_by_cloid(me, cloid)["order"]["order"]["oid"], replaced)
    with step("cancel by oid"):
        check(statuses(exchange.cancel("BTC", oid)), ["success"])
        update(oid, "canceled")
        check(info.query_order_by_oid(me, oid)["order"]["status"], "canceled")
    with step("cancel by client id"):
        check(statuses(exchange.cancel_by_cloid("BTC", cloid)), ["success"])
        check(info.open_orders(me), [])
    with step("cancel what is gone"):
        (status,) = statuses(exchange.cancel("BTC", oid))
        assert "never placed, already canceled, or filled" in status["error"], status
        check(info.query_order_by_oid(me, 1), {"status": "unknownOid"})
    with step("batch with one bad item"):
        order = {"coin": "BTC", "is_buy": True, "sz": 0.01, "order_type": ALO, "reduce_only": False}
        seen = statuses(
            exchange.bulk_orders(
                [order | {"limit_px": far}, order | {"limit_px": far * 2}, order | {"limit_px": far - 1}]
            )
        )
        check([next(iter(status)) for status in seen], ["resting", "error", "resting"])
        assert "Post only order would have immediately matched" in seen[1]["error"], seen
        kept = [seen[0]["resting"]["oid"], seen[2]["resting"]["oid"]]
    with step("cancel a batch"):
        check(statuses(exchange.bulk_cancel([{"coin": "BTC", "oid": o} for o in kept])), ["success", "success"])
        check(truth(me)["openOrders"], [])
    with step("refusals of a single order"):
        (small,) = statuses(exchange.order("BTC", True, 0.00001, far, GTC))
        assert "minimum value of $10" in small["error"], small
        (off_tick,) = statuses(exchange.order("BTC", True, 0.01, far + 0.5, GTC))
        assert "tick size" in off_tick["error"], off_tick
    with step("market order and its fill on the stream"):
        (filled,) = statuses(exchange.market_open("ETH", True, 0.5))
        check(filled["filled"]["totalSz"], "0.5")
        taken = filled["filled"]["oid"]
        streamed = wait_for(
            lambda: [f for message in heard["fills"] for f in message["fills"] if f["oid"] == taken], "the fill"
        )
        check({f["crossed"] for f in streamed}, {True})
        check(info.user_state(me)["assetPositions"][0]["position"]["szi"], "0.5")
        update(taken, "filled")
    with step("be filled by a taker"):
        best = info.l2_snapshot("ETH")["levels"][0][0]
        mine = resting_oid(exchange.order("ETH", True, 0.1, float(best["px"]), GTC))
        for _ in range(_LONGEST_SWEEP):
            control("trade", coin="ETH", side="A", sz=best["sz"])
            if info.query_order_by_oid(me, mine)["order"]["status"] == "filled":
                break
        update(mine, "filled")
        made = wait_for(lambda: [f for m in heard["fills"] for f in m["fills"] if f["oid"] == mine], "the fill")
        check({f["crossed"] for f in made}, {False})
    with step("close the position"):
        exchange.market_close("ETH")
        check(info.user_state(me)["assetPositions"], [])
    with step("approve an agent and trade with it"):
        answer, secret = exchange.approve_agent("interop")
        check(answer["status"], "ok")
        agent = Exchange(Account.from_key(secret), API_URL, account_address=me)
        oid = resting_oid(agent.order("SOL", True, 10, 50.0, GTC))
        check([o["oid"] for o in info.frontend_open_orders(me)], [oid])
        check([a["name"] for a in info.extra_agents(me)], ["interop"])
    with step("schedule cancel"):
        answer = exchange.schedule_cancel(int(time.time() * 1000) + 10_000)
        check(answer, {"status": "ok", "response": {"type": "default"}})
        update(oid, "scheduledCancel")
        check(info.open_orders(me), [])
    with step("too soon a scheduled cancel"):
        answer = exchange.schedule_cancel(int(time.time() * 1000) + 100)
        check(answer["status"], "err")
        assert "at least 5 seconds from now" in answer["response"], answer
    with step("final state is the venue's"):
        venue = truth(me)
        state = info.user_state(me)
        check((venue["openOrders"], venue["positions"]), (info.open_orders(me), {}))
        check(state["marginSummary"]["totalRawUsd"], venue["rawUsd"])
        fills = info.user_fills(me)
        check(len(fills), venue["fills"])
        check(len({f["tid"] for f in fills}), len(fills))
        assert info.user_rate_limit(me)["nRequestsUsed"] > 0
        assert info.historical_orders(me)
    info.disconnect_websocket()


if __name__ == "__main__":
    import importlib.metadata

    say({"client": "hyperliquid-python-sdk", "version": importlib.metadata.version("hyperliquid-python-sdk")})
    main()
