"""The order-state process: what is wired to what, and in which order it starts.

Start: store, replay, then the streams to gateway and risk. Nonces are told from the replay on, since the gateway needs
them for its own start. Ready means: the account stream is whole, and a safety sync has succeeded.

Stop: new orders are held; plans that cancel, streams and drains are served while a quoter that ends, too, is there
(`leave_taking`), the gateway being told that it is needed. Orders whose quoter is away are waited for as long as it
takes to miss that quoter and to cancel them; those of a quoter that stays are left to it and to our successor, and
those to be left alone to the trader.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path
from typing import ClassVar, Final

from grpc import aio

from perpmaker.api.parts import OrderStatePart
from perpmaker.common import leave_taking, logs, rpc
from perpmaker.common.attendance import PATIENCE_S, Attendance
from perpmaker.common.clock import Clock, SystemClock
from perpmaker.common.config import load_part
from perpmaker.common.reconfigure import Configuration, NotNowError
from perpmaker.common.service import Runtime, Service, StartError, run
from perpmaker.order_state import recovery
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.dispatch import Dispatcher
from perpmaker.order_state.drain import Drains
from perpmaker.order_state.housekeeping import Housekeeper
from perpmaker.order_state.link import AccountLink
from perpmaker.order_state.markets import Markets
from perpmaker.order_state.permissions import Permissions
from perpmaker.order_state.reads import Reads
from perpmaker.order_state.resolver import Resolver
from perpmaker.order_state.servicer import OrdersServicer
from perpmaker.order_state.store.redis_store import DecodeError, Store, StoreDownError
from perpmaker.order_state.submit import Submitter
from perpmaker.order_state.sync import GAP_CLOSED, Syncer
from perpmaker.order_state.truth import HELD_GAP, HELD_STARTING, HELD_STOPPING, Book, Truth
from perpmaker.order_state.writer import Writer
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

HOT_FIELDS: Final = ("markets", "left_alone")
_STORE_PATIENCE_S: Final = 30.0
_STORE_RETRY_S: Final = 0.2
_STAY_S: Final = 33.0
"""Longer than any quoter takes to end."""
_ABSENT_S: Final = PATIENCE_S + 5.0
"""How long orders are waited for whose quoter is away: until it is missed, and a while for the cancels."""

_log = logs.get(__name__)


class OrderState(Service):
    """Order truth of one account."""

    stop_deadline_s: ClassVar[float] = 40.0

    def __init__(self, runtime: Runtime, part: OrderStatePart, clock: Clock | None = None) -> None:
        self._runtime = runtime
        self._part = part
        clock = clock or SystemClock()
        self._gateway = rpc.connect(part.gateway_target, part.endpoint.tls)
        self._trading = rpc.connect(part.gateway_target, part.endpoint.tls)
        self._risk = rpc.connect(part.risk_target, part.endpoint.tls)
        self.truth = Truth(part.account, part.markets, part.left_alone)
        self._store = Store(part.redis_url, part.account, part.redis_credentials)
        self._writer = Writer(self.truth, self._store, clock)
        self._reads = Reads(self._gateway)
        execution = gateway_pb2_grpc.ExecutionServiceStub(self._trading)
        self._dispatcher = Dispatcher(
            self._writer, clock, execution.Execute, connected=lambda: rpc.ready(self._trading)
        )
        self._permissions = Permissions(clock)
        self._syncer = Syncer(
            self._writer,
            self._reads,
            clock,
            every_s=part.safety_sync_s,
            grace_ms=part.snapshot_grace_ms,
            orphan_grace_ms=part.orphan_grace_ms,
            on_done=self._synced,
        )
        self._resolver = Resolver(self._writer, self._dispatcher, self._reads, self._syncer, clock)
        self._drains = Drains(
            self._writer, self._resolver, self._reads, self._permissions, clock, grace_ms=part.snapshot_grace_ms
        )
        self._markets = Markets(
            self._writer, self._reads, self._syncer, self._permissions, self._resolver.cancel, clock
        )
        self._link = AccountLink(
            self._gateway,
            self._writer,
            self._store,
            self._markets,
            self._syncer,
            grace_ms=part.snapshot_grace_ms,
            orphan_grace_ms=part.orphan_grace_ms,
        )
        attendance: defaultdict[str, Attendance] = defaultdict(lambda: Attendance(clock))
        self._attendance = attendance
        self._configuration = Configuration(part, HOT_FIELDS, self._put_in_force)
        self._housekeeper = Housekeeper(
            self._writer, self._store, self._syncer, clock, attendance, self._resolver.cancel
        )
        submitter = Submitter(self._writer, self._dispatcher, self._permissions, clock)
        self._servicer = OrdersServicer(
            self._writer, self._store, submitter, self._drains, self._syncer, clock, attendance, self._configuration
        )
        self._writer.on_follow_up = self._follow_up

    def register(self, server: aio.Server) -> None:
        """See Service."""
        orderstate_pb2_grpc.add_OrdersServiceServicer_to_server(self._servicer, server)

    async def _put_in_force(self, part: OrderStatePart) -> None:
        if not self._servicer.is_replayed:
            raise NotNowError("the journal is being replayed; offer it again when that is done")
        self._markets.serve(part.markets, part.left_alone)

    async def start(self) -> None:
        """See Service."""
        await self._open_store()
        spawn = self._runtime.spawn
        spawn(self._writer.run(), name="writer")
        await self._writer.apply(recovery.after_crash)
        self._servicer.is_replayed = True
        spawn(self._writer.keep_store(), name="store")
        spawn(self._writer.watch_owner(), name="owner")
        spawn(self._dispatcher.run(), name="execute")
        spawn(self._markets.run(), name="markets")
        spawn(self._link.run(), name="account")
        spawn(self._syncer.run(), name="sync")
        spawn(self._resolver.run(), name="resolver")
        spawn(self._housekeeper.run(), name="housekeeping")
        risk = risk_pb2_grpc.RiskServiceStub(self._risk)
        # All of them: those of markets to come, too.
        request = risk_pb2.WatchPermissionsRequest()
        permissions = rpc.follow("risk.permissions", lambda: risk.WatchPermissions(request), self._permissions.receive)
        spawn(permissions, name="permissions")

    async def stop(self) -> None:
        """See Service."""
        self._writer.hold(HELD_STOPPING, True)
        if self._runtime.stopping.is_set():
            await self._dispatcher.leave()
            await leave_taking.stay(self._runtime, self._is_needed, _STAY_S)
        await self._drains.stop()
        # Whatever was heard until now is still made durable.
        await self._writer.apply(lambda _batch: None)
        await self._store.close()
        for channel in (self._trading, self._gateway, self._risk):
            await channel.close()

    def _is_needed(self, waited_s: float) -> bool:
        return any(
            self._is_needed_for(book, waited_s)
            for book in self.truth.books.values()
            if book.market not in self.truth.left_alone and book.live()
        )

    def _is_needed_for(self, book: Book, waited_s: float) -> bool:
        attendance = self._attendance[book.market]
        if attendance.is_leaving:
            return True
        return waited_s < (leave_taking.TOGETHER_S if attendance.is_attached else _ABSENT_S)

    async def _open_store(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _STORE_PATIENCE_S
        while True:
            try:
                await self._store.open()
                replay = await self._store.replay()
            except StoreDownError as error:
                if loop.time() > give_up_s:
                    raise StartError(f"the store at {self._part.redis_url} cannot be used: {error}") from error
                await asyncio.sleep(_STORE_RETRY_S)
            except DecodeError as error:
                raise StartError(
                    f"the store at {self._part.redis_url} holds records that this version cannot read: {error};"
                    " run the version that wrote them"
                ) from error
            else:
                break
        recovery.restore(self.truth, replay)
        _log.info(
            "store.replayed",
            generation=self._store.generation,
            orders=len(replay.orders),
            entries=len(replay.entries),
            highest_nonce=replay.highest_nonce,
        )

    def _follow_up(self, batch: Batch) -> None:
        for cloid in batch.doubts:
            self._resolver.doubt(cloid)
        for reason in batch.syncs:
            self._syncer.request(reason)
        if batch.strays:
            self._runtime.spawn(self._resolver.cancel_strays(batch.strays), name="strays")

    def _synced(self, reasons: frozenset[str], is_complete: bool) -> None:
        if HELD_GAP not in self.truth.holds or self._link.gap_is_open:
            return
        if not (is_complete and GAP_CLOSED in reasons):
            self._syncer.request(GAP_CLOSED if is_complete else "incomplete")
            return
        self._writer.hold(HELD_GAP, False)
        if HELD_STARTING in self.truth.holds:
            self._writer.hold(HELD_STARTING, False)
            self._runtime.spawn(self._runtime.set_ready(True), name="ready")


def main(config_path: Path) -> None:
    """Run order-state until it is told to stop."""
    part = load_part(config_path, OrderStatePart)
    run("order-state", part.endpoint, lambda runtime: OrderState(runtime, part), account=part.account)
