"""What is accepted, what is refused and says why, and what goes on meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.operator_desk import Desk


async def test_a_symbol_that_does_not_exist_is_refused_without_harm_to_the_others(trader: Desk) -> None:
    _, eth = await trader.quoting()
    typo = await trader.create_maker("typo", "ETHH")
    await trader.settle("refused", lambda: trader.condition(typo, "Accepted") == ("False", "UnknownSymbol"))
    assert "does not exist" in trader.find(typo, "Accepted")["message"]
    assert trader.deployment("typo-quoter") is None
    sol = await trader.create_maker("sol", "SOL")
    await trader.settle("another market joins", lambda: trader.condition(sol, "Ready") == ("True", "Quoting"))
    await trader.settle("the first goes on", lambda: trader.condition(eth, "Ready") == ("True", "Quoting"))
    await trader.stop_operator()
    trader.start_operator()
    trader.exchange.calls.clear()
    await trader.rest()
    assert not trader.exchange.said("refuse"), "a fresh operator does not offer the symbol again"


async def test_a_new_maker_with_too_much_leverage_waits_and_starts_when_it_is_lowered(trader: Desk) -> None:
    _, eth = await trader.quoting()
    sol = await trader.create_maker("sol", "SOL", **{"spec.leverage": {"value": 50}})
    await trader.settle("refused", lambda: trader.condition(sol, "Accepted") == ("False", "LeverageTooHigh"))
    assert "above 25" in trader.find(sol, "Accepted")["message"], "the market is known although it is not quoted"
    trader.exchange.calls.clear()
    await trader.rest()
    assert not trader.exchange.said("refuse"), "what was refused is not offered again"
    assert trader.condition(eth, "Ready") == ("True", "Quoting")
    trader.edit(sol, {"spec.leverage": {"value": 5}})
    await trader.settle("quoting", lambda: trader.condition(sol, "Ready") == ("True", "Quoting"))


async def test_of_two_makers_on_one_market_the_older_has_it(trader: Desk) -> None:
    _, first = await trader.quoting()
    second = await trader.create_maker("eth-too", "ETH")
    await trader.settle("refused", lambda: trader.condition(second, "Accepted") == ("False", "DuplicateMarket"))
    assert trader.deployment("eth-too-quoter") is None
    trader.exchange.calls.clear()
    trader.delete(second)
    await trader.settle("the second goes", lambda: trader.is_gone(second))
    assert not trader.exchange.said("close"), "the market of the first is not touched"
    assert trader.condition(first, "Ready") == ("True", "Quoting")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spec.leverage": {"value": 26}}, "LeverageTooHigh"),
        ({"spec.rollout": {"strategy": "Handover"}}, "NotSupported"),
        ({"spec.pod": {"securityContext": {"runAsUser": 0}}}, "InvalidPodOverride"),
        ({"spec.quoting.levels": "many"}, "Invalid"),
    ],
)
async def test_an_invalid_update_is_told_and_the_last_accepted_spec_goes_on(
    trader: Desk, changes: dict[str, Any], reason: str
) -> None:
    _, maker = await trader.quoting()
    trader.exchange.calls.clear()
    trader.edit(maker, changes)
    await trader.settle("told", lambda: trader.condition(maker, "Accepted") == ("False", reason))
    await trader.rest()
    assert trader.condition(maker, "Ready") == ("False", "Invalid")
    assert trader.peers.services["eth-quoter"].is_quoting
    assert not trader.exchange.said("stop")
    assert "Invalid" in trader.cluster.reasons("eth")
    await trader.stop_operator()
    trader.start_operator()
    await trader.rest()
    assert trader.peers.services["eth-quoter"].is_quoting, "not by memory alone"
    assert "ETH" in trader.exchange.risk_markets


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spec__leverage": {"value": 26}}, "LeverageTooHigh"),
        ({"spec__quoting__orderNotional": "10", "symbol": "BTC"}, "BelowTickOrLot"),
        ({"spec__market__kind": "Spot"}, "NotSupported"),
    ],
)
async def test_what_never_was_accepted_never_starts(trader: Desk, changes: dict[str, Any], reason: str) -> None:
    await trader.create_account()
    symbol = changes.pop("symbol", "ETH")
    if symbol == "BTC":
        trader.exchange.listed["BTC"] = 150_000
    maker = await trader.create_maker("mm", symbol, **changes)
    await trader.settle("told", lambda: trader.condition(maker, "Accepted") == ("False", reason))
    await trader.rest()
    assert not trader.exchange.said("start mm-quoter")
    assert trader.condition(maker, "Accepted") == ("False", reason), "and it stays so"


async def test_a_price_that_moves_does_not_undo_acceptance(trader: Desk) -> None:
    trader.exchange.listed["BTC"] = 100_000
    _, maker = await trader.quoting("btc", "BTC", spec__quoting__orderNotional="11")
    trader.exchange.listed["BTC"] = 150_000
    await trader.rest()
    assert trader.condition(maker, "Accepted") == ("True", "Valid")


async def test_mainnet_without_tls_is_refused(trader: Desk) -> None:
    account = await trader.create_account(
        spec__network="Mainnet",
        spec__address="0x" + "ab" * 20,
        spec__apiWallet={"secretRef": {"name": "key"}},
    )
    await trader.turn()
    assert trader.condition(account, "Accepted") == ("False", "InsecureTransport")
    assert trader.deployment("main-gateway") is None
