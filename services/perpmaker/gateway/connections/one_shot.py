"""The exchange for a command that asks it a few things and ends: no budget, no sockets, no state."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

_TIMEOUT_S: Final = 10.0
_PAUSE_S: Final = 0.1


class NoExchangeError(Exception):
    """Nobody listens at the address: nothing has left."""

    def __init__(self, base: str, cause: Exception) -> None:
        super().__init__(f"no exchange at {base}: {cause}")
        self.base = base


class NoAnswerError(Exception):
    """The request may have arrived or not."""

    def __init__(self, base: str, cause: Exception) -> None:
        super().__init__(f"exchange at {base} did not answer: {cause!r}")
        self.base = base


class OneShot:
    """Posts to one exchange."""

    def __init__(self, session: aiohttp.ClientSession, base: str, patience_s: float) -> None:
        self._session = session
        self._base = base
        self._patience_s = patience_s

    async def post(self, path: str, body: bytes) -> bytes:
        """Body of the answer, whatever its status. Raises NoExchangeError, NoAnswerError."""
        deadline_s = time.monotonic() + self._patience_s
        while True:
            try:
                async with self._session.post(self._base + path, data=body) as response:
                    return await response.read()
            except aiohttp.ClientConnectorError as error:
                if time.monotonic() >= deadline_s:
                    raise NoExchangeError(self._base, error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise NoAnswerError(self._base, error) from error
            await asyncio.sleep(_PAUSE_S)


@asynccontextmanager
async def one_shot(api_url: str, patience_s: float = 0.0) -> AsyncIterator[OneShot]:
    """Speak to the exchange at an address for a while; one that is just starting is waited for so long."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout, headers={"Content-Type": "application/json"}) as session:
        yield OneShot(session, api_url.rstrip("/"), patience_s)
