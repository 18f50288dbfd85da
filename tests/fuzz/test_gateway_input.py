"""Whatever the exchange says, the gateway goes on, and what it could not read changes no order."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.fuzz.exchange_frames import ACCOUNT, ADDRESS, ANSWERS, MARKET, NOW_MS, POST, RAW, spoiled
from tests.support.waiting import HANG_S
from websockets.asyncio.server import ServerConnection, serve
from websockets.protocol import State

from perpmaker.common.clock import ManualClock, SystemClock
from perpmaker.gateway import metrics
from perpmaker.gateway.account_hub import AccountHub, Snapshot
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.connections.socket import Link, Socket, SocketSettings
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.malformed import TOLD_EVERY_S, Complaints, kind_of
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.outcomes import from_answer, read_answer
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_KINDS = ("not_json", "wrong_shape", "bad_value", "too_deep")
_MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def _complaints(source: str) -> float:
    return sum(metrics.BAD_FRAMES.labels(source, kind)._value.get() for kind in _KINDS)


def _account() -> tuple[AccountStream, AccountHub]:
    clock, hub = ManualClock(NOW_MS), AccountHub()
    stream = AccountStream(ADDRESS, Markets(("BTC",)), hub, clock, ExchangeClock(clock), lambda: None, lambda _: None)
    return stream, hub


@_MANY
@given(frame=spoiled(ACCOUNT) | st.binary(max_size=200) | st.sampled_from(RAW))
@example(frame=RAW[5])
def test_account_frame_is_told_whole_or_is_a_gap(frame: bytes) -> None:
    stream, hub = _account()
    reader = hub.subscribe(NOW_MS)
    hub.close_gap(hub.generation, Snapshot(pb.OpenOrders(), (), pb.AccountState()), 0)
    reader.drain()
    before = _complaints("account")

    stream.received(frame, 1)

    told = [message.WhichOneof("event") for message in reader.drain()]
    if _complaints("account") > before:
        assert told == ["gap_opened"]
        assert reader.in_gap
    else:
        assert "gap_opened" not in told


@_MANY
@given(frame=spoiled(MARKET) | st.binary(max_size=200) | st.sampled_from(RAW))
def test_unreadable_market_frame_changes_nothing_and_is_no_sign_of_life(frame: bytes) -> None:
    hub = MarketHub()
    stream = MarketDataStream(("BTC",), ADDRESS, hub, ManualClock(NOW_MS), 5.0, lambda: None, lambda: NOW_MS)
    mailbox = hub.subscribe(["BTC"])
    mailbox.drain()
    before = _complaints("market_data")

    stream.received(frame, 1)

    told = mailbox.drain()
    if _complaints("market_data") > before:
        assert told == []
        assert not hub.feeds()["BTC"]


_EMPTY_BBO = {"channel": "bbo", "data": {"coin": "BTC", "time": NOW_MS, "bbo": [None, None]}}


class _Wire:
    state = State.OPEN

    async def send(self, frame: bytes, *, text: bool) -> None:
        pass


@_MANY
@given(frame=spoiled(POST) | st.binary(max_size=200) | st.sampled_from(RAW))
def test_unreadable_answer_leaves_the_post_open(frame: bytes) -> None:
    async def hear() -> None:
        entry = OrderEntry()
        await entry.opened(Link(_Wire()))  # type: ignore[arg-type]
        post = await entry.post(b"{}")
        before = _complaints("order_entry")
        entry.received(frame, 1)
        if _complaints("order_entry") > before:
            assert not post.result.done()
            assert entry.in_flight == 1
        entry.lost("socket_closed")

    asyncio.run(hear())


@_MANY
@given(payload=spoiled(ANSWERS) | st.binary(max_size=200) | st.sampled_from(RAW), second_copy=st.booleans())
def test_every_item_of_an_action_has_an_outcome_and_unreadable_ones_are_unknown(
    payload: bytes, second_copy: bool
) -> None:
    names = ["0xa1", "0xa2"]
    before = _complaints("rest")

    outcomes = from_answer(names, read_answer(payload), second_copy=second_copy)

    assert [outcome.cloid for outcome in outcomes] == names
    assert all(outcome.WhichOneof("result") is not None for outcome in outcomes)
    if _complaints("rest") > before:
        assert any(outcome.unknown.reason == "malformed_response" for outcome in outcomes)


def test_number_beyond_any_makes_its_item_unknown() -> None:
    statuses = '[{"resting":{"oid":18446744073709551616}},{"filled":{"totalSz":"NaN","avgPx":"1","oid":5}}]'
    payload = f'{{"status":"ok","response":{{"type":"order","data":{{"statuses":{statuses}}}}}}}'.encode()
    outcomes = from_answer(["0xa1", "0xa2"], read_answer(payload), second_copy=False)
    assert [outcome.unknown.reason for outcome in outcomes] == ["malformed_response"] * 2


@pytest.mark.parametrize(
    "statuses",
    [
        '[{"resting":{"oid":5}}]',
        '[{"resting":{"oid":5}},{"resting":{"oid":6}},{"resting":{"oid":7}}]',
        "[]",
        '[{"resting":{"oid":5},"error":"no"}]',
    ],
)
def test_answer_of_another_length_makes_all_items_unknown(statuses: str) -> None:
    payload = f'{{"status":"ok","response":{{"type":"order","data":{{"statuses":{statuses}}}}}}}'.encode()
    outcomes = from_answer(["0xa1", "0xa2"], read_answer(payload), second_copy=False)
    assert [outcome.unknown.reason for outcome in outcomes] == ["malformed_response"] * 2


def test_status_that_says_two_things_says_nothing() -> None:
    statuses = '[{"resting":{"oid":5},"filled":{"totalSz":"1","avgPx":"1","oid":5}},{"resting":{"oid":6}}]'
    payload = f'{{"status":"ok","response":{{"type":"order","data":{{"statuses":{statuses}}}}}}}'.encode()
    doubtful, clear = from_answer(["0xa1", "0xa2"], read_answer(payload), second_copy=False)
    assert doubtful.unknown.reason == "malformed_response"
    assert clear.resting.oid == 6


def test_fill_far_ahead_of_time_is_a_gap_and_moves_no_watermark() -> None:
    stream, hub = _account()
    reader = hub.subscribe(NOW_MS)
    hub.close_gap(hub.generation, Snapshot(pb.OpenOrders(), (), pb.AccountState()), 0)
    reader.drain()
    frame = (
        b'{"channel":"userFills","data":{"fills":[{"coin":"BTC","px":"1","sz":"1","side":"A","time":99999999999999,'
        b'"startPosition":"0","oid":1,"crossed":true,"fee":"0","tid":1,"feeToken":"USDC"}]}}'
    )
    stream.received(frame, 1)
    assert [message.WhichOneof("event") for message in reader.drain()] == ["gap_opened"]
    assert reader.watermark_ms == NOW_MS


def test_one_of_a_kind_is_logged_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = ManualClock(NOW_MS)
    complaints = Complaints(clock)
    before = metrics.BAD_FRAMES.labels("rest", "too_large")._value.get()
    for _ in range(3):
        complaints.add("rest", "too_large", b"sample", "why")
    clock.advance_ms(round(TOLD_EVERY_S * 1000))
    complaints.add("rest", "too_large", b"sample", "why")
    out = capsys.readouterr()
    lines = [line for line in (out.out + out.err).splitlines() if "exchange.malformed" in line]
    assert len(lines) == 2
    assert "sample" in lines[0]
    assert metrics.BAD_FRAMES.labels("rest", "too_large")._value.get() == before + 4


def test_kinds_of_errors() -> None:
    assert kind_of(RecursionError()) == "too_deep"
    assert kind_of(ValueError()) == "bad_value"
    assert kind_of(UnicodeDecodeError("utf-8", b"", 0, 1, "")) == "not_json"


async def test_sockets_survive_everything_and_hear_what_comes_after() -> None:
    """Every evil frame over a real connection, to all three owners; then a good one, which is heard."""

    async def play(connection: ServerConnection) -> None:
        for raw in RAW:
            with contextlib.suppress(UnicodeDecodeError):
                await connection.send(raw.decode())
            await connection.send(raw)
        await connection.send(json.dumps(_EMPTY_BBO))
        with contextlib.suppress(Exception):
            await connection.wait_closed()

    clock, hub = SystemClock(), MarketHub()
    stream = MarketDataStream(("BTC",), ADDRESS, hub, clock, 60.0, lambda: None)
    mailbox = hub.subscribe(["BTC"])
    account, _ = _account()

    class Everybody:
        """Hands every frame to all owners."""

        async def opened(self, link: Link) -> None:
            pass

        def received(self, frame: bytes, receive_ns: int) -> None:
            account.received(frame, receive_ns)
            entry.received(frame, receive_ns)
            stream.received(frame, receive_ns)

        def lost(self, reason: str) -> None:
            raise AssertionError(reason)

        def verdict(self) -> None:
            return None

    entry = OrderEntry()
    async with serve(play, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        budgets = Budgets(BudgetSettings(600, 30), clock.monotonic_s())
        where = SocketSettings(f"ws://127.0.0.1:{port}/ws", 60, 60)
        task = asyncio.create_task(Socket("test", where, Everybody(), budgets, clock, random.Random(1)).run())
        try:
            async with asyncio.timeout(HANG_S):
                while not any(message.HasField("bbo") for message in mailbox.drain()):
                    await asyncio.wait(
                        {task, waking := asyncio.create_task(mailbox.wake.wait())}, return_when=asyncio.FIRST_COMPLETED
                    )
                    assert not task.done()
                    waking.cancel()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
