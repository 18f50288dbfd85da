"""REST to the exchange: reads within the IP budget, and actions as the second way for bytes already signed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec

from perpmaker.common.clock import Clock
from perpmaker.gateway.budget import Budgets, exchange_weight, info_weight
from perpmaker.gateway.connections.order_entry import Answered, HttpFailure, Lost
from perpmaker.gateway.malformed import COMPLAINTS, UNREADABLE

_READ_TIMEOUT_S = 4.0
_LONGEST_BUDGET_WAIT_S = 2.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_JSON = {"Content-Type": "application/json"}


class ReadError(Exception):
    """A read failed; nothing is known from it."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"exchange read {kind} failed: {reason}")
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True, slots=True)
class NeverLeft:
    """No connection to the exchange could be opened, so nothing was sent."""


RestResult = Answered | HttpFailure | Lost | NeverLeft

T = TypeVar("T")


class Rest:
    """REST client of one account."""

    def __init__(self, api_url: str, budgets: Budgets, clock: Clock) -> None:
        self._base = api_url.rstrip("/")
        self._budgets = budgets
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The exchange drops connections idle for minutes; shorter keep-alive avoids writing into a closed one.
            connector = aiohttp.TCPConnector(limit=20, keepalive_timeout=30)
            self._session = aiohttp.ClientSession(connector=connector, headers=_JSON)
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def info(self, decoder: msgspec.json.Decoder[T], kind: str, **fields: object) -> T:
        """One info read. Waits briefly for the IP budget. Raises ReadError."""
        await self._take_weight(kind)
        try:
            timeout = aiohttp.ClientTimeout(total=_READ_TIMEOUT_S)
            body = msgspec.json.encode({"type": kind, **fields})
            async with self._open().post(f"{self._base}/info", data=body, timeout=timeout) as response:
                payload = await _bounded(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ReadError(kind, type(error).__name__) from error
        if status != 200:
            raise ReadError(kind, f"http_{status}")
        if payload is None:
            raise ReadError(kind, "too_large")
        try:
            answer = decoder.decode(payload)
        except UNREADABLE as error:
            COMPLAINTS.unreadable("rest", payload, error)
            raise ReadError(kind, f"malformed: {error}") from error
        if isinstance(answer, tuple):
            self._budgets.ip_weight.give_back(info_weight(kind) - info_weight(kind, len(answer)))
        return answer

    async def _take_weight(self, kind: str) -> None:
        weight = info_weight(kind)
        bucket = self._budgets.ip_weight
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + _LONGEST_BUDGET_WAIT_S
        while not bucket.take(weight, self._clock.monotonic_s()):
            if loop.time() >= deadline_s:
                raise ReadError(kind, "ip_budget")
            await asyncio.sleep(0.1)

    def admit_action(self, items: int, *, protects: bool) -> bool:
        """Take the weight of one action; what protects, cancels and the dead man's switch, is never refused."""
        now_s = self._clock.monotonic_s()
        if protects:
            self._budgets.ip_weight.take_privileged(exchange_weight(items), now_s)
            return True
        return self._budgets.ip_weight.take(exchange_weight(items), now_s)

    async def exchange(self, body: bytes, timeout_s: float) -> RestResult:
        """Send a signed action."""
        try:
            timeout = aiohttp.ClientTimeout(total=timeout_s)
            async with self._open().post(f"{self._base}/exchange", data=body, timeout=timeout) as response:
                payload = await _bounded(response)
                if payload is None:
                    return Lost()
                if response.status == 200:
                    return Answered(payload)
                return HttpFailure(response.status, payload[:200].decode(errors="replace"))
        except aiohttp.ClientConnectorError:
            return NeverLeft()
        except (aiohttp.ClientError, TimeoutError):
            return Lost()


async def _bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """Body of an answer; None when it is longer than any that the exchange gives."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _MAX_ANSWER_BYTES:
            COMPLAINTS.add("rest", "too_large", bytes(body[:1_000]), f"more than {_MAX_ANSWER_BYTES} bytes")
            return None
    return bytes(body)
