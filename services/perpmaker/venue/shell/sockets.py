"""The WebSocket endpoint: subscriptions, posts, and publishing blocks to those who listen.

Each message is encoded once, whatever the number of listeners.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import msgspec
from aiohttp import WSMsgType, web

from perpmaker.venue.core import Block
from perpmaker.venue.faults.switches import HalfOpen, MixBooks, RefuseConnect, WithholdPong
from perpmaker.venue.shell.connection import ABNORMAL, Connection
from perpmaker.venue.shell.courier import Courier
from perpmaker.venue.shell.crowd import Crowding
from perpmaker.venue.shell.desk import Desk, LostError
from perpmaker.venue.shell.ordinary_books import OrdinaryBooks
from perpmaker.venue.views.stream import Frame, Streams, is_offered, snapshot
from perpmaker.venue.wire.decode import UnreadableError
from perpmaker.venue.wire.subscriptions import (
    L2Book,
    Ping,
    Post,
    Request,
    Subscribe,
    Subscription,
    Unsubscribe,
    decode_request,
    decode_subscription,
)

UNPARSABLE = "Error parsing JSON into valid websocket request: {echo}"
INVALID_SUBSCRIPTION = "Invalid subscription {subscription}"
ALREADY_SUBSCRIBED = "Already subscribed: {subscription}"
ALREADY_UNSUBSCRIBED = "Already unsubscribed: {subscription}"
_MAX_MESSAGE = 4 * 2**20
_encode = msgspec.json.encode


def _frame(channel: str, data: object) -> bytes:
    return _encode({"channel": channel, "data": data})


def _compact(raw: msgspec.Raw) -> str:
    """JSON without spaces, so that a client finds its own request in an error text."""
    try:
        return json.dumps(json.loads(bytes(raw)), separators=(",", ":"))
    except ValueError:
        return bytes(raw).decode(errors="replace")


def _user_of(stream: Subscription) -> str | None:
    user: str | None = getattr(stream, "user", None)
    return user


class Sockets:
    """All WebSocket clients of the venue."""

    def __init__(self, desk: Desk, streams: Streams) -> None:
        self._desk = desk
        self._streams = streams
        self._courier = Courier(desk.board, desk.timeline)
        self._crowding = Crowding(desk.board)
        self._ordinary = OrdinaryBooks(desk.venue, streams.book_ms)
        # Dictionaries in place of sets: in order of arrival, so that faults fall on the same clients every time.
        self._connections: dict[Connection, None] = {}
        self._listeners: dict[Subscription, dict[Connection, None]] = {}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client until it leaves."""
        refused = self._desk.board.strike(RefuseConnect, "ws")
        if refused is not None:
            if request.transport is not None and not refused.status:
                request.transport.abort()
            return web.Response(status=refused.status or 503)
        use = self._desk.doors.use_of(request)
        if self._crowding.is_full() or not use.connect(self._desk.venue.state.now_ms):
            return web.Response(status=429, text="null", content_type="application/json")
        try:
            socket = web.WebSocketResponse(compress=False, max_msg_size=_MAX_MESSAGE)
            await socket.prepare(request)
            return await self._serve(Connection(request, socket, use, self._desk.board, self._desk.timeline), socket)
        finally:
            use.leave()

    async def _serve(self, connection: Connection, socket: web.WebSocketResponse) -> web.WebSocketResponse:
        self._connections[connection] = None
        writer = asyncio.create_task(connection.write_forever())
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    self._receive(connection, data.encode() if isinstance(data, str) else data)
        finally:
            self._forget(connection)
            writer.cancel()
            for post in connection.posts:
                post.cancel()
            with suppress(asyncio.CancelledError):
                await writer
        return socket

    def publish(self, block: Block) -> None:
        """Tell every listener what the block did."""
        self._courier.release()
        for stream, frame in self._streams.messages(block, self._listeners):
            encoded = _frame(frame.channel, frame.data)
            user = getattr(stream, "user", None)
            latency_ms = self._desk.latencies.draw_ms(frame.channel)
            for connection in self._listeners[stream]:
                self._courier.deliver(connection, frame.channel, encoded, user, latency_ms)
                if self._desk.board.armed and isinstance(stream, L2Book) and stream.fast is True:
                    self._mix(connection, stream.coin)
        for connection in self._connections:
            connection.pace()

    def _mix(self, connection: Connection, coin: str) -> None:
        if self._desk.board.strike(MixBooks, "l2Book", connection.concerned):
            connection.send(_frame("l2Book", self._ordinary.of(coin)))

    async def disconnect(self, address: str | None, code: int) -> int:
        """Cut the connections of one address, or all. Returns how many."""
        chosen = [c for c in self._connections if address is None or c.listens_for(address)]
        for connection in chosen:
            await connection.close(code)
        return len(chosen)

    def drop_idle(self) -> None:
        """Cut off clients to whom nothing was sent for a minute."""
        for connection in [c for c in self._connections if c.is_idle]:
            connection.abort()

    async def close(self) -> None:
        for connection in list(self._connections):
            await connection.close(1001)

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        for stream in connection.subscriptions:
            connection.use.unsubscribe(_user_of(stream))
            self._unlisten(stream, connection)

    def _unlisten(self, stream: Subscription, connection: Connection) -> None:
        listeners = self._listeners[stream]
        listeners.pop(connection, None)
        if not listeners:
            del self._listeners[stream]
            self._streams.forget(stream)

    def _receive(self, connection: Connection, text: bytes) -> None:
        board = self._desk.board
        if board.armed and board.strike(HalfOpen, "", connection.concerned):
            return
        crowded = self._crowding.refusal(connection, "messages")
        if refusal := crowded or connection.use.message(self._desk.venue.state.now_ms):
            connection.send(_frame("error", refusal))
            return
        request: Request | None = decode_request(text)
        match request:
            case None:
                echo = text.decode(errors="replace")
                connection.send(_frame("error", UNPARSABLE.format(echo=echo)))
            case Ping() if board.armed and board.strike(WithholdPong, "", connection.concerned):
                pass
            case Ping():
                connection.send(b'{"channel":"pong"}')
            case Subscribe(raw):
                self._subscribe(connection, raw)
            case Unsubscribe(raw):
                self._unsubscribe(connection, raw)
            case Post():
                self._post(connection, request)

    def _wanted(self, connection: Connection, raw: msgspec.Raw) -> Subscription | None:
        stream = decode_subscription(raw)
        if stream is not None and is_offered(self._desk.venue, stream):
            return stream
        connection.send(_frame("error", INVALID_SUBSCRIPTION.format(subscription=_compact(raw))))
        return None

    def _subscribe(self, connection: Connection, raw: msgspec.Raw) -> None:
        stream = self._wanted(connection, raw)
        if stream is None:
            return
        if stream in connection.subscriptions:
            connection.send(_frame("error", ALREADY_SUBSCRIBED.format(subscription=_encode(stream).decode())))
            return
        crowded = self._crowding.of_subscription(connection, _user_of(stream))
        if refusal := crowded or connection.use.subscribe(_user_of(stream)):
            connection.send(_frame("error", refusal))
            return
        connection.subscriptions.add(stream)
        self._listeners.setdefault(stream, {})[connection] = None
        if (user := _user_of(stream)) is not None:
            self._desk.venue.admission.announced.add(user)
        echo = {"method": "subscribe", "subscription": stream}
        connection.send(_frame("subscriptionResponse", echo))
        first: Frame | None = snapshot(self._desk.venue, stream)
        if first is not None:
            latency_ms = self._desk.latencies.draw_ms(first.channel)
            self._courier.deliver(connection, first.channel, _frame(first.channel, first.data), user, latency_ms)

    def _unsubscribe(self, connection: Connection, raw: msgspec.Raw) -> None:
        stream = self._wanted(connection, raw)
        if stream is None:
            return
        if stream not in connection.subscriptions:
            connection.send(_frame("error", ALREADY_UNSUBSCRIBED.format(subscription=_encode(stream).decode())))
            return
        connection.subscriptions.discard(stream)
        connection.use.unsubscribe(_user_of(stream))
        self._unlisten(stream, connection)
        echo = {"method": "unsubscribe", "subscription": stream}
        connection.send(_frame("subscriptionResponse", echo))

    def _post(self, connection: Connection, post: Post) -> None:
        if refusal := self._crowding.refusal(connection, "posts", post.id) or connection.use.post(post.id):
            connection.send(_frame("error", refusal))
            return
        task = asyncio.create_task(self._answer(connection, post))
        connection.posts.add(task)
        task.add_done_callback(connection.posts.discard)
        task.add_done_callback(lambda _: connection.use.answered())

    async def _answer(self, connection: Connection, post: Post) -> None:
        ip = connection.ip if self._desk.doors.rest.rules.posts_count else None
        try:
            if post.request.type == "info":
                kind, value = await self._desk.info(post.request.payload, ip, door="ws_post")
                response: dict[str, object] = {"type": "info", "payload": {"type": kind, "data": value}}
            else:
                payload = await self._desk.act(post.request.payload, connection.addresses, ip=ip, door="ws_post")
                response = {"type": "action", "payload": payload}
        except LostError:
            return
        except UnreadableError as refused:
            response = {"type": "error", "payload": f"{refused.status} {refused.text}"}
        connection.send(_frame("post", {"id": post.id, "response": response}))


__all__ = ["ABNORMAL", "Sockets"]
