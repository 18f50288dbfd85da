"""The order-entry socket: signed actions out, answers in by id, and certainty about neither.

Guarantees: a frame handed to the socket has exactly one Post, which ends with an answer or with the loss of the socket;
on a loss every open post ends at once. Answers may come in any order and after their caller stopped waiting.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from perpmaker.common import logs
from perpmaker.gateway import metrics
from perpmaker.gateway.connections.socket import Link, LossReason, SocketDownError
from perpmaker.gateway.decode import envelope_wire
from perpmaker.gateway.malformed import COMPLAINTS, UNREADABLE

_POST_ID = re.compile(r"id=(\d{1,18})(?!\d)", re.ASCII)
_STATUS = re.compile(r"[1-5]\d\d(?!\d)", re.ASCII)

_log = logs.get(__name__)


@dataclass(frozen=True, slots=True)
class Answered:
    """The exchange's answer: body of an action answer."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """The answer is an HTTP failure; 4xx means refused before processing."""

    status: int
    text: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The transport broke before an answer came; the action may have landed."""


PostResult = Answered | HttpFailure | Lost


@dataclass(frozen=True, slots=True)
class Post:
    """One action on its way."""

    id: int
    result: asyncio.Future[PostResult]


class NotConnectedError(Exception):
    """There is no open order-entry socket; nothing was written."""


class OrderEntry:
    """Owner of the order-entry socket."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._posts: dict[int, Post] = {}
        self._last_id = 0
        self.changed = asyncio.Event()
        """Set whenever the socket opens or is lost."""

    @property
    def is_connected(self) -> bool:
        """Whether a post would be written to an open socket."""
        return self._link is not None and self._link.is_open

    @property
    def in_flight(self) -> int:
        """Posts without an answer."""
        return len(self._posts)

    async def post(self, body: bytes) -> Post:
        """Write one signed action. Raises NotConnectedError when nothing was written.

        When the socket breaks while it is written to, the post is returned with its result Lost.
        """
        link = self._link
        if link is None or not link.is_open:
            raise NotConnectedError
        self._last_id += 1
        post = Post(self._last_id, asyncio.get_running_loop().create_future())
        self._posts[post.id] = post
        metrics.IN_FLIGHT.set(len(self._posts))
        try:
            await link.send(b'{"method":"post","id":%d,"request":{"type":"action","payload":%b}}' % (post.id, body))
        except SocketDownError:
            self._end(post.id, Lost())
        return post

    async def opened(self, link: Link) -> None:
        """See SocketOwner."""
        self._link = link
        self.changed.set()

    def received(self, frame: bytes, receive_ns: int) -> None:
        """See SocketOwner."""
        try:
            envelope = envelope_wire.FRAME.decode(frame)
            if envelope.channel == "post":
                self._answered(envelope_wire.POST.decode(envelope.data))
            elif envelope.channel == "error":
                self._refused(envelope_wire.TEXT.decode(envelope.data))
        except UNREADABLE as error:
            # The post it answered, if any, stays open: what is not known is found out by its timeout.
            COMPLAINTS.unreadable("order_entry", frame, error)

    def _answered(self, post: envelope_wire.PostWire) -> None:
        if post.response.type == "action":
            self._end(post.id, Answered(bytes(post.response.payload)))
            return
        text = _text_of(post.response)
        status = _STATUS.match(text)
        self._end(post.id, HttpFailure(int(status.group()) if status is not None else 500, text))

    def _refused(self, text: str) -> None:
        _log.warning("order_entry.error_frame", text=text)
        match = _POST_ID.search(text)
        if match is not None:
            self._end(int(match.group(1)), HttpFailure(429, text))

    def lost(self, reason: LossReason) -> None:
        """See SocketOwner."""
        self._link = None
        for post_id in tuple(self._posts):
            self._end(post_id, Lost())
        self.changed.set()

    def verdict(self) -> LossReason | None:
        """See SocketOwner."""
        return None

    def _end(self, post_id: int, result: PostResult) -> None:
        post = self._posts.pop(post_id, None)
        metrics.IN_FLIGHT.set(len(self._posts))
        if post is not None and not post.result.done():
            post.result.set_result(result)


def _text_of(response: envelope_wire.PostResponseWire) -> str:
    try:
        return envelope_wire.TEXT.decode(response.payload)
    except UNREADABLE:
        return bytes(response.payload).decode(errors="replace")
