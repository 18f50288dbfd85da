"""The gateway process: what is started in which order, when it is ready, and how it stops.

Order of start: key, exchange clock, signer, instruments, highest recorded nonce, leverage, sockets. Ready means:
account snapshot complete, market data subscribed, order-entry socket open, clock within bounds.

Order of stop: placements are refused; cancels and streams are served until an order-state that ends, too, has left
(`leave_taking`), the dead man's switch being kept up meanwhile; then the book decides: empty, and the switch is
cleared, otherwise it stays armed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

from grpc import aio

from perpmaker.api.parts import GatewayPart
from perpmaker.common import leave_taking, logs, rpc, service
from perpmaker.common.attendance import Attendance
from perpmaker.common.clock import Clock, SystemClock
from perpmaker.common.config import load_part
from perpmaker.common.reconfigure import Configuration
from perpmaker.common.service import Runtime, Service, StartError
from perpmaker.gateway import custody, metrics, preflight, sign_up
from perpmaker.gateway.account_hub import AccountHub
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.connections.socket import Socket, SocketOwner, SocketSettings
from perpmaker.gateway.curve import is_native
from perpmaker.gateway.dead_mans_switch import DeadMansSwitch
from perpmaker.gateway.decode import frames
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.execution import Execution
from perpmaker.gateway.fencing import MAX_CLOCK_OFFSET_MS, Fence
from perpmaker.gateway.gap_keeper import keep_closed
from perpmaker.gateway.identity import Identity, open_identity
from perpmaker.gateway.key import KeyFileError, SigningKey
from perpmaker.gateway.key_watch import KeyWatch
from perpmaker.gateway.listings import Listings
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import MAX_LEAD_MS, Nonces
from perpmaker.gateway.reads import AccountReads
from perpmaker.gateway.reconfigure import HOT_FIELDS, Reconfigurator
from perpmaker.gateway.resolving import PlacementResolver
from perpmaker.gateway.serving.account import AccountServicer
from perpmaker.gateway.serving.execution import ExecutionServicer
from perpmaker.gateway.serving.market_data import MarketDataServicer
from perpmaker.gateway.serving.reference import ReferenceServicer
from perpmaker.gateway.sign_up import Membership
from perpmaker.gateway.signing import SelfCheckError, Signer, measure_us, self_check
from perpmaker.hyperliquid.networks import signing_source, ws_url
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.proto.gateway.v1 import gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc

COMPONENT = "gateway"
_SLOW_SIGNATURE_US = 1_000
_CLOCK_EVERY_S = 10.0
_CLOCK_AGAIN_S = 1.0
_LIMITS_EVERY_S = 60.0
_VALIDITY_EVERY_S = 600.0
_CLOCK_SAMPLES_AT_START = 3
_EMPTY_BOOK_DEADLINE_S = 5.0
_STAY_S = 45.0
"""Longer than any order-state takes to end."""

_log = logs.get(__name__)


def main(config_path: Path) -> None:
    """Run the gateway until it is told to stop. Raises ConfigError; ends the process otherwise."""
    custody.shield()
    part = load_part(config_path, GatewayPart)
    service.run(COMPONENT, part.endpoint, lambda runtime: Gateway(part, runtime), account=part.account)


def open_wallet(part: GatewayPart) -> Identity:
    """Account and key of the part. Raises StartError."""
    try:
        return open_identity(part)
    except KeyFileError as error:
        raise StartError(str(error)) from error


class Gateway(Service):
    """All parts of the gateway and their life."""

    stop_deadline_s: ClassVar[float] = 55.0

    def __init__(self, part: GatewayPart, runtime: Runtime, clock: Clock | None = None) -> None:
        """Raises StartError when the key cannot be used or signing does not work on this machine."""
        self._part = part
        self._runtime = runtime
        self._clock = clock or SystemClock()
        self._measurements = Measurements()
        self._markets = Markets(part.markets)
        self._changed = asyncio.Event()
        self._account_changed = asyncio.Event()
        self._switch_task: asyncio.Task[None] | None = None
        self._fence = Fence()
        settings = BudgetSettings(part.max_actions_per_minute, part.reserved_for_cancels_percent)
        self._budgets = Budgets(settings, self._clock.monotonic_s())
        self._exchange_clock = ExchangeClock(self._clock)
        self._identity = open_wallet(part)
        self._signer_valid_until_ms = 0
        self._signer_confirmed = False
        self._desk = self._open_desk()
        self._rest = Rest(part.api_url, self._budgets, self._clock)
        self._membership = Membership(self._identity, self._rest) if self._identity.master is not None else None
        self._reads = AccountReads(
            self._rest,
            self._identity.address,
            self._markets,
            self._exchange_clock,
            self._membership.confirm if self._membership is not None else None,
        )
        self._attendance = Attendance(self._clock)
        self._switch = DeadMansSwitch(
            part.dead_mans_switch, self._desk, self._rest, self._exchange_clock, self._attendance
        )
        self._entry = OrderEntry()
        self._build_streams()
        dispatch = Dispatch(self._entry, self._rest, self._clock, self._measurements, part.post_timeout_ms)
        self._execution = Execution(
            self._markets,
            self._desk,
            self._entry,
            dispatch,
            self._budgets,
            self._fence,
            self._clock,
            self._exchange_clock,
            self._measurements,
            part.expires_in_ms,
            self._market_hub.mark_px_e8,
        )
        self._reconfigurator = Reconfigurator(
            part,
            self._markets,
            self._desk,
            self._rest,
            self._reads,
            self._budgets,
            self._switch,
            self._market_stream,
            self._account_stream,
        )
        self._key_watch = self._watch_key()
        self._configuration = Configuration(part, HOT_FIELDS, self._put_in_force)

    async def _put_in_force(self, part: GatewayPart) -> None:
        await self._reconfigurator.put_in_force(part, self._clock.monotonic_s())
        self._changed.set()

    def _open_desk(self) -> SigningDesk:
        try:
            self_check()
        except SelfCheckError as error:
            raise StartError(str(error)) from error
        signer = self._signer_with(self._identity.key)
        median_us = measure_us(signer)
        if not is_native() or median_us > _SLOW_SIGNATURE_US:
            _log.warning(
                "signing.slow", median_us=round(median_us), remedy="install the native library: pip install coincurve"
            )
        else:
            _log.info("signing.measured", median_us=round(median_us))
        metrics.SIGNER.labels(signer.address).set(1)
        return SigningDesk(signer, Nonces(self._clock, 0), self._clock, self._measurements)

    def _signer_with(self, key: SigningKey) -> Signer:
        return Signer(key, signing_source(self._part.network), self._part.vault_address)

    def _watch_key(self) -> KeyWatch | None:
        part, identity = self._part, self._identity
        if identity.key_file is None:
            return None
        return KeyWatch(
            identity.address,
            identity.key_file,
            part.key_file_group_readable,
            part.expected_signer,
            self._rest,
            self._clock,
            lambda: self._desk.signer.address,
            self._take_over,
        )

    def _take_over(self, key: SigningKey) -> None:
        metrics.SIGNER.labels(self._desk.signer.address).set(0)
        self._desk.replace_signer(self._signer_with(key))
        metrics.SIGNER.labels(key.address).set(1)
        self._signer_valid_until_ms = 0
        self._spawn(self._once(self._read_validity), "signer-validity-now")

    def _build_streams(self) -> None:
        part = self._part
        self._market_hub = MarketHub()
        self._account_hub = AccountHub()
        self._market_stream = MarketDataStream(
            part.markets,
            self._identity.address,
            self._market_hub,
            self._clock,
            part.feed_timeout_s,
            self._changed.set,
            self._exchange_clock.now_ms,
            self._markets.tick_e8,
        )
        self._listings = Listings(self._markets, self._reads, self._market_hub, self._clock)
        self._account_stream = AccountStream(
            self._identity.address,
            self._markets,
            self._account_hub,
            self._clock,
            self._exchange_clock,
            self._on_account_changed,
            self._switch.fired,
            self._membership.confirm if self._membership is not None else None,
        )

    def _on_account_changed(self) -> None:
        self._account_changed.set()
        self._changed.set()

    def register(self, server: aio.Server) -> None:
        """See Service."""
        resolver = PlacementResolver(self._desk, self._rest, self._reads, self._exchange_clock)
        gateway_pb2_grpc.add_MarketDataServiceServicer_to_server(
            MarketDataServicer(self._market_hub, self._markets), server
        )
        gateway_pb2_grpc.add_AccountServiceServicer_to_server(AccountServicer(self._account_hub), server)
        gateway_pb2_grpc.add_ExecutionServiceServicer_to_server(
            ExecutionServicer(self._execution, self._fence, resolver, self._attendance), server
        )
        gateway_pb2_grpc.add_ReferenceServiceServicer_to_server(
            ReferenceServicer(self._markets, self._listings, self._reads, self.status, self._configuration), server
        )

    async def start(self) -> None:
        """See Service."""
        for _ in range(_CLOCK_SAMPLES_AT_START):
            await preflight.patiently(self._sample_clock)
        if self._membership is not None:
            await sign_up.sign_up(self._identity, self._rest, self._clock)
            self._membership.signed_up()
            self._account_hub.account_since_ms = await sign_up.known_since_ms(self._identity, self._rest)
        await preflight.check_signer(self._identity, self._part.expected_signer, self._rest)
        self._signer_confirmed = True
        await preflight.patiently(self._read_validity)
        rules, delisted = await preflight.load_instruments(self._part.markets, self._reads)
        self._desk.nonces = Nonces(self._clock, await self._highest_nonce())
        if self._desk.nonces.lead_ms() > MAX_LEAD_MS:
            raise StartError(
                "the highest nonce used is over a day ahead of this clock; correct the clock or change the API wallet"
            )
        for leverage in self._part.leverage:
            if leverage.market in rules:
                await preflight.set_leverage(leverage, rules[leverage.market], self._desk, self._rest, self._reads)
        await preflight.patiently(self._read_limits)
        # Last: until now every plan was refused for an unknown market.
        self._markets.serve(tuple(rules), rules | delisted)
        await self._market_stream.follow(rules)
        self._spawn_all()

    def _spawn_all(self) -> None:
        part = self._part
        url = ws_url(part.api_url)
        settings = SocketSettings(url, part.ping_interval_s, part.idle_timeout_s)
        owners: dict[str, SocketOwner] = {
            "market_data": self._market_stream,
            "account": self._account_stream,
            "order_entry": self._entry,
        }
        for name, owner in owners.items():
            socket = Socket(name, settings, owner, self._budgets, self._clock, random.Random())
            self._spawn(socket.run(), name)
        self._spawn(
            keep_closed(self._account_hub, self._account_stream, self._account_changed, self._reads, self._clock),
            "gaps",
        )
        self._spawn(self._keep_time(), "clock")
        self._spawn(self._listings.run(), "listings")
        self._spawn(self._every(_LIMITS_EVERY_S, self._read_limits), "limits")
        self._spawn(self._every(_VALIDITY_EVERY_S, self._read_validity), "signer-validity")
        if self._key_watch is not None:
            self._spawn(self._key_watch.run(), "key")
        if self._membership is not None:
            self._spawn(self._membership.run(), "membership")
        self._spawn(self._keep_readiness(), "readiness")
        self._switch_task = self._spawn(self._switch.run(), "dead-mans-switch")

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._runtime.spawn(work, name=name)

    async def _highest_nonce(self) -> int:
        channel = rpc.connect(self._part.order_state_target, self._part.endpoint.tls)
        stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
        try:
            while True:
                try:
                    answer = await stub.GetHighestNonce(
                        orderstate_pb2.GetHighestNonceRequest(), timeout=rpc.PLACE_DEADLINE_S
                    )
                except aio.AioRpcError as error:
                    _log.info("nonces.waiting_for_order_state", code=error.code().name)
                    await asyncio.sleep(0.2)
                else:
                    return int(answer.nonce)
        finally:
            await channel.close()

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._once(work)

    async def _keep_time(self) -> None:
        """Measure the exchange's clock now and then, and soon when it is doubted: no storm of refused nonces."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOCK_EVERY_S):
                    await self._exchange_clock.doubted.wait()
            await self._once(self._sample_clock)
            if self._exchange_clock.is_doubted:
                await asyncio.sleep(_CLOCK_AGAIN_S)

    async def _once(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except ReadError as error:
            _log.warning("read.failed", read=error.kind, reason=error.reason)

    async def _sample_clock(self) -> None:
        await preflight.sample_clock(self._rest, self._clock, self._exchange_clock)
        metrics.CLOCK_OFFSET.set(self._exchange_clock.offset_ms / 1000)
        self._changed.set()

    async def _read_limits(self) -> None:
        limits = await self._rest.info(frames.USER_RATE_LIMIT, "userRateLimit", user=self._identity.address)
        address, now_s = self._budgets.address, self._clock.monotonic_s()
        address.observe(limits.n_requests_cap, limits.n_requests_used, now_s)
        metrics.ADDRESS_LEFT.set(address.left)
        metrics.ADDRESS_HOURS_LEFT.set(address.hours_left)
        for name, share in self._budgets.shares_used(self._entry.in_flight, now_s).items():
            metrics.RATE_LIMIT_USED.labels(name).set(share)

    async def _read_validity(self) -> None:
        self._signer_valid_until_ms = await preflight.valid_until_ms(
            self._identity.address, self._desk.signer.address, self._rest, self._clock
        )

    async def _keep_readiness(self) -> None:
        while True:
            self._changed.clear()
            reason = self._not_ready_because()
            await self._runtime.set_ready(not reason, reason)
            entry = asyncio.create_task(self._entry.changed.wait())
            other = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait((entry, other), return_when=asyncio.FIRST_COMPLETED)
            finally:
                entry.cancel()
                other.cancel()
            self._entry.changed.clear()

    def _not_ready_because(self) -> str:
        if not self._markets.is_loaded:
            return "starting"
        if abs(self._exchange_clock.offset_ms) >= MAX_CLOCK_OFFSET_MS:
            return f"clock is {self._exchange_clock.offset_ms} ms off the exchange's"
        if not self._entry.is_connected:
            return "order entry is not connected"
        if not self._account_stream.is_complete:
            return "account snapshot is not complete"
        if not self._market_stream.is_complete:
            return "market data is not subscribed"
        return ""

    def status(self) -> pb.GetStatusResponse:
        """Condition of the gateway."""
        reason = self._not_ready_because()
        status = pb.GetStatusResponse(
            ready=not reason,
            reason=reason,
            signer_address=self._desk.signer.address,
            account_address=self._identity.address,
            exchange_connected=self._account_stream.is_complete and self._market_stream.is_complete,
            signer_valid_until_ms=self._signer_valid_until_ms,
            signer_confirmed=self._signer_confirmed,
            key_refusal=self._key_watch.refusal if self._key_watch is not None else "",
            rate_limit_used_ppm=round(self._budgets.share_used(self._clock.monotonic_s()) * 1_000_000),
            address_budget_left=self._budgets.address.left,
            ip_weight_used=self._budgets.ip_weight_used(self._clock.monotonic_s()),
            dead_man_deadline_ms=self._switch.deadline_ms,
            dead_man_refusal=self._switch.refusal,
            clock_offset_ms=self._exchange_clock.offset_ms,
            highest_nonce=self._desk.nonces.highest,
            dead_man_firings_left=self._switch.firings_left,
            applied_revision=self._configuration.revision,
            actions_left=self._budgets.address.left,
            actions_left_millihours=_millihours(self._budgets.address.hours_left),
        )
        self._measurements.fill_in(status)
        return status

    async def stop(self) -> None:
        """See Service."""
        self._fence.close()
        if self._runtime.stopping.is_set():
            await self._stay()
        self._execution.shut_down()
        if self._switch_task is not None:
            self._switch_task.cancel()
        try:
            async with asyncio.timeout(_EMPTY_BOOK_DEADLINE_S):
                await self._settle_switch()
        except TimeoutError:
            _log.warning("dead_mans_switch.left_armed", reason="exchange did not answer")
        await self._rest.close()

    async def _stay(self) -> None:
        """Serve whoever takes the orders away. A book without orders, and nothing under way, needs nobody."""
        looks: list[asyncio.Task[bool]] = []

        def is_needed(waited_s: float) -> bool:
            # What was sent before the fence was closed may be in the book a moment from now.
            if not looks and self._execution.is_idle:
                looks.append(asyncio.create_task(self._is_book_empty()))
            is_empty = any(look.done() and look.result() for look in looks)
            return self._attendance.is_leaving or (waited_s < leave_taking.TOGETHER_S and not is_empty)

        try:
            await leave_taking.stay(self._runtime, is_needed, _STAY_S)
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)

    async def _is_book_empty(self) -> bool:
        try:
            return not (await self._reads.open_orders()).orders
        except ReadError:
            return False

    async def _settle_switch(self) -> None:
        try:
            resting = (await self._reads.open_orders()).orders if self._switch.deadline_ms else []
        except ReadError as error:
            _log.warning("dead_mans_switch.left_armed", reason=error.reason)
            return
        if resting:
            _log.warning("dead_mans_switch.left_armed", open_orders=len(resting))
        else:
            await self._switch.clear()


def _millihours(hours: float) -> int:
    return round(hours * 1000) if math.isfinite(hours) else 0
