"""The quoter as a process: streams in, plans out, nothing kept on disk.

Order of start: the market's rules from the gateway, a session from order-state, then quoting. Whom a newer session
has fenced asks for another one, which it gets when that session is silent: who began last may be the first to end.

Order of stop: tell order-state that it is needed, take every order out of the book and wait until order-state has seen
them leave; whatever is left after a while is order-state's to resolve.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import ClassVar, Final

from grpc import aio

from perpmaker.api.parts import QuoterPart
from perpmaker.common import logs, rpc, service
from perpmaker.common.clock import SystemClock
from perpmaker.common.config import load_part
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.gateway.v1.gateway_pb2_grpc import MarketDataServiceStub, ReferenceServiceStub
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub
from perpmaker.proto.quoter.v1 import quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.proto.risk.v1.risk_pb2_grpc import RiskServiceStub
from perpmaker.quoter.desk import TICK_S, Desk
from perpmaker.quoter.servicer import QuoterServicer
from perpmaker.quoter.settings import SettingsError

_RETRY_S: Final = 0.2
_STAND_BY_S: Final = 1.0
_EMPTY_DEADLINE_S: Final = 20.0
"""A gateway or an order-state that restarts meanwhile is back within this."""
_EMPTY_BROKEN_DEADLINE_S: Final = 5.0
"""Where something in the quoter broke, its successor does better."""

_log = logs.get(__name__)


class QuoterApp(service.Service):
    """Wires streams, desk and control surface together."""

    stop_deadline_s: ClassVar[float] = 25.0

    def __init__(self, part: QuoterPart, runtime: service.Runtime) -> None:
        """Raises StartError when the part contradicts itself."""
        self._part = part
        self._runtime = runtime
        self._gateway = rpc.connect(part.gateway_target, part.endpoint.tls)
        self._orders = rpc.connect(part.order_state_target, part.endpoint.tls)
        self._risk = rpc.connect(part.risk_target, part.endpoint.tls)
        try:
            self._desk = Desk(part, self._orders, SystemClock())
        except SettingsError as error:
            raise service.StartError(f"the quoter's part contradicts itself: {error}") from error

    def register(self, server: aio.Server) -> None:
        """See Service."""
        quoter_pb2_grpc.add_QuoterServiceServicer_to_server(QuoterServicer(self._desk), server)

    async def start(self) -> None:
        """See Service."""
        desk, sight, market = self._desk, self._desk.sight, self._part.market
        sight.on_instrument(await self._instrument())
        spawn = self._runtime.spawn
        market_data, watch = MarketDataServiceStub(self._gateway), OrdersServiceStub(self._orders)
        permissions = RiskServiceStub(self._risk)
        spawn(
            rpc.follow(
                "market_data",
                lambda: market_data.Subscribe(gateway.MarketDataServiceSubscribeRequest(markets=[market])),
                sight.on_market_data,
                on_lost=sight.on_market_data_lost,
            ),
            name="market-data",
        )
        spawn(
            rpc.follow(
                "permissions",
                lambda: permissions.WatchPermissions(risk.WatchPermissionsRequest(markets=[market])),
                sight.on_permission,
            ),
            name="permissions",
        )
        await self._acquire_session()
        spawn(
            rpc.follow(
                "orders.watch",
                lambda: watch.Watch(orders.WatchRequest(markets=[market])),
                sight.on_orders,
                on_lost=sight.on_orders_lost,
            ),
            name="orders",
        )
        spawn(desk.submitter.run(), name="submit")
        spawn(desk.run(), name="desk")
        spawn(desk.run_ticks(), name="ticks")
        spawn(self._report_readiness(), name="readiness")
        spawn(self._stand_by(), name="stand-by")

    async def stop(self) -> None:
        """See Service."""
        if self._desk.leaves_orders:
            _log.warning("quoter.orders_left", reason="deletionPolicy Orphan")
        else:
            await self._empty_book()
        await self._runtime.cancel_tasks()
        for channel in (self._gateway, self._orders, self._risk):
            await channel.close()

    async def _empty_book(self) -> None:
        self._desk.drain("stop")
        try:
            async with asyncio.timeout(_EMPTY_BROKEN_DEADLINE_S if self._runtime.has_failed else _EMPTY_DEADLINE_S):
                if not self._desk.empty.is_set():
                    await self._desk.submitter.leave()
                await self._desk.empty.wait()
        except TimeoutError:
            _log.warning("quoter.stopped_with_orders")

    async def _instrument(self) -> gateway.Instrument:
        stub = ReferenceServiceStub(self._gateway)
        while True:
            try:
                answer = await stub.ListInstruments(gateway.ListInstrumentsRequest(), timeout=rpc.READ_DEADLINE_S)
            except aio.AioRpcError as error:
                _log.info("instruments.waiting", reason=error.details())
            else:
                for instrument in answer.instruments:
                    if instrument.market == self._part.market:
                        return instrument
                if answer.instruments:
                    raise service.StartError(
                        f"the gateway does not serve market {self._part.market}; add it to the gateway's markets, or"
                        " take it out of the configuration if the exchange has delisted it"
                    )
            await asyncio.sleep(_RETRY_S)

    async def _acquire_session(self) -> None:
        while (refusal := await self._ask_for_session(stand_by=False)) is not None:
            _log.info("session.waiting", reason=refusal)
            await asyncio.sleep(_RETRY_S)

    async def _stand_by(self) -> None:
        told: str | None = None
        while True:
            await asyncio.sleep(_STAND_BY_S)
            refusal = await self._ask_for_session(stand_by=True) if self._desk.stands_by else None
            if refusal is not None and refusal != told:
                _log.info("session.waiting", reason=refusal)
            told = refusal

    async def _ask_for_session(self, *, stand_by: bool) -> str | None:
        """Begin another session; returns why there is none."""
        holder = f"{self._part.account}/{self._part.name}#{os.getpid()}"
        request = orders.AcquireSessionRequest(market=self._part.market, holder=holder, stand_by=stand_by)
        try:
            answer = await OrdersServiceStub(self._orders).AcquireSession(request, timeout=rpc.PLACE_DEADLINE_S)
        except aio.AioRpcError as error:
            return error.details() or error.code().name
        _log.info("session.acquired", epoch=answer.epoch)
        self._desk.submitter.begin(answer.epoch, answer.tag)
        return None

    async def _report_readiness(self) -> None:
        while not self._runtime.stopping.is_set():
            if self._desk.is_ready != self._runtime.is_ready:
                await self._runtime.set_ready(self._desk.is_ready, ", ".join(self._desk.reasons))
            await asyncio.sleep(TICK_S / 2)


def main(config_path: Path) -> None:
    """Run the quoter of one market until it is told to stop. Raises ConfigError; ends the process otherwise."""
    part = load_part(config_path, QuoterPart)
    service.run(
        "quoter", part.endpoint, lambda runtime: QuoterApp(part, runtime), account=part.account, market=part.market
    )
