"""gRPC as the services use it: channels that reconnect fast, streams that say when they were lost, deadlines by name.

Addresses are `host:port` or `unix:/path`. A lost stream is an event, never an exception that escapes: the owner is told
(`on_lost`), and the stream is opened again with a short, growing pause.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc
from grpc import aio

from perpmaker.common import logs
from perpmaker.common.secure_channel import SecureChannel
from perpmaker.common.tls import Tls

PLACE_DEADLINE_S: Final = 2.0
CANCEL_DEADLINE_S: Final = 1.0
CONFIG_DEADLINE_S: Final = 3.0
HEALTH_DEADLINE_S: Final = 0.5
READ_DEADLINE_S: Final = 5.0
"""Reads that the gateway forwards to the exchange."""

_FIRST_RETRY_S = 0.05
_MAX_RETRY_S = 1.0

BEAT_S: Final = 1.0
"""Signs of life on a stream whose other end counts its callers come this often."""

# Both ends ask after a peer that went silent without closing its connection. gRPC answers on threads of its own: an
# event loop that stalls loses no connection.
_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 2_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    # Without this a ping is waited for a minute, whatever the line above says.
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
)
_CHANNEL_OPTIONS: Final = (
    ("grpc.initial_reconnect_backoff_ms", 50),
    # Despite its name this bounds one attempt, handshakes included: a peer on a busy
    # machine needs more than the pause; one whose address is dead costs as much before the next is tried.
    ("grpc.min_reconnect_backoff_ms", 1_500),
    ("grpc.max_reconnect_backoff_ms", 500),
    *_KEEPALIVE,
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Channels of one process to one address would otherwise share a connection and its flow control.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)
SERVER_OPTIONS: Final = (
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    # Below the interval of our own callers, whose pings would otherwise count as an attack.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    *_KEEPALIVE,
    ("grpc.max_send_message_length", 64 * 1024 * 1024),
)

_log = logs.get(__name__)

Request_contra = TypeVar("Request_contra", contravariant=True)
Response_co = TypeVar("Response_co", covariant=True)
Message = TypeVar("Message")
Sent = TypeVar("Sent")


def connect(target: str, tls: Tls | None = None, *, server_name: str | None = None) -> aio.Channel:
    """Open a channel; nothing is sent until the first call. Plaintext without `tls`.

    `server_name` is the name that the server's certificate must carry when the target is not it, as behind a forwarded
    port. Raises TlsError when the files of `tls` cannot be used.
    """
    if tls is None:
        return aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
    name = () if server_name is None else (("grpc.ssl_target_name_override", server_name),)
    return SecureChannel(
        tls, lambda credentials: aio.secure_channel(target, credentials, options=(*_CHANNEL_OPTIONS, *name))
    )


class ReadableCall(Protocol[Response_co]):
    """A call whose messages can be read one at a time."""

    async def read(self) -> Any:
        """Next message, or grpc.aio.EOF."""
        ...

    def cancel(self) -> bool:
        """End the call."""
        ...


class DuplexCall(ReadableCall[Response_co], Protocol[Request_contra, Response_co]):
    """A bidirectional call."""

    async def write(self, request: Request_contra) -> None:
        """Send one message."""
        ...


class StreamDownError(Exception):
    """A message could not be handed to the stream because it is down; it was not sent."""

    def __init__(self, name: str) -> None:
        super().__init__(f"stream {name} is down")
        self.name = name


def _why(error: aio.AioRpcError) -> str:
    return f"{error.code().name.lower()}: {error.details() or ''}".rstrip(": ")


class _Backoff:
    def __init__(self) -> None:
        self._next_s = _FIRST_RETRY_S

    def reset(self) -> None:
        self._next_s = _FIRST_RETRY_S

    async def pause(self) -> None:
        await asyncio.sleep(self._next_s)
        self._next_s = min(self._next_s * 2, _MAX_RETRY_S)


async def follow(
    name: str,
    open_call: Callable[[], ReadableCall[Message]],
    on_message: Callable[[Message], None],
    *,
    on_lost: Callable[[str], None] | None = None,
) -> None:
    """Read a server stream for ever, opening it again whenever it ends.

    `on_message` is called in order and must not block. `on_lost` is called once for each time the stream was lost, with
    the reason, also when it could not be opened at the first try.
    """
    backoff = _Backoff()
    told = False
    while True:
        call = open_call()
        reason = "ended"
        try:
            while True:
                message = await call.read()
                if message is aio.EOF:
                    break
                if told:
                    _log.info("stream.up", stream=name)
                told = False
                backoff.reset()
                on_message(message)
        except aio.AioRpcError as error:
            reason = _why(error)
        finally:
            call.cancel()
        if not told:
            told = True
            _log.warning("stream.lost", stream=name, reason=reason)
            if on_lost is not None:
                on_lost(reason)
        await backoff.pause()


class Duplex(Generic[Sent, Message]):
    """A bidirectional stream that is opened again for ever.

    Writes are serialised and fail at once while the stream is down; nothing is ever queued for a stream to come, since
    the world may have changed by then.
    """

    def __init__(
        self,
        name: str,
        open_call: Callable[[], DuplexCall[Sent, Message]],
        on_message: Callable[[Message], None],
        *,
        on_up: Callable[[], None] | None = None,
        on_lost: Callable[[str], None] | None = None,
        connected: Callable[[], Awaitable[None]] | None = None,
        sign_of_life: Callable[[], Sent] | None = None,
    ) -> None:
        """`connected` is awaited before the stream counts as up (e.g. the channel's readiness). `sign_of_life` makes
        the message that is sent as soon as the stream is up and every BEAT_S from then on.
        """
        self._name = name
        self._open = open_call
        self._on_message = on_message
        self._on_up = on_up
        self._on_lost = on_lost
        self._connected = connected
        self._sign_of_life = sign_of_life
        self._call: DuplexCall[Sent, Message] | None = None
        self._write_lock = asyncio.Lock()

    @property
    def is_up(self) -> bool:
        """Whether a write has a stream to go to."""
        return self._call is not None

    async def write(self, message: Sent) -> None:
        """Hand one message to the stream. Raises StreamDownError when it is down or goes down meanwhile.

        After an error it is not known whether the other side received the message.
        """
        call = self._call
        if call is None:
            raise StreamDownError(self._name)
        try:
            async with self._write_lock:
                await call.write(message)
        except (aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise StreamDownError(self._name) from error

    async def show_life(self) -> None:
        """Send a sign of life now, if the stream is up."""
        if self._sign_of_life is not None:
            with contextlib.suppress(StreamDownError):
                await self.write(self._sign_of_life())

    async def _beat(self) -> None:
        while True:
            await self.show_life()
            await asyncio.sleep(BEAT_S)

    async def run(self) -> None:
        """Keep the stream open until cancelled."""
        backoff = _Backoff()
        while True:
            reason = "ended"
            beating: asyncio.Task[None] | None = None
            call: DuplexCall[Sent, Message] | None = None
            was_up = False
            try:
                if self._connected is not None:
                    await self._connected()
                call = self._open()
                self._call = call
                was_up = True
                if self._on_up is not None:
                    self._on_up()
                if self._sign_of_life is not None:
                    beating = asyncio.create_task(self._beat(), name=f"{self._name}-beat")
                while True:
                    message = await call.read()
                    if message is aio.EOF:
                        break
                    backoff.reset()
                    self._on_message(message)
            except aio.AioRpcError as error:
                reason = _why(error)
            finally:
                self._call = None
                if call is not None:
                    call.cancel()
                if beating is not None:
                    beating.cancel()
            if was_up:
                _log.warning("stream.lost", stream=self._name, reason=reason)
                if self._on_lost is not None:
                    self._on_lost(reason)
            await backoff.pause()


async def ready(channel: aio.Channel) -> None:
    """Wait until the channel is connected."""
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
