"""A channel whose certificate changes: every reconnection uses what the files hold then.

gRPC ties a channel to the credentials it was made with. This one stands in front of such a channel and puts another in
its place when the files have changed and the connection is not up. A connection that is up is used on: nobody looks at
its certificate again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

import grpc
from grpc import ChannelConnectivity, aio

from perpmaker.common.certificate_files import CertificateFiles
from perpmaker.common.tls import Credentials, Tls

_LOOK_EVERY_S: Final = 0.5
"""How often a channel that waits for a connection looks at its files."""

Open = Callable[[grpc.ChannelCredentials], aio.Channel]


@dataclass(slots=True, eq=False)
class _Connection:
    channel: aio.Channel
    credentials: Credentials
    live_calls: int = 0
    replaced: asyncio.Event = field(default_factory=asyncio.Event)


class _Method:
    """A method of a stub: follows the channel from one connection to the next."""

    def __init__(self, owner: SecureChannel, kind: str, name: str, how: dict[str, Any]) -> None:
        self._owner = owner
        self._kind = kind
        self._name = name
        self._how = how
        self._bound_to: _Connection | None = None
        self._bound: Callable[..., Any] = self.__call__

    def __call__(self, *args: Any, **options: Any) -> Any:
        # A call that waits for a connection would wait with the certificate of now.
        options.pop("wait_for_ready", None)
        connection = self._owner.connection()
        if connection is not self._bound_to:
            self._bound = getattr(connection.channel, self._kind)(self._name, **self._how)
            self._bound_to = connection
        call = self._bound(*args, **options)
        self._owner.count(connection, call)
        return call


class SecureChannel(aio.Channel):
    """A channel with mutual TLS. `wait_for_ready` is ignored: wait for the channel instead (`rpc.ready`)."""

    def __init__(self, tls: Tls, open_channel: Open) -> None:
        """Raises TlsError."""
        self._files = CertificateFiles(tls)
        self._open = open_channel
        self._connection = self._connect(self._files.newest())
        self._replaced: set[_Connection] = set()
        self._closing: set[asyncio.Task[None]] = set()

    def _connect(self, credentials: Credentials) -> _Connection:
        return _Connection(self._open(credentials.for_channel()), credentials)

    def connection(self) -> _Connection:
        """What the next call uses."""
        now = self._connection
        if now.channel.get_state() not in (ChannelConnectivity.READY, ChannelConnectivity.SHUTDOWN):
            newest = self._files.newest()
            if newest is not now.credentials:
                self._connection = self._connect(newest)
                self._replaced.add(now)
                now.replaced.set()
                self._close_unused(now)
        return self._connection

    def count(self, connection: _Connection, call: aio.Call) -> None:
        """Keep the connection while the call lasts: closing it would cancel the call."""
        connection.live_calls += 1

        def ended(_call: object) -> None:
            connection.live_calls -= 1
            self._close_unused(connection)

        call.add_done_callback(ended)

    def _close_unused(self, connection: _Connection) -> None:
        if connection in self._replaced and connection.live_calls == 0:
            self._replaced.remove(connection)
            closing = asyncio.ensure_future(connection.channel.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def close(self, grace: float | None = None) -> None:
        """End calls after `grace` seconds and close the connection."""
        connections = (self._connection, *self._replaced)
        self._replaced.clear()
        await asyncio.gather(*(connection.channel.close(grace) for connection in connections), *self._closing)

    async def __aenter__(self) -> SecureChannel:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> ChannelConnectivity:
        """State of the connection that the next call would use."""
        return self.connection().channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: ChannelConnectivity) -> None:
        """Return when the state differs, or the connection is another."""
        connection = self._connection
        changed = asyncio.ensure_future(connection.channel.wait_for_state_change(last_observed_state))
        replaced = asyncio.ensure_future(connection.replaced.wait())
        try:
            while not (changed.done() or replaced.done()):
                await asyncio.wait((changed, replaced), timeout=_LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                # Attempts that fail change no state, so the files are looked at by the clock.
                self.connection()
        finally:
            replaced.cancel()
            changed.cancel()
            outcome = await asyncio.gather(changed, return_exceptions=True)
        # A connection that was replaced may be closed by now, which is no news.
        if not connection.replaced.is_set() and isinstance(outcome[0], BaseException):
            raise outcome[0]

    async def channel_ready(self) -> None:
        """Wait until the channel is connected."""
        while (state := self.get_state(try_to_connect=True)) is not ChannelConnectivity.READY:
            await self.wait_for_state_change(state)

    def _method(self, kind: str, name: str, how: dict[str, Any]) -> Any:
        return _Method(self, kind, name, how)

    def unary_unary(self, method: str, *args: Any, **how: Any) -> Any:
        """Method of a stub."""
        return self._method("unary_unary", method, _named(args, how))

    def unary_stream(self, method: str, *args: Any, **how: Any) -> Any:
        """Method of a stub."""
        return self._method("unary_stream", method, _named(args, how))

    def stream_unary(self, method: str, *args: Any, **how: Any) -> Any:
        """Method of a stub."""
        return self._method("stream_unary", method, _named(args, how))

    def stream_stream(self, method: str, *args: Any, **how: Any) -> Any:
        """Method of a stub."""
        return self._method("stream_stream", method, _named(args, how))


def _named(args: tuple[Any, ...], how: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(("request_serializer", "response_deserializer"), args, strict=False)), **how}
