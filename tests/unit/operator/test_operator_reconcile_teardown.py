"""Deleting makers and accounts: what the exchange shows decides, not what is written somewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.children import NAMESPACE
from tests.support.operator_desk import Desk, desk

from perpmaker.operator.interfaces import Ref
from perpmaker.operator.kube import resources as kinds


@pytest.fixture
async def trader() -> AsyncIterator[Desk]:
    async with desk() as here:
        yield here


def step(here: Desk, ref: Ref) -> str:
    return str((here.status(ref).get("teardown") or {}).get("step", ""))


async def test_a_deleted_maker_goes_when_the_exchange_has_shown_its_book_empty(trader: Desk) -> None:
    _, maker = await trader.quoting()
    uid = trader.cluster.objects[maker]["metadata"]["uid"]
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    closes = trader.exchange.said("close")
    assert len(closes) >= 3, "two snapshots before the pod goes, one after"
    assert set(closes) == {f"close ETH {uid}"}
    calls = trader.exchange.calls
    assert calls.index("drain eth-quoter") < calls.index(closes[0]) < calls.index("stop eth-quoter with 0")
    assert trader.deployment("eth-quoter") is None
    assert {"TeardownStarted", "OrdersCancelled", "TeardownFinished"} <= set(trader.cluster.reasons("eth"))


async def test_the_market_leaves_the_accounts_documents_afterwards(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    await trader.settle("risk forgets it", lambda: "ETH" not in trader.exchange.risk_markets)


async def test_an_order_that_stays_keeps_the_object(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.exchange.stuck_orders["ETH"] = 1
    trader.delete(maker)
    await trader.settle("told", lambda: trader.condition(maker, "Stalled") == ("True", "CancelFailed"))
    trader.clock.advance_s(3600)
    await trader.rest()
    assert not trader.is_gone(maker)
    assert step(trader, maker) == "CancellingOrders"
    assert "1 orders" in trader.status(maker)["teardown"]["lastError"]
    assert trader.deployment("eth-quoter") is not None
    trader.exchange.stuck_orders.clear()
    await trader.settle("it goes", lambda: trader.is_gone(maker))


async def test_an_order_that_shows_up_late_sends_it_back(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.peers.services["eth-quoter"].leaves = {"ETH": 1}
    trader.delete(maker)
    await trader.settle("the pod goes", lambda: trader.deployment("eth-quoter") is None)
    await trader.rest()
    assert step(trader, maker) == "CancellingOrders"
    trader.exchange.stuck_orders.clear()
    await trader.settle("it goes", lambda: trader.is_gone(maker))


async def test_flatten_closes_the_position_before_the_quoter_goes(trader: Desk) -> None:
    trader.exchange.positions["ETH"] = 3 * 10**8
    _, maker = await trader.quoting(spec__deletionPolicy="Flatten")
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    assert trader.exchange.positions["ETH"] == 0
    calls = trader.exchange.calls
    opened = calls.index("open ETH")
    assert [call for call in calls[opened:] if call.startswith("close ETH")], "closed again afterwards"
    assert "Flattened" in trader.cluster.reasons("eth")


async def test_a_position_that_cannot_be_closed_in_time_is_told_and_left(trader: Desk) -> None:
    trader.exchange.positions["ETH"] = 3 * 10**8
    _, maker = await trader.quoting(
        spec__deletionPolicy="Flatten", spec__flatten={"maxSlippageBps": "1", "timeoutSeconds": 10}
    )
    trader.peers.services["eth-quoter"].flattens = False
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    assert "FlattenIncomplete" in trader.cluster.reasons("eth")
    assert trader.exchange.closed or "ETH" not in trader.exchange.risk_markets


async def test_a_tripped_market_is_not_opened_to_flatten_it(trader: Desk) -> None:
    trader.exchange.positions["ETH"] = 3 * 10**8
    _, maker = await trader.quoting(spec__deletionPolicy="Flatten")
    trader.peers.services["main-risk"].trip("ETH", "drawdown")
    await trader.settle("shown", lambda: trader.condition(maker, "KillSwitchTripped")[0] == "True")
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    assert not trader.exchange.said("open")
    assert "FlattenIncomplete" in trader.cluster.reasons("eth")


async def test_orphan_leaves_orders_alone(trader: Desk) -> None:
    _, maker = await trader.quoting(spec__deletionPolicy="Orphan")
    trader.exchange.stuck_orders["ETH"] = 2
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    assert not trader.exchange.said("close")


async def test_orphan_tells_whoever_would_cancel_before_the_quoter_goes(trader: Desk) -> None:
    _, maker = await trader.quoting(spec__deletionPolicy="Orphan")
    quoter, order_state = trader.peers.services["eth-quoter"], trader.peers.services["main-order-state"]
    assert not quoter.document["leave_orders"]
    trader.delete(maker)
    await trader.settle("the pod goes", lambda: trader.deployment("eth-quoter") is None)
    assert quoter.document["leave_orders"]
    assert order_state.document["left_alone"] == ["ETH"]
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    await trader.settle("the market is let go", lambda: not order_state.document["markets"])
    await trader.rest()
    assert order_state.document["left_alone"] == ["ETH"], "remembered when nothing refers to it any more"
    await trader.create_maker()
    await trader.settle("it has a maker again", lambda: order_state.document["left_alone"] == [])


async def test_orphan_does_not_wait_for_ever_for_an_account_that_is_left_alone_itself(trader: Desk) -> None:
    account, maker = await trader.quoting(spec__deletionPolicy="Orphan")
    trader.edit(account, {"metadata.annotations": {"perpmaker.io/reconcile": "disabled"}})
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    assert trader.peers.services["main-order-state"].document["left_alone"] == []


async def test_force_needs_the_uid(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.exchange.stuck_orders["ETH"] = 1
    trader.delete(maker)
    await trader.settle("told", lambda: trader.condition(maker, "Stalled") == ("True", "CancelFailed"))
    trader.edit(maker, {"metadata.annotations": {"perpmaker.io/force-delete": "true"}})
    await trader.rest()
    assert not trader.is_gone(maker)
    uid = trader.cluster.objects[maker]["metadata"]["uid"]
    trader.edit(maker, {"metadata.annotations": {"perpmaker.io/force-delete": uid}})
    await trader.settle("it goes", lambda: trader.is_gone(maker))


async def test_an_operator_that_starts_anew_goes_on_and_asks_the_exchange_again(trader: Desk) -> None:
    _, maker = await trader.quoting()
    trader.exchange.stuck_orders["ETH"] = 1
    trader.delete(maker)
    await trader.settle("under way", lambda: step(trader, maker) == "CancellingOrders")
    started = trader.status(maker)["teardown"]["startedAt"]
    await trader.stop_operator()
    trader.exchange.stuck_orders.clear()
    trader.exchange.calls.clear()
    trader.start_operator()
    await trader.turn()
    assert trader.status(maker)["teardown"]["startedAt"] == started
    await trader.settle("it goes", lambda: trader.is_gone(maker))
    assert len(trader.exchange.said("close")) >= 3
    assert trader.cluster.reasons("eth").count("TeardownStarted") == 1


async def test_a_maker_that_never_ran_goes_at_once(trader: Desk) -> None:
    maker = await trader.create_maker()
    await trader.turn()
    trader.delete(maker)
    await trader.settle("it goes", lambda: trader.is_gone(maker))


async def test_without_anybody_to_cancel_it_is_given_up_after_ten_minutes(trader: Desk) -> None:
    account, maker = await trader.quoting()
    trader.delete(maker)
    trader.cluster.remove(account)
    trader.peers.addresses.clear()
    await trader.settle("told", lambda: trader.condition(maker, "Stalled") == ("True", "CannotCancelGatewayGone"))
    await trader.rest()
    assert not trader.is_gone(maker)
    trader.clock.advance_s(600)
    await trader.settle("given up", lambda: trader.is_gone(maker))
    assert "CannotCancelGatewayGone" in trader.cluster.reasons("eth")


async def test_an_account_stays_while_makers_refer_to_it(trader: Desk) -> None:
    account, maker = await trader.quoting()
    trader.delete(account)
    await trader.settle("told", lambda: trader.condition(account, "Stalled") == ("True", "InUse"))
    assert "eth" in trader.find(account, "Stalled")["message"]
    await trader.rest()
    assert trader.peers.services["eth-quoter"].is_quoting
    assert trader.condition(maker, "AccountReady") == ("False", "Terminating")
    trader.delete(maker)
    await trader.settle("both go", lambda: trader.is_gone(maker) and trader.is_gone(account))
    assert trader.deployment("main-gateway") is None


async def test_an_account_keeps_its_services_until_no_order_is_left(trader: Desk) -> None:
    account, maker = await trader.quoting(spec__deletionPolicy="Orphan")
    trader.exchange.stuck_orders["ETH"] = 1
    trader.delete(maker)
    await trader.settle("the maker goes", lambda: trader.is_gone(maker))
    trader.delete(account)
    await trader.settle("told", lambda: trader.condition(account, "Stalled") == ("True", "CancelFailed"))
    await trader.rest()
    assert trader.deployment("main-gateway") is not None
    trader.exchange.stuck_orders.clear()
    await trader.settle("it goes", lambda: trader.is_gone(account))
    assert Ref(kinds.SERVICE, NAMESPACE, "main-gateway") not in trader.cluster.objects


async def test_an_account_that_never_signed_goes_at_once(trader: Desk) -> None:
    trader.cluster.pods_start = False
    account = await trader.create_account()
    await trader.turn()
    trader.delete(account)
    await trader.settle("it goes", lambda: trader.is_gone(account))
