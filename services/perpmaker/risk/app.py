"""The risk service as a process: streams in, permissions out, latch and days in Redis.

Told to stop, it goes on answering while an order-state that ends, too, is there (`leave_taking`): that one outlasts the
quoters that end.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final, TypeVar

from grpc import aio

from perpmaker.api.parts import RiskPart
from perpmaker.common import leave_taking, logs, rpc, service
from perpmaker.common.clock import Clock, SystemClock
from perpmaker.common.config import load_part
from perpmaker.common.reconfigure import Configuration
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.gateway.v1.gateway_pb2_grpc import (
    AccountServiceStub,
    ExecutionServiceStub,
    ReferenceServiceStub,
)
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate
from perpmaker.proto.orderstate.v1.orderstate_pb2_grpc import OrdersServiceStub
from perpmaker.proto.risk.v1 import risk_pb2_grpc
from perpmaker.risk.controller import WATCHDOG_S, Controller
from perpmaker.risk.executor import Executor
from perpmaker.risk.facts import Facts
from perpmaker.risk.feed import PermissionFeed
from perpmaker.risk.keeper import Keeper
from perpmaker.risk.servicer import RiskServicer
from perpmaker.risk.store import RiskStore, StoreNotDurableError, StoreUnavailableError
from perpmaker.risk.streams import MarketStreams

HOT_FIELDS: Final = ("markets", "limits")
ACCOUNT_READ_AFTER_MS: Final = 15_000
"""Age of equity and margin after which they are read instead of awaited."""
_RETRY_S: Final = 0.25
_STAY_S: Final = 35.0

_log = logs.get(__name__)

Message = TypeVar("Message")


class RiskApp(service.Service):
    """Wires the parts together and keeps them running."""

    stop_deadline_s: ClassVar[float] = 40.0

    def __init__(self, part: RiskPart, runtime: service.Runtime, clock: Clock | None = None) -> None:
        self._part = part
        self._runtime = runtime
        self._clock = clock if clock is not None else SystemClock()
        self._gateway = rpc.connect(part.gateway_target, part.endpoint.tls)
        self._orders = rpc.connect(part.order_state_target, part.endpoint.tls)
        # Cancels and disarms must never queue behind market data, hence connections of their own.
        self._kill_gateway = rpc.connect(part.gateway_target, part.endpoint.tls)
        self._kill_orders = rpc.connect(part.order_state_target, part.endpoint.tls)
        self._facts = Facts((market.market for market in part.markets), self._clock)
        self._store = RiskStore(part.redis_url, part.account, part.redis_credentials)
        self._keeper = Keeper(self._store, self._clock, self._new_trip_id)
        self._executor = Executor(
            OrdersServiceStub(self._kill_orders), ExecutionServiceStub(self._kill_gateway), self._on_empty
        )
        self._feed = PermissionFeed(self._clock)
        self._controller = Controller(
            part,
            self._clock,
            self._facts,
            self._keeper,
            self._executor,
            self._feed,
            new_trip_id=self._new_trip_id,
        )
        self._streams = MarketStreams(runtime, self._gateway, self._orders, self._facts, self._controller.wake)
        self._instruments_missing = asyncio.Event()
        self._configuration = Configuration(part, HOT_FIELDS, self._put_in_force)
        self._gateway_told = False

    async def _put_in_force(self, part: RiskPart) -> None:
        self._controller.apply(part)
        self._streams.follow(self._controller.markets)
        self._instruments_missing.set()

    def register(self, server: aio.Server) -> None:
        """See Service."""
        servicer = RiskServicer(
            self._clock, self._controller, self._keeper, self._executor, self._feed, self._configuration
        )
        risk_pb2_grpc.add_RiskServiceServicer_to_server(servicer, server)

    async def start(self) -> None:
        """See Service. Nothing waits for anything: until a source is heard, permissions are closed."""
        spawn = self._runtime.spawn
        spawn(self._controller.run(), name="evaluate")
        spawn(self._keeper.run(), name="keep")
        self._streams.follow(self._controller.markets)
        spawn(self._follow_account(), name="account")
        spawn(self._read_instruments(), name="instruments")
        spawn(self._read_account(), name="account-read")
        spawn(self._report_readiness(), name="readiness")
        await self._load()
        spawn(self._confirm_fresh(), name="confirm-fresh")

    async def stop(self) -> None:
        """See Service. What is latched stays latched; the last P&L is kept."""
        await self._save_days()
        if self._runtime.stopping.is_set():
            await leave_taking.stay(self._runtime, self._is_needed, _STAY_S)
            await self._save_days()
        # A stream that outlives its channel would take the closing for a fault.
        await self._runtime.cancel_tasks()
        await self._executor.stop()
        await self._keeper.stop()
        await self._store.close()
        for channel in (self._gateway, self._orders, self._kill_gateway, self._kill_orders):
            await channel.close()

    def _is_needed(self, waited_s: float) -> bool:
        facts = self._facts
        return facts.order_state_stops or (waited_s < leave_taking.TOGETHER_S and facts.open_orders > 0)

    async def _save_days(self) -> None:
        try:
            if self._keeper.verified_fresh:
                await self._keeper.save_days()
        except StoreUnavailableError as error:
            _log.warning("store.days_not_saved", reason=str(error))

    async def _load(self) -> None:
        told = False
        while True:
            try:
                await self._keeper.load()
            except StoreNotDurableError as error:
                raise service.StartError(str(error)) from error
            except StoreUnavailableError as error:
                if not told:
                    _log.error("store.not_loaded", reason=str(error))
                    told = True
                await asyncio.sleep(_RETRY_S)
            else:
                break
        self._controller.evaluate()
        if self._gateway_told:
            self._controller.assert_arming()

    async def _confirm_fresh(self) -> None:
        stub = OrdersServiceStub(self._orders)
        while self._keeper.is_fresh:
            try:
                summary = await stub.GetSummary(orderstate.GetSummaryRequest(), timeout=rpc.CONFIG_DEADLINE_S)
            except aio.AioRpcError:
                await asyncio.sleep(_RETRY_S)
            else:
                self._keeper.confirm_fresh(ever_traded=any(market.placed for market in summary.markets))
                self._controller.evaluate()

    async def _follow_account(self) -> None:
        stub = AccountServiceStub(self._gateway)
        await rpc.follow(
            "account",
            # Fills are order-state's; equity and margin begin with now.
            lambda: stub.Subscribe(gateway.AccountServiceSubscribeRequest(fills_since_ms=self._clock.now_ms())),
            self._heard(self._on_account_event),
            on_lost=self._heard(self._on_account_lost),
        )

    def _on_account_event(self, message: gateway.AccountServiceSubscribeResponse) -> None:
        if not self._gateway_told:
            # A gateway that was away may have started anew, and then it starts armed.
            self._gateway_told = True
            if self._keeper.is_loaded:
                self._controller.assert_arming()
        self._facts.on_account_event(message)

    def _on_account_lost(self, reason: str) -> None:
        self._gateway_told = False
        self._facts.on_account_lost(reason)

    async def _read_instruments(self) -> None:
        stub = ReferenceServiceStub(self._gateway)
        self._instruments_missing.set()
        while True:
            await self._instruments_missing.wait()
            try:
                answer = await stub.ListInstruments(gateway.ListInstrumentsRequest(), timeout=rpc.READ_DEADLINE_S)
            except aio.AioRpcError:
                pass
            else:
                self._facts.on_instruments(answer.instruments)
                if all(facts.instrument is not None for facts in self._facts.markets.values()):
                    self._instruments_missing.clear()
            self._controller.wake()
            await asyncio.sleep(_RETRY_S)

    async def _read_account(self) -> None:
        stub = ReferenceServiceStub(self._gateway)
        while True:
            await asyncio.sleep(1.0)
            age_ms = self._facts.account_age_ms
            if age_ms is not None and age_ms < ACCOUNT_READ_AFTER_MS:
                continue
            try:
                answer = await stub.GetAccount(gateway.GetAccountRequest(), timeout=rpc.READ_DEADLINE_S)
            except aio.AioRpcError:
                continue
            self._facts.on_account(answer.account)
            self._controller.wake()

    async def _report_readiness(self) -> None:
        while True:
            if self._controller.is_ready != self._runtime.is_ready and not self._runtime.stopping.is_set():
                ready = self._controller.is_ready
                await self._runtime.set_ready(ready, "" if ready else "sources")
            await asyncio.sleep(WATCHDOG_S / 5)

    def _heard(self, take: Callable[[Message], None]) -> Callable[[Message], None]:
        def taken(message: Message) -> None:
            take(message)
            self._controller.wake()

        return taken

    def _on_empty(self, market: str) -> None:
        self._controller.on_empty(market)

    def _new_trip_id(self) -> str:
        return f"trip-{self._clock.now_ms()}-{secrets.token_hex(3)}"


def main(config_path: Path) -> None:
    """Run the risk service of one account until it is told to stop. Raises ConfigError; ends the process otherwise."""
    part = load_part(config_path, RiskPart)
    service.run("risk", part.endpoint, lambda runtime: RiskApp(part, runtime), account=part.account)
