"""The exchange's own Python SDK, unmodified: what an account can do beyond plain orders on the main dex."""

from __future__ import annotations

import importlib.metadata
from typing import Any

from eth_account import Account
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from steps import API_URL, KEY, check, control, say, step, truth, wait_for

DONE = {"status": "ok", "response": {"type": "default"}}
DEXES = ["", "tst"]


def statuses(answer: dict[str, Any]) -> list[Any]:
    check(answer["status"], "ok")
    return list(answer["response"]["data"]["statuses"])


def trigger(is_buy: bool, sz: float, px: float, tpsl: str) -> dict[str, Any]:
    kind = {"trigger": {"triggerPx": px, "isMarket": True, "tpsl": tpsl}}
    return {"coin": "ETH", "is_buy": is_buy, "sz": sz, "limit_px": px, "order_type": kind, "reduce_only": True}


def main() -> None:
    wallet = Account.from_key(KEY)
    me = wallet.address.lower()
    with step("markets of both dexes", vital=True):
        info = Info(API_URL, skip_ws=True, perp_dexs=DEXES)
        exchange = Exchange(wallet, API_URL, perp_dexs=DEXES)
        check(info.name_to_asset("tst:GOLD"), 110000)
        check([dex and dex["name"] for dex in info.perp_dexs()], [None, "tst"])

    def position(coin: str, address: str = me, dex: str = "") -> dict[str, Any] | None:
        held = (p["position"] for p in info.user_state(address, dex)["assetPositions"])
        return next((p for p in held if p["coin"] == coin), None)

    def held(coin: str, address: str = me, dex: str = "") -> dict[str, Any]:
        found = position(coin, address, dex)
        assert found is not None, f"no position in {coin}"
        return found

    with step("an isolated position, margin added and taken out"):
        check(exchange.update_leverage(5, "SOL", is_cross=False), DONE)
        statuses(exchange.market_open("SOL", True, 10))
        before = held("SOL")
        check((before["leverage"]["type"], before["leverage"]["value"]), ("isolated", 5))
        check(exchange.update_isolated_margin(100, "SOL"), DONE)
        added = held("SOL")
        check(round(float(added["leverage"]["rawUsd"]) - float(before["leverage"]["rawUsd"]), 6), 100.0)
        assert float(added["liquidationPx"]) < float(before["liquidationPx"]), added
        check(exchange.update_isolated_margin(-50, "SOL"), DONE)
        check(exchange.update_isolated_margin(-1_000_000, "SOL")["status"], "err")
        statuses(exchange.market_close("SOL"))
        check(position("SOL"), None)
    with step("a parent with take profit and stop loss"):
        mid = float(info.all_mids()["ETH"])
        parent = {"coin": "ETH", "is_buy": True, "sz": 0.5, "limit_px": float(round(mid * 1.02))}
        parent |= {"order_type": {"limit": {"tif": "Gtc"}}, "reduce_only": False}
        goal, stop_px = float(round(mid * 1.1)), float(round(mid * 0.9))
        group = [parent, trigger(False, 0.5, goal, "tp"), trigger(False, 0.5, stop_px, "sl")]
        filled, *children = statuses(exchange.bulk_orders(group, grouping="normalTpsl"))
        check((filled["filled"]["totalSz"], children), ("0.5", ["waitingForTrigger", "waitingForTrigger"]))
        waiting = {order["orderType"]: order for order in info.frontend_open_orders(me)}
        check(set(waiting), {"Take Profit Market", "Stop Market"})
        control("set_mark", coin="ETH", px=str(stop_px - 10))
        wait_for(lambda: not info.frontend_open_orders(me), "both orders gone")
        control("set_mark", coin="ETH", px=None)
        ended = {name: info.query_order_by_oid(me, o["oid"])["order"]["status"] for name, o in waiting.items()}
        check(ended, {"Stop Market": "filled", "Take Profit Market": "siblingFilledCanceled"})
        check(position("ETH"), None)
    with step("a trigger that is reached already"):
        (late,) = statuses(exchange.bulk_orders([trigger(True, 0.5, float(round(mid * 0.8)), "sl")]))
        assert "Invalid TP/SL price" in late["error"], late
    with step("trade on the builder's dex"):
        statuses(exchange.market_open("tst:GOLD", True, 0.1))
        check(held("tst:GOLD", dex="tst")["szi"], "0.1")
        far = float(round(float(info.all_mids("tst")["tst:GOLD"]) * 0.9))
        (resting,) = statuses(exchange.order("tst:GOLD", True, 0.1, far, {"limit": {"tif": "Alo"}}))
        check((info.open_orders(me), [o["coin"] for o in info.open_orders(me, "tst")]), ([], ["tst:GOLD"]))
        check(statuses(exchange.cancel("tst:GOLD", resting["resting"]["oid"])), ["success"])
        statuses(exchange.market_close("tst:GOLD"))
        check(position("tst:GOLD", dex="tst"), None)
    with step("move money between balances"):
        check(exchange.usd_class_transfer(250, False), DONE)
        check({b["coin"]: b["total"] for b in info.spot_user_state(me)["balances"]}["USDC"], "250.0")
        check(exchange.usd_class_transfer(250, True), DONE)
        token = next(t for t in info.spot_meta()["tokens"] if t["name"] == "TUSD")
        check(exchange.send_asset(me, "tst", "spot", f"TUSD:{token['tokenId']}", 40), DONE)
        check(truth(me)["spot"], {"TUSD": "40.0"})
        other = Account.create().address
        check(exchange.usd_transfer(12.5, other), DONE)
        check(truth(other)["rawUsd"], "12.5")
        check(exchange.withdraw_from_bridge(20, me), DONE)
    sub = ""
    with step("a sub-account with money of its own trades"):
        sub = exchange.create_sub_account("second")["response"]["data"]
        check(exchange.sub_account_transfer(sub, True, 5_000_000_000), DONE)
        (listed,) = info.query_sub_accounts(me)
        check((listed["name"], listed["subAccountUser"], listed["master"]), ("second", sub, me))
        check(info.user_state(sub)["marginSummary"]["accountValue"], "5000.0")
        for_sub = Exchange(wallet, API_URL, vault_address=sub)
        statuses(for_sub.market_open("ETH", True, 0.2))
        check((held("ETH", sub)["szi"], position("ETH")), ("0.2", None))
        check(info.user_role(sub), {"role": "subAccount", "data": {"master": me}})
    with step("an agent trades for the account and its sub-account"):
        answer, secret = exchange.approve_agent("interop")
        check(answer, DONE)
        key = Account.from_key(secret)
        agent = Exchange(key, API_URL, account_address=me)
        statuses(agent.market_open("SOL", True, 5))
        check(held("SOL")["szi"], "5.0")
        statuses(agent.market_close("SOL"))
        statuses(Exchange(key, API_URL, vault_address=sub).market_close("ETH"))
        check((position("SOL"), position("ETH", sub)), (None, None))
        forbidden = agent.usd_transfer(1, me)
        assert "Must deposit before performing actions" in forbidden["response"], forbidden
    with step("an unnamed agent, and a builder's fee"):
        answer, secret = exchange.approve_agent()
        check(answer, DONE)
        by_agent = Exchange(Account.from_key(secret), API_URL, account_address=me)
        builder = Account.create().address.lower()
        check(exchange.approve_builder_fee(builder, "0.01%"), DONE)
        check(info.post("/info", {"type": "maxBuilderFee", "user": me, "builder": builder}), 10)
        statuses(by_agent.market_open("SOL", True, 5, builder={"b": builder, "f": 10}))
        assert any("builderFee" in fill for fill in info.user_fills(me))
        statuses(by_agent.market_close("SOL"))
    with step("final state is the venue's"):
        for address in (me, sub):
            venue = truth(address)
            check((venue["openOrders"], venue["positions"]), ([], {}))
            for dex, money in venue["dexes"].items():
                state = info.user_state(address, dex)
                check(state["assetPositions"], [])
                summary = state["marginSummary"]
                check({"rawUsd": summary["totalRawUsd"], "accountValue": summary["accountValue"]}, money)
            balances = info.spot_user_state(address)["balances"]
            check({b["coin"]: b["total"] for b in balances if float(b["total"])}, venue["spot"])
            check(len(info.user_fills(address)), venue["fills"])


if __name__ == "__main__":
    say({"client": "hyperliquid-python-sdk", "version": importlib.metadata.version("hyperliquid-python-sdk")})
    main()
