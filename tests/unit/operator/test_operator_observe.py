"""Following services: silence is a value, news wakes, and nobody is asked who has no pod."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from tests.support.operator_peers import Peers
from tests.support.waiting import until

from perpmaker.operator.interfaces import Ref
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.channels import Channels
from perpmaker.operator.observe.commands import Commands, Refused
from perpmaker.operator.observe.observer import AccountTargets, Observer
from perpmaker.operator.observe.values import GatewayFacts, QuoterFacts, RiskFacts, Unreachable, Why

ACCOUNT = Ref(kinds.TRADING_ACCOUNT, "trading", "main")
MAKER = Ref(kinds.MARKET_MAKER, "trading", "eth")
RISK_DOCUMENT = '{"revision": 5, "markets": [{"market": "ETH"}]}'


class Woken:
    """Collects wake-ups."""

    def __init__(self) -> None:
        self.refs: list[tuple[Ref, str]] = []

    def wake(self, ref: Ref, source: str) -> None:
        """See Waker."""
        self.refs.append((ref, source))


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    servers = Peers()
    await servers.add_account("main")
    await servers.add_quoter("eth")
    servers.services["main-risk"].start(RISK_DOCUMENT)
    yield servers
    await servers.stop()


def targets(peers: Peers) -> AccountTargets:
    return AccountTargets(*(peers.addresses[f"main-{role}"] for role in ("gateway", "order-state", "risk")))


async def settled(what: str, holds: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return holds()

    await until(what, ask, within_s=30)


async def test_who_has_no_pod_is_not_asked() -> None:
    channels = Channels()
    observer = Observer(channels, Woken())
    observer.follow_account(ACCOUNT, AccountTargets(), {})
    observer.follow_quoter(MAKER, None)
    assert observer.account(ACCOUNT).risk == Unreachable(Why.NO_POD)
    assert observer.quoter(MAKER) == Unreachable(Why.NO_POD)
    assert len(channels) == 0
    await observer.close()


async def test_answers_are_values_and_their_news_wakes(peers: Peers) -> None:
    woken = Woken()
    observer = Observer(Channels(), woken)
    observer.follow_account(ACCOUNT, targets(peers), {"ETH": MAKER})
    assert observer.account(ACCOUNT).gateway == Unreachable(Why.NOT_YET)
    await settled("risk answers", lambda: isinstance(observer.account(ACCOUNT).risk, RiskFacts))
    view = observer.account(ACCOUNT)
    assert isinstance(view.gateway, GatewayFacts)
    assert isinstance(view.risk, RiskFacts)
    assert view.risk.applied_revision == 5
    assert (ACCOUNT, "services") in woken.refs
    assert (MAKER, "risk") in woken.refs
    await observer.close()


async def test_a_trip_wakes_the_maker_however_seldom_is_asked(peers: Peers) -> None:
    woken = Woken()
    observer = Observer(Channels(), woken, poll_s=3600)
    observer.follow_account(ACCOUNT, targets(peers), {"ETH": MAKER})
    await settled("risk answers", lambda: isinstance(observer.account(ACCOUNT).risk, RiskFacts))
    await observer.refresh_account(ACCOUNT)
    woken.refs.clear()
    peers.services["main-risk"].trip("ETH", "drawdown")
    await settled("the maker is woken", lambda: (MAKER, "risk") in woken.refs)
    await observer.close()


async def test_silence_has_a_reason_and_ends_when_the_service_is_back(peers: Peers) -> None:
    observer = Observer(Channels(), Woken(), poll_s=0.1)
    observer.follow_quoter(MAKER, "127.0.0.1:1")
    await settled("it fails", lambda: observer.quoter(MAKER) != Unreachable(Why.NOT_YET))
    answer = observer.quoter(MAKER)
    assert isinstance(answer, Unreachable)
    assert answer.why is Why.UNAVAILABLE
    observer.follow_quoter(MAKER, peers.addresses["eth-quoter"])
    await settled("it answers", lambda: isinstance(observer.quoter(MAKER), QuoterFacts))
    await observer.close()


async def test_channels_go_with_what_they_were_for(peers: Peers) -> None:
    channels = Channels()
    observer = Observer(channels, Woken())
    observer.follow_account(ACCOUNT, targets(peers), {})
    observer.follow_quoter(MAKER, peers.addresses["eth-quoter"])
    await observer.refresh_account(ACCOUNT)
    await observer.refresh_quoter(MAKER)
    assert len(channels) == 4
    observer.forget(ACCOUNT)
    observer.forget(MAKER)
    await settled("closed", lambda: len(channels) == 0)
    await observer.close()


async def test_a_channel_that_is_closed_in_the_middle_of_a_call_is_an_answer_too(peers: Peers) -> None:
    channels = Channels()
    commands, target = Commands(channels), peers.addresses["main-risk"]
    peers.services["main-risk"].hangs = True
    call = asyncio.create_task(commands.close_market(target, "ETH", "d"))

    await settled("it is called", lambda: bool(peers.exchange.said("close ETH")))
    await channels.drop(target)
    assert isinstance(await call, Unreachable)
    assert not call.cancelled()


async def test_what_does_not_change_wakes_nobody(peers: Peers) -> None:
    woken = Woken()
    observer = Observer(Channels(), woken, poll_s=3600)
    observer.follow_account(ACCOUNT, targets(peers), {"ETH": MAKER})
    await observer.refresh_account(ACCOUNT)
    await observer.refresh_account(ACCOUNT)
    woken.refs.clear()
    for _ in range(3):
        await observer.refresh_account(ACCOUNT)
    assert woken.refs == []
    await observer.close()


async def test_a_refusal_names_the_markets_that_are_to_blame(peers: Peers) -> None:
    channels = Channels()
    commands = Commands(channels)
    document = '{"revision": 1, "markets": ["ETH", "NOPE"]}'
    answer = await commands.apply_part(Role.GATEWAY, peers.addresses["main-gateway"], 1, document)
    assert isinstance(answer, Refused)
    assert answer.markets == ("NOPE",)
    await channels.close()


async def test_only_orders_with_the_accounts_mark_are_ours(peers: Peers) -> None:
    channels = Channels()
    commands = Commands(channels)
    peers.exchange.stuck_orders["ETH"] = 2
    target = peers.addresses["main-gateway"]
    assert await commands.own_open_orders(target, "main") == ("ETH", "ETH")
    assert await commands.own_open_orders(target, "another") == ()
    await channels.close()
