"""A gateway of another network under the account's name: told with a remedy, and never believed about orders."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.support.operator_desk import Desk, desk

from perpmaker.operator.interfaces import Ref

ELSEWHERE = ("False", "NetworkMismatch")


@pytest.fixture
async def trader() -> AsyncIterator[Desk]:
    async with desk() as here:
        yield here


def network_of(here: Desk, account: Ref) -> str:
    return str(here.cluster.objects[account]["spec"]["network"])


def answer_from(here: Desk, network: str) -> None:
    here.peers.services["main-gateway"].network = network


async def told(here: Desk, ref: Ref, condition: str) -> None:
    await here.settle(f"{condition} of {ref.name}", lambda: here.condition(ref, condition) == ELSEWHERE)


async def test_it_is_told_on_the_account_and_on_its_makers_and_once_as_an_event(trader: Desk) -> None:
    account, maker = await trader.quoting()
    answer_from(trader, "Mainnet")
    await told(trader, account, "ExchangeConnected")
    await told(trader, account, "Ready")
    await told(trader, maker, "AccountReady")
    assert trader.condition(maker, "Ready") == ("False", "AccountNotReady")
    await trader.rest()
    (event,) = [said for said in trader.cluster.events if said.reason == "NetworkMismatch"]
    wanted = network_of(trader, account)
    assert f"spec.network is {wanted}" in event.message
    assert "speaks to Mainnet" in event.message
    assert "delete its Deployment" in event.message
    answer_from(trader, wanted)
    await trader.settle("ready again", lambda: trader.condition(maker, "Ready") == ("True", "Quoting"))


async def test_no_quoter_is_started_for_it(trader: Desk) -> None:
    account = await trader.create_account()
    await trader.settle("ready", lambda: trader.condition(account, "Ready") == ("True", "Ready"))
    answer_from(trader, "Mainnet")
    await told(trader, account, "Ready")
    maker = await trader.create_maker()
    await told(trader, maker, "AccountReady")
    await trader.rest()
    quoter = trader.deployment("eth-quoter")
    assert quoter is None or not quoter["spec"]["replicas"]


async def test_an_empty_book_on_another_network_lets_no_maker_go(trader: Desk) -> None:
    account, maker = await trader.quoting()
    answer_from(trader, "Mainnet")
    await told(trader, account, "Ready")
    trader.delete(maker)
    await trader.settle("told", lambda: trader.condition(maker, "Stalled") == ("True", "CancelFailed"))
    trader.clock.advance_s(3600)
    await trader.rest()
    assert not trader.is_gone(maker)
    assert "speaks to Mainnet" in trader.status(maker)["teardown"]["lastError"]
    assert trader.deployment("eth-quoter") is not None
    answer_from(trader, network_of(trader, account))
    await trader.settle("it goes", lambda: trader.is_gone(maker))


async def test_an_empty_book_on_another_network_lets_no_account_go(trader: Desk) -> None:
    account, maker = await trader.quoting()
    trader.delete(maker)
    await trader.settle("the maker goes", lambda: trader.is_gone(maker))
    answer_from(trader, "Mainnet")
    await told(trader, account, "Ready")
    trader.delete(account)
    await trader.settle("told", lambda: trader.condition(account, "Stalled") == ("True", "CancelFailed"))
    trader.clock.advance_s(3600)
    await trader.rest()
    assert not trader.is_gone(account)
    answer_from(trader, network_of(trader, account))
    await trader.settle("it goes", lambda: trader.is_gone(account))
