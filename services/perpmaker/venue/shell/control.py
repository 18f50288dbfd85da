"""The control port: `POST /` with `{"op": NAME, ...}`, loopback only, no part of the exchange.

Every answer is HTTP 200 with `{"ok": true, "result": ...}`, or `{"ok": false, "error": TEXT}` when the operation was
refused. Every operation is a struct; its JSON schema is what `help` shows.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, assert_never

import msgspec
from aiohttp import web

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import PlaceOrders
from perpmaker.venue.engine.checks import MIN_NOTIONAL_E8
from perpmaker.venue.engine.execute import Answer, Err, Ok
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.faults.engine_ops import apply
from perpmaker.venue.faults.operation import (
    BadOperationError,
    EngineOp,
    market_named,
    parse_address,
    positive_e8,
)
from perpmaker.venue.faults.schedule import BadScheduleError, PlannedSchedule, Schedule, parse_random, plan_of
from perpmaker.venue.faults.switches import AloStorm, AnySwitch, RefuseConnect, StaleInfo, Switch
from perpmaker.venue.flow.participants import house_address
from perpmaker.venue.shell.clockwork import Clockwork
from perpmaker.venue.shell.conductor import venue_hash
from perpmaker.venue.shell.desk import Desk
from perpmaker.venue.shell.dump import dump_state
from perpmaker.venue.shell.operations import (
    DECODER,
    KINDS,
    Advance,
    AnyOperation,
    Clear,
    Disconnect,
    DumpState,
    Faults,
    Help,
    RateLimit,
    ScheduleOp,
    StateHash,
    TradeOp,
    describe_operations,
)
from perpmaker.venue.shell.sockets import Sockets
from perpmaker.venue.units import E8, shown_e8

_REFUSALS_KEPT = 100


@dataclass(slots=True)
class Control:
    """Runs operations on one venue."""

    desk: Desk
    sockets: Sockets
    clockwork: Clockwork
    _thrown: set[asyncio.Task[Any]] = field(default_factory=set)
    _refused: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_REFUSALS_KEPT))

    @property
    def venue(self) -> Venue:
        return self.desk.venue

    async def run(self, op: AnyOperation) -> dict[str, Any]:
        """Do it. Raises `BadOperationError`."""
        result = await self._run(op)
        self.desk.conductor.note_operation(op, result if not isinstance(op, (Help, DumpState)) else {})
        return result

    def throw(self, body: dict[str, Any]) -> None:
        """Run an operation of a schedule. Nobody waits for its result; a refusal is kept for op `faults`."""
        op = operation_of(body)
        if not isinstance(op, (Switch, EngineOp)):
            task = asyncio.create_task(self._throw_later(op, body))
            self._thrown.add(task)
            task.add_done_callback(self._thrown.discard)
            return
        try:
            result = self._arm(op) if isinstance(op, Switch) else apply(self.venue, op)
        except BadOperationError as error:
            self._note_refusal(body, error)
        else:
            self.desk.conductor.note_operation(op, result)

    async def _throw_later(self, op: AnyOperation, body: dict[str, Any]) -> None:
        try:
            await self.run(op)
        except BadOperationError as error:
            self._note_refusal(body, error)

    def _note_refusal(self, body: dict[str, Any], error: BadOperationError) -> None:
        """A schedule may ask for what the moment does not allow, say of an account that is yet to come."""
        self._refused.append({"at_ms": self.clockwork.now_ms, "do": body, "error": str(error)})

    def check(self, body: dict[str, Any]) -> None:
        """Whether a schedule may run this. Raises `BadOperationError`."""
        op = operation_of(body)
        if isinstance(op, (Switch, EngineOp)):
            self._check_names(op)
        elif not isinstance(op, (Disconnect, RateLimit, TradeOp, Clear)):
            raise BadOperationError(f"{body['op']} cannot be scheduled")

    def schedule(self, schedule: Schedule) -> None:
        """Carry out a schedule from now on. Raises `BadOperationError` when it asks for what cannot be."""
        if isinstance(schedule, PlannedSchedule):
            for number, entry in enumerate(schedule.plan.faults):
                try:
                    self.check(entry.operation)
                except BadOperationError as error:
                    raise BadOperationError(f"faults[{number}]: {error}") from None
        self.clockwork.add_schedule(schedule)

    async def _run(self, op: AnyOperation) -> dict[str, Any]:
        if isinstance(op, Switch):
            return self._arm(op)
        if isinstance(op, EngineOp):
            return apply(self.venue, op)
        board = self.desk.board
        match op:
            case Disconnect():
                return await self._disconnect(op)
            case RateLimit(ip):
                self.desk.doors.rest.empty(ip, self.venue.state.now_ms)
                return {}
            case TradeOp():
                return await self._trade(op)
            case Clear(name, number):
                return {"cleared": self._clear(name, number)}
            case Faults():
                armed = [one.shown() for one in board.armed]
                return {"armed": armed, "struck": board.struck, "refused": list(self._refused)}
            case ScheduleOp():
                self.schedule(self._schedule_of(op))
                return {}
            case Advance(ms):
                if not self.clockwork.is_virtual:
                    raise BadOperationError("this venue runs in real time; start it with --virtual-time")
                return {"blocks": await self.clockwork.advance(ms), "time": self.clockwork.now_ms}
            case DumpState():
                return dump_state(self.venue) | {"stateHash": venue_hash(self.venue)}
            case StateHash():
                return {"stateHash": self.desk.conductor.checkpoint(), "height": self.venue.state.height}
            case Help():
                return {"ops": describe_operations()}
            case _:
                assert_never(op)

    def _check_names(self, op: Switch | EngineOp) -> None:
        for name in ("address", "by"):
            address = getattr(op, name, None)
            if address is not None:
                parse_address(address)
        if (coin := getattr(op, "coin", None)) is not None:
            market_named(self.venue, coin)

    def _arm(self, switch: AnySwitch) -> dict[str, Any]:
        self._check_names(switch)
        if isinstance(switch, AloStorm) and switch.sz is not None:
            market = market_named(self.venue, switch.coin)
            if not market.is_on_lot(positive_e8(switch.sz)):
                raise BadOperationError(f"sz must be a multiple of {shown_e8(market.lot_e8)}")
        if switch.address is not None:
            switch = msgspec.structs.replace(switch, address=parse_address(switch.address))
        if isinstance(switch, StaleInfo):
            self.desk.misinformer.keep_the_present()
        return self.desk.board.arm(switch).shown()

    def _clear(self, name: str | None, number: int | None) -> int:
        if name is not None and name not in KINDS:
            raise BadOperationError(f"no switch is called {name!r}")
        if name is None and number is None:
            self.clockwork.drop_schedules()
        return self.desk.board.clear(name, number)

    def _schedule_of(self, op: ScheduleOp) -> Schedule:
        if (op.plan is None) == (op.random is None):
            raise BadOperationError("give either a plan or random")
        try:
            if op.plan is not None:
                return PlannedSchedule(plan_of(op.plan))
            return parse_random(op.random or "", tuple(m.coin for m in self.venue.state.markets))
        except BadScheduleError as error:
            raise BadOperationError(str(error)) from None

    async def _disconnect(self, op: Disconnect) -> dict[str, Any]:
        if (op.address is None) != op.all:
            raise BadOperationError("give either an address or all: true")
        if op.for_ms:
            self.desk.board.arm(RefuseConnect(channel=None if op.rest else "ws", for_ms=op.for_ms))
        address = None if op.address is None else parse_address(op.address)
        return {"disconnected": await self.sockets.disconnect(address, op.code)}

    async def _trade(self, op: TradeOp) -> dict[str, Any]:
        market = market_named(self.venue, op.coin)
        sz_e8 = positive_e8(op.sz)
        if not market.is_on_lot(sz_e8):
            raise BadOperationError(f"sz must be a multiple of {shown_e8(market.lot_e8)}")
        is_buy, mark = op.side == "B", self.venue.state.mark_px_e8(market.asset)
        # A sale is judged by its bound: one that lets every size through that is worth the least value at mark.
        lowest = min(mark, max(mark // 10, -(-MIN_NOTIONAL_E8 * E8 // sz_e8)))
        px_e8 = market.round_px(mark * 10 if is_buy else lowest, up=True)
        order = NewOrder(market.asset, is_buy, px_e8, sz_e8, Tif.IOC)
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.desk.conductor.submit_house(house_address("control"), PlaceOrders((order,)), done.set_result)
        answer = await done
        match answer:
            case Ok(response):
                return {"result": response["data"]["statuses"][0]}
            case Err(text):
                raise BadOperationError(text)
            case _:
                assert_never(answer)


def operation_of(body: dict[str, Any]) -> AnyOperation:
    """An operation from plain values. Raises `BadOperationError`."""
    try:
        return DECODER.decode(msgspec.json.encode(body))
    except msgspec.ValidationError as error:
        raise BadOperationError(str(error)) from None


def control_app(control: Control) -> web.Application:
    """The HTTP side of the control port."""

    async def handle(request: web.Request) -> web.Response:
        try:
            result = await control.run(DECODER.decode(await request.read()))
        except (msgspec.DecodeError, BadOperationError) as error:
            return _json({"ok": False, "error": str(error)})
        return _json({"ok": True, "result": result})

    app = web.Application()
    app.router.add_post("/", handle)
    return app


def _json(value: dict[str, Any]) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
