"""From objects to quotes, and what becomes of changes while they last."""

from __future__ import annotations

from tests.support.operator_desk import Desk


async def test_a_new_maker_quotes_once_its_account_is_ready(trader: Desk) -> None:
    account, maker = await trader.quoting()
    assert trader.condition(account, "Ready") == ("True", "Ready")
    calls = trader.exchange.calls
    assert calls.index("apply main-risk") < calls.index("apply main-order-state") < calls.index("apply main-gateway")
    assert calls.index("apply main-gateway") < calls.index("start eth-quoter")
    assert trader.status(maker)["quoter"]["appliedGeneration"] == 1
    assert trader.status(maker)["market"]["maxLeverage"] == 25


async def test_all_conditions_are_there_after_the_first_look(trader: Desk) -> None:
    account, maker = await trader.create_account(), await trader.create_maker()
    await trader.turn()
    assert {item["type"] for item in trader.status(maker)["conditions"]} == {
        "Ready", "Accepted", "AccountReady", "WorkloadAvailable", "ConfigApplied", "Quoting", "KillSwitchTripped",
        "Reconciling", "Stalled",
    }  # fmt: skip
    assert {item["type"] for item in trader.status(account)["conditions"]} == {
        "Ready", "Accepted", "CredentialsValid", "ExchangeConnected", "GatewayAvailable", "OrderStateAvailable",
        "RiskAvailable", "StoreAvailable", "DeadMansSwitchArmed", "KillSwitchTripped", "Reconciling", "Stalled",
    }  # fmt: skip


async def test_nothing_is_written_when_nothing_changes(trader: Desk) -> None:
    await trader.quoting()
    await trader.rest(25)
    trader.cluster.writes.clear()
    await trader.rest(20)
    assert trader.cluster.writes == []


async def test_a_quoter_waits_for_its_account(trader: Desk) -> None:
    maker = await trader.create_maker()
    await trader.turn()
    assert trader.condition(maker, "AccountReady") == ("False", "NotFound")
    assert trader.deployment("eth-quoter") is None
    await trader.create_account()
    await trader.settle("it quotes", lambda: trader.condition(maker, "Ready") == ("True", "Quoting"))


async def test_a_hot_change_reaches_risk_before_the_quoter_and_restarts_nothing(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.exchange.calls.clear()
    trader.edit(maker, {"spec.inventory.maxNotional": "7000", "spec.quoting.levels": 2})
    await trader.settle("it is applied", lambda: trader.condition(maker, "ConfigApplied") == ("True", "Applied"))
    await trader.settle("generation 2", lambda: trader.status(maker)["quoter"]["appliedGeneration"] == 2)
    calls = trader.exchange.calls
    assert calls.index("apply main-risk") < calls.index("apply eth-quoter 2")
    assert not trader.exchange.said("stop")
    assert trader.exchange.risk_markets["ETH"]["max_notional_e8"] == 7000 * 10**8


async def test_a_refused_configuration_is_told_in_the_services_words(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.peers.services["eth-quoter"].refuses = "levels: too many for this tick"
    trader.edit(maker, {"spec.quoting.levels": 3})
    await trader.settle("rejected", lambda: trader.condition(maker, "ConfigApplied") == ("False", "Rejected"))
    assert "too many for this tick" in trader.find(maker, "ConfigApplied")["message"]
    assert "ConfigRejected" in trader.cluster.reasons("eth")
    trader.exchange.calls.clear()
    await trader.rest(5)
    assert len(trader.exchange.said("apply eth-quoter")) <= 1


async def test_pausing_empties_the_book_and_resuming_quotes_again(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.edit(maker, {"spec.mode": "Paused"})
    await trader.settle("paused", lambda: trader.condition(maker, "Ready") == ("False", "Paused"))
    assert trader.exchange.live_orders("ETH") == 0
    assert "ETH" in trader.exchange.closed
    assert not trader.exchange.said("stop"), "the pod stays"
    closes = len(trader.exchange.said("close"))
    await trader.rest()
    assert len(trader.exchange.said("close")) <= closes + 1
    trader.edit(maker, {"spec.mode": "Active"})
    await trader.settle("resumed", lambda: trader.condition(maker, "Ready") == ("True", "Quoting"))
    assert {"Paused", "Resumed"} <= set(trader.cluster.reasons("eth"))


async def test_a_frozen_object_is_left_alone_while_trading_goes_on(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.edit(maker, {"metadata.annotations": {"perpmaker.io/reconcile": "disabled"}})
    trader.edit(maker, {"spec.mode": "Paused"})
    await trader.settle("shown", lambda: trader.condition(maker, "Reconciling") == ("False", "ReconciliationPaused"))
    await trader.rest()
    assert trader.peers.services["eth-quoter"].is_quoting
    trader.edit(maker, {"metadata.annotations": {}})
    await trader.settle("paused", lambda: trader.condition(maker, "Ready") == ("False", "Paused"))


async def test_a_new_key_is_told(trader: Desk) -> None:
    account, _ = await trader.quoting()
    trader.peers.services["main-gateway"].signer = "0x" + "99" * 20
    await trader.settle("told", lambda: "CredentialsRotated" in trader.cluster.reasons("main"))
    assert trader.status(account)["apiWalletAddress"] == "0x" + "99" * 20
    trader.peers.services["main-gateway"].key_refusal = "belongs to another account than expected"
    await trader.settle(
        "a bad key is told", lambda: trader.condition(account, "CredentialsValid") == ("False", "AddressMismatch")
    )


async def test_a_quoter_is_not_stopped_by_an_account_in_trouble(trader: Desk) -> None:
    account, maker = await trader.quoting()
    trader.peers.services["main-gateway"].ready = False
    await trader.settle("told", lambda: trader.condition(maker, "Ready") == ("False", "AccountNotReady"))
    assert trader.condition(account, "Ready")[0] == "False"
    deployment = trader.deployment("eth-quoter")
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 1
