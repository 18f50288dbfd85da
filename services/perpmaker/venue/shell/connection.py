"""One WebSocket client: what it listens to, what waits to be sent, and how it ends.

Sending never blocks the venue. A client that does not read is cut off, as is one that was sent nothing for a
minute.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

from perpmaker.venue.engine.limits.sockets import SocketUse
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import HalfOpen, IdleClose, SlowConsumer
from perpmaker.venue.faults.timeline import Timeline
from perpmaker.venue.wire.subscriptions import Subscription

_MOST_WAITING = 20_000
_IDLE_MS = 60_000
ABNORMAL = 1006


class Connection:
    """Outbox and subscriptions of one client."""

    def __init__(
        self, request: web.Request, socket: web.WebSocketResponse, use: SocketUse, board: Board, timeline: Timeline
    ) -> None:
        self.use = use
        self.subscriptions: set[Subscription] = set()
        self.addresses: set[str] = set()
        self.posts: set[asyncio.Task[None]] = set()
        self._request = request
        self._socket = socket
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.lanes_ms: dict[str, int] = {}
        self._board = board
        self._timeline = timeline
        self._last_sent_ms = timeline.now_ms
        self._allowance: int | None = None
        self._refilled = asyncio.Event()

    def listens_for(self, address: str) -> bool:
        users = {getattr(stream, "user", None) for stream in self.subscriptions}
        return address in self.addresses or address in users

    @property
    def ip(self) -> str:
        return self._request.remote or ""

    @property
    def is_idle(self) -> bool:
        early = self._board.holding(IdleClose, "", self.concerned) if self._board.armed else None
        idle_ms = self._timeline.now_ms - self._last_sent_ms
        if early is not None and idle_ms > early.after_ms:
            return self._board.strike(IdleClose, "", self.concerned) is not None
        return idle_ms > _IDLE_MS

    @property
    def concerned(self) -> set[str]:
        """Addresses it listens or acts for."""
        users = {getattr(stream, "user", None) for stream in self.subscriptions}
        return self.addresses | {user for user in users if user is not None}

    def send(self, frame: bytes) -> None:
        """Queue a text frame."""
        if self._board.armed and self._board.strike(HalfOpen, "", self.concerned):
            return
        if self._outbox.qsize() >= _MOST_WAITING:
            self.abort()
        else:
            self._outbox.put_nowait(frame)

    async def write_forever(self) -> None:
        """Send what is queued until the connection is gone."""
        with suppress(ConnectionError):
            while True:
                frame = await self._outbox.get()
                while self._allowance is not None and self._allowance <= 0:
                    self._refilled.clear()
                    await self._refilled.wait()
                if self._allowance is not None:
                    self._allowance -= 1
                await self._socket.send_frame(frame, WSMsgType.TEXT)
                self._last_sent_ms = self._timeline.now_ms

    def pace(self) -> None:
        """After a block: say how many frames may go out before the next."""
        slow = self._board.strike(SlowConsumer, "", self.concerned) if self._board.armed else None
        if slow is None and self._allowance is None:
            return
        self._allowance = None if slow is None else slow.frames_per_block
        self._refilled.set()
        if slow is not None and self._outbox.qsize() >= slow.most_waiting:
            self.abort()

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
