"""One WebSocket client: what it listens to, what waits to be sent, and how it ends.

Sending never blocks the venue. A client that does not read is cut off, as is one that was sent nothing for a
minute.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from aiohttp import WSMsgType, web

from perpmaker.venue.engine.limits.sockets import SocketUse
from perpmaker.venue.wire.subscriptions import Subscription

_MOST_WAITING = 20_000
_IDLE_S = 60.0
ABNORMAL = 1006
_TIMER_STEP_S = 1e-6


class Connection:
    """Outbox and subscriptions of one client."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, use: SocketUse) -> None:
        self.use = use
        self.subscriptions: set[Subscription] = set()
        self.addresses: set[str] = set()
        self.posts: set[asyncio.Task[None]] = set()
        self._request = request
        self._socket = socket
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._last_sent_s = time.monotonic()
        self._due_s: dict[str, float] = {}

    def listens_for(self, address: str) -> bool:
        users = {getattr(stream, "user", None) for stream in self.subscriptions}
        return address in self.addresses or address in users

    @property
    def ip(self) -> str:
        return self._request.remote or ""

    @property
    def is_idle(self) -> bool:
        return time.monotonic() - self._last_sent_s > _IDLE_S

    def send(self, frame: bytes, delay_ms: int = 0, lane: str = "") -> None:
        """Queue a text frame, optionally later. Frames of one lane never overtake each other."""
        now_s = self._loop.time()
        after_s = self._due_s.get(lane, 0.0)
        if delay_ms or after_s > now_s:
            # Timers of equal times may fire in any order, so every frame of a lane gets a time of its own.
            due_s = self._due_s[lane] = max(now_s + delay_ms / 1000, after_s + _TIMER_STEP_S)
            self._loop.call_at(due_s, self._enqueue, frame)
        else:
            self._enqueue(frame)

    def _enqueue(self, frame: bytes) -> None:
        if self._outbox.qsize() >= _MOST_WAITING:
            self.abort()
        else:
            self._outbox.put_nowait(frame)

    async def write_forever(self) -> None:
        """Send what is queued until the connection is gone."""
        with suppress(ConnectionError):
            while True:
                frame = await self._outbox.get()
                await self._socket.send_frame(frame, WSMsgType.TEXT)
                self._last_sent_s = time.monotonic()

    async def close(self, code: int) -> None:
        """End the connection with a close frame, or without one for the code that means exactly that."""
        if code == ABNORMAL:
            self.abort()
        else:
            with suppress(ConnectionError):
                await self._socket.close(code=code)

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()
