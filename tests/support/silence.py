"""A way between two peers that can be cut without either being told: nothing passes, and no connection is closed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Way:
    """Forwards connections to a port until it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.met = 0
        """Connections taken so far."""

    def cut(self) -> None:
        """Let nothing pass any more."""
        self._open.clear()

    def mend(self) -> None:
        """Let everything pass again, what was held back included."""
        self._open.set()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection."""
        self.met += 1
        await self._open.wait()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._port)
        for pump in (self._pump(reader, inner_writer), self._pump(inner_reader, writer)):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(2**16):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            await self._open.wait()
        writer.close()

    async def close(self) -> None:
        """End all connections."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def way_to(port: int) -> AsyncIterator[tuple[Way, int]]:
    """A way to a port of this machine, and the port at which it begins."""
    way = Way(port)
    server = await asyncio.start_server(way.meet, "127.0.0.1", 0)
    try:
        yield way, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await way.close()
