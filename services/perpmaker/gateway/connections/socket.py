"""One WebSocket to the exchange that is opened again for ever.

Guarantees: the owner hears of every loss exactly once and before anything of the next connection; a socket that says
nothing for too long, or whose owner misses its data, is dead; connects never exceed the exchange's rate, and attempts
that the exchange never answered do not use it up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass
from typing import Literal, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.protocol import State

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import metrics
from perpmaker.gateway.budget import Budgets
from perpmaker.gateway.connections.backoff import STABLE_S, reconnect_delay_s

LossReason = Literal["connect_failed", "socket_closed", "idle", "silent", "subscribe_failed"]

_PING = b'{"method":"ping"}'
_OPEN_TIMEOUT_S = 5.0
_MAX_FRAME_BYTES = 16 * 1024 * 1024

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class SocketSettings:
    """Address and heartbeat."""

    url: str
    ping_interval_s: float
    idle_timeout_s: float


class SocketDownError(Exception):
    """The frame was not handed to an open socket, or the socket broke while it was."""


class Link:
    """An open connection, as its owner sees it."""

    __slots__ = ("_socket",)

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @property
    def is_open(self) -> bool:
        """Whether a frame handed over now would be written."""
        return self._socket.state is State.OPEN

    async def send(self, frame: bytes) -> None:
        """Write one text frame. Raises SocketDownError."""
        try:
            await self._socket.send(frame, text=True)
        except (ConnectionClosed, OSError) as error:
            raise SocketDownError(str(error)) from error


class SocketOwner(Protocol):
    """What a socket is for."""

    async def opened(self, link: Link) -> None:
        """Subscribe and the like; may raise SocketDownError."""
        ...

    def received(self, frame: bytes, receive_ns: int) -> None:
        """One frame, with the monotonic time of its arrival."""
        ...

    def lost(self, reason: LossReason) -> None:
        """The connection is gone."""
        ...

    def verdict(self) -> LossReason | None:
        """Why the connection should be given up although it is open, or None."""
        ...


class Socket:
    """The connection and its heartbeat."""

    def __init__(
        self,
        name: str,
        settings: SocketSettings,
        owner: SocketOwner,
        budgets: Budgets,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._name = name
        self._settings = settings
        self._owner = owner
        self._budgets = budgets
        self._clock = clock
        self._rng = rng
        self._last_inbound_s = 0.0
        self._given_up: LossReason | None = None

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        attempt = 0
        while True:
            await asyncio.sleep(self._budgets.connects.reserve_s(1, self._clock.monotonic_s()))
            begun_s = self._clock.monotonic_s()
            reason = await self._live()
            metrics.CONNECTED.labels(self._name).set(0)
            metrics.RECONNECTS.labels(self._name, reason).inc()
            _log.warning("socket.lost", socket=self._name, reason=reason)
            self._owner.lost(reason)
            if self._clock.monotonic_s() - begun_s > STABLE_S and reason != "connect_failed":
                attempt = 0
            await asyncio.sleep(reconnect_delay_s(attempt, self._rng.random()))
            attempt += 1

    async def _live(self) -> LossReason:
        try:
            socket = await connect(
                self._settings.url,
                compression=None,
                ping_interval=None,
                open_timeout=_OPEN_TIMEOUT_S,
                close_timeout=1,
                max_size=_MAX_FRAME_BYTES,
                max_queue=None,
                proxy=None,
            )
        except (OSError, TimeoutError, WebSocketException) as error:
            if not _was_counted(error):
                self._budgets.connects.give_back(1)
            _log.info("socket.connect_failed", socket=self._name, url=self._settings.url, error=str(error))
            return "connect_failed"
        self._given_up = None
        self._last_inbound_s = self._clock.monotonic_s()
        heartbeat = asyncio.create_task(self._heartbeat(socket), name=f"heartbeat-{self._name}")
        try:
            metrics.CONNECTED.labels(self._name).set(1)
            _log.info("socket.opened", socket=self._name)
            await self._owner.opened(Link(socket))
            while True:
                frame = await socket.recv(decode=False)
                receive_ns = self._clock.monotonic_ns()
                self._last_inbound_s = receive_ns / 1e9
                self._owner.received(frame, receive_ns)
        except (ConnectionClosed, SocketDownError):
            return self._given_up or "socket_closed"
        finally:
            heartbeat.cancel()
            socket.transport.abort()
            with contextlib.suppress(asyncio.CancelledError):
                await heartbeat

    async def _heartbeat(self, socket: ClientConnection) -> None:
        settings = self._settings
        tick_s = min(0.5, settings.ping_interval_s / 2, settings.idle_timeout_s / 4)
        last_ping_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(tick_s)
            now_s = self._clock.monotonic_s()
            metrics.LAST_MESSAGE.labels(self._name).set(self._clock.now_ms() / 1000 - (now_s - self._last_inbound_s))
            if now_s - self._last_inbound_s > settings.idle_timeout_s:
                self._give_up(socket, "idle")
                return
            verdict = self._owner.verdict()
            if verdict is not None:
                self._give_up(socket, verdict)
                return
            if now_s - last_ping_s >= settings.ping_interval_s:
                last_ping_s = now_s
                try:
                    async with asyncio.timeout(settings.idle_timeout_s):
                        await socket.send(_PING, text=True)
                except TimeoutError:
                    self._give_up(socket, "idle")
                    return
                except ConnectionClosed:
                    return

    def _give_up(self, socket: ClientConnection, reason: LossReason) -> None:
        self._given_up = reason
        socket.transport.abort()


def _was_counted(error: Exception) -> bool:
    """Whether the exchange has seen an attempt that failed; one that ended on the way, or at a gateway before it (5xx),
    has not reached the counter of its connections."""
    return isinstance(error, InvalidStatus) and error.response.status_code < 500
