"""What becomes of an action when one transport or both misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web
from tests.support.waiting import HANG_S
from websockets.protocol import State

from perpmaker.common.clock import SystemClock
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.connections.socket import Link
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.signing import SignedAction
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

SIGNED = SignedAction(b'{"action":{"type":"noop"},"nonce":7}', 7, 0)
RESTING = '{"status":"ok","response":{"type":"order","data":{"statuses":[{"resting":{"oid":5}}]}}}'
SUCCESS = '{"status":"ok","response":{"type":"cancel","data":{"statuses":["success"]}}}'
DUPLICATE = '{"status":"err","response":"Invalid nonce: duplicate nonce 7"}'


@dataclass
class Exchange:
    """An exchange that answers what it is told to, on both transports."""

    dispatch: Dispatch
    entry: OrderEntry
    budgets: Budgets
    rest_answers: list[tuple[int, str]] = field(default_factory=list)
    rest_bodies: list[bytes] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    told: asyncio.Queue[list[pb.Outcome]] = field(default_factory=asyncio.Queue)
    state: State = State.OPEN
    copied: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, frame: bytes, *, text: bool) -> None:
        self.written.append(frame)

    def answer_by_socket(self, payload: str, kind: str = "action", post: int = 1) -> None:
        response = f'{{"type":"{kind}","payload":{payload}}}'
        frame = f'{{"channel":"post","data":{{"id":{post},"response":{response}}}}}'
        self.entry.received(frame.encode(), 0)

    async def depart(self, *, is_cancel: bool = False, by_socket: bool = True) -> asyncio.Task[None]:
        departure = await self.dispatch.depart("place", SIGNED, ["0xa1"], is_cancel=is_cancel, by_socket=by_socket)
        return asyncio.create_task(self.dispatch.resolve(departure, self.told.put_nowait))

    async def outcome(self) -> pb.Outcome:
        async with asyncio.timeout(HANG_S):
            (outcome,) = await self.told.get()
        return outcome


@contextlib.asynccontextmanager
async def exchange(
    *rest_answers: tuple[int, str], timeout_ms: int = 50, rest_is_up: bool = True
) -> AsyncIterator[Exchange]:
    async def handle(request: web.Request) -> web.Response:
        made.rest_bodies.append(await request.read())
        made.copied.set()
        if not made.rest_answers:
            await made.ending.wait()
            return web.Response(status=503)
        status, text = made.rest_answers.pop(0)
        return web.Response(status=status, text=text, content_type="application/json")

    app = web.Application()
    app.router.add_post("/exchange", handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    clock = SystemClock()
    budgets = Budgets(BudgetSettings(600, 30), clock.monotonic_s())
    rest = Rest(f"http://127.0.0.1:{runner.addresses[0][1] if rest_is_up else 1}", budgets, clock)
    entry = OrderEntry()
    made = Exchange(Dispatch(entry, rest, clock, Measurements(), timeout_ms), entry, budgets, list(rest_answers))
    await entry.opened(Link(made))  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.ending.set()
        entry.lost("socket_closed")
        await rest.close()
        await runner.cleanup()


async def test_the_copy_by_rest_has_the_bytes_of_the_first() -> None:
    async with exchange((200, RESTING)) as venue:
        await venue.depart()
        assert (await venue.outcome()).resting.oid == 5
        assert venue.rest_bodies == [SIGNED.body]
        assert SIGNED.body in venue.written[0]


async def test_answer_in_time_needs_no_copy() -> None:
    async with exchange(timeout_ms=5_000) as venue:
        await venue.depart()
        venue.answer_by_socket(RESTING)
        assert (await venue.outcome()).resting.oid == 5
        assert venue.rest_bodies == []


async def test_late_answer_after_an_unknown_outcome_is_told() -> None:
    async with exchange((200, DUPLICATE)) as venue:
        await venue.depart()
        assert (await venue.outcome()).unknown.reason == "duplicate_nonce"
        venue.answer_by_socket(RESTING)
        assert (await venue.outcome()).resting.oid == 5


async def test_late_answer_that_decides_nothing_is_not_told() -> None:
    async with exchange((502, "<html>")) as venue:
        await venue.depart()
        assert (await venue.outcome()).unknown.reason == "http_error"
        venue.answer_by_socket(DUPLICATE)
        await venue.depart()
        venue.answer_by_socket(RESTING, post=2)
        assert (await venue.outcome()).resting.oid == 5


async def test_socket_answer_during_the_copy_wins() -> None:
    async with exchange(timeout_ms=200) as venue:
        await venue.depart()
        async with asyncio.timeout(HANG_S):
            await venue.copied.wait()
        venue.answer_by_socket(RESTING)
        assert (await venue.outcome()).resting.oid == 5


async def test_both_silent_is_unknown() -> None:
    async with exchange(timeout_ms=50) as venue:
        await venue.depart()
        assert (await venue.outcome()).unknown.reason == "timeout"


async def test_copy_that_never_left_says_nothing_of_the_first() -> None:
    async with exchange(rest_is_up=False) as venue:
        await venue.depart()
        assert (await venue.outcome()).unknown.reason == "timeout"
        venue.answer_by_socket(RESTING)
        assert (await venue.outcome()).resting.oid == 5


async def test_refused_copy_does_not_make_the_first_dead() -> None:
    async with exchange((422, "Failed to deserialize")) as venue:
        await venue.depart()
        assert (await venue.outcome()).HasField("unknown")


async def test_placement_without_weight_for_a_copy_is_unknown_and_waits() -> None:
    async with exchange((200, RESTING)) as venue:
        now_s = SystemClock().monotonic_s()
        venue.budgets.ip_weight.take_privileged(1_200, now_s)
        await venue.depart()
        assert (await venue.outcome()).unknown.reason == "timeout"
        assert venue.rest_bodies == []
        venue.answer_by_socket(RESTING)
        assert (await venue.outcome()).resting.oid == 5


async def test_cancel_is_copied_whatever_the_weight() -> None:
    async with exchange((200, SUCCESS)) as venue:
        venue.budgets.ip_weight.take_privileged(1_200, SystemClock().monotonic_s())
        await venue.depart(is_cancel=True)
        assert (await venue.outcome()).HasField("cancelled")


async def test_http_failures_on_the_socket() -> None:
    async with exchange(timeout_ms=5_000) as venue:
        await venue.depart()
        venue.answer_by_socket('"500 null"', kind="error")
        assert (await venue.outcome()).unknown.reason == "http_error"


async def test_refusal_before_processing_is_a_refusal() -> None:
    async with exchange((429, "null")) as venue:
        await venue.depart(is_cancel=True, by_socket=False)
        outcome = await venue.outcome()
        assert getattr(outcome.rejected, "class") == pb.REJECTION_CLASS_RATE_LIMIT


async def test_only_cancels_go_without_a_socket() -> None:
    async with exchange((200, SUCCESS)) as venue:
        venue.entry.lost("idle")
        await venue.depart()
        assert (await venue.outcome()).not_sent.reason == "not_connected"
        await venue.depart(is_cancel=True)
        assert (await venue.outcome()).HasField("cancelled")


async def test_cancel_without_any_connection_was_never_sent() -> None:
    clock = SystemClock()
    budgets = Budgets(BudgetSettings(600, 30), clock.monotonic_s())
    rest = Rest("http://127.0.0.1:1", budgets, clock)
    dispatch = Dispatch(OrderEntry(), rest, clock, Measurements(), 500)
    told: list[list[pb.Outcome]] = []
    departure = await dispatch.depart("cancel", SIGNED, ["0xa1"], is_cancel=True, by_socket=True)
    await dispatch.resolve(departure, told.append)
    await rest.close()
    assert told[0][0].not_sent.reason == "not_connected"
