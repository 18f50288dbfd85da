"""The store: one round trip per write, atomic, fenced by owner and by session epoch.

Works with any server that has Functions (Redis 7.0, Valkey). A call either returns what the store decided or raises
StoreDownError; after the latter it is not known whether the write happened, and every write may be repeated.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import hiredis
import msgspec
import redis.asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from perpmaker.api.parts import RedisCredentials
from perpmaker.common import logs
from perpmaker.common.redis_credentials import FileCredentials
from perpmaker.order_state import metrics
from perpmaker.order_state.core.ledger import Entry
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.store import records
from perpmaker.order_state.store.keys import Keys
from perpmaker.order_state.store.records import JournalLine, Replay, Write

_FUNCTIONS: Final = Path(__file__).with_name("functions.lua")
_TIMEOUT_S: Final = 0.25
_REPLAY_TIMEOUT_S: Final = 10.0
_JOURNAL_LENGTH: Final = 200_000
_ARCHIVE_S: Final = 3_600
_PAGE: Final = 2_000
_SYNC_TIMEOUT_MS: Final = 1_000

_log = logs.get(__name__)


class StoreDownError(Exception):
    """The store did not answer; whether it did what was asked is not known."""


class FencedError(Exception):
    """A newer session of the market exists."""

    def __init__(self, newest: int) -> None:
        super().__init__(f"newest session is {newest}")
        self.newest = newest


class DuplicateError(Exception):
    """Orders of a new intent exist already."""

    def __init__(self, cloids: tuple[str, ...]) -> None:
        super().__init__(f"known already: {', '.join(cloids)}")
        self.cloids = cloids


class StaleError(Exception):
    """The store's version of an order is not the one this writer knew: the store lost writes, or has another writer."""

    def __init__(self, cloid: str, stored_version: int) -> None:
        super().__init__(f"{cloid} is at version {stored_version} in the store")
        self.cloid = cloid
        self.stored_version = stored_version


class LostError(Exception):
    """The store has no record of its owner: it lost its data."""


class DisownedError(Exception):
    """Another process took the account's orders over; this one must end."""

    def __init__(self, holder: int) -> None:
        super().__init__(f"generation {holder} owns the orders now")
        self.holder = holder


def _refusal(reply: Sequence[bytes]) -> Exception | None:
    word, facts = reply[0], reply[1:]
    match word:
        case b"OK":
            return None
        case b"FENCED":
            return FencedError(int(facts[0]))
        case b"DUPLICATE":
            return DuplicateError(tuple(cloid.decode() for cloid in facts))
        case b"STALE":
            return StaleError(facts[0].decode(), int(facts[1]))
        case b"LOST":
            return LostError()
        case b"DISOWNED":
            return DisownedError(int(facts[0]))
        case _:
            raise StoreDownError(f"unexpected reply {word!r}")


class _Connection(aioredis.Connection):
    """Packs commands in C: a write of ten orders has some hundred arguments."""

    def pack_command(self, *args: Any) -> list[bytes]:
        return [hiredis.pack_command(args)]


class _Client:
    """A client with one deadline around each call.

    The library's own timeouts are not used: it writes under `asyncio.wait_for`, which before Python 3.12 costs a task
    for each write and can swallow a cancellation.
    """

    def __init__(self, url: str, timeout_s: float, credentials: RedisCredentials | None) -> None:
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": None}
        if credentials is not None:
            options["credential_provider"] = FileCredentials(credentials.user, credentials.password_file)
        if url.startswith("redis://"):
            options["connection_class"] = _Connection
        self._redis = aioredis.Redis.from_pool(aioredis.ConnectionPool.from_url(url, **options))
        self._timeout_s = timeout_s

    async def execute(self, *command: Any, on: aioredis.Redis | None = None) -> Any:
        """One command, on a connection of the caller's or on any. Raises RedisError, OSError."""
        async with asyncio.timeout(self._timeout_s):
            return await (on or self._redis).execute_command(*command)  # type: ignore[no-untyped-call]

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[aioredis.Redis]:
        """One connection for several commands. Raises RedisError, OSError."""
        async with asyncio.timeout(self._timeout_s):
            client = await self._redis.client().initialize()
        try:
            yield client
        finally:
            await client.aclose()

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()


class Store:
    """Order truth of one account in Redis."""

    def __init__(self, url: str, account: str, credentials: RedisCredentials | None = None) -> None:
        """`credentials` stand for user and password of the URL, which then has none."""
        self._keys = Keys(account)
        self._commit_keys = tuple(
            key.encode()
            for key in (
                self._keys.meta,
                self._keys.epochs,
                self._keys.live,
                self._keys.journal,
                self._keys.ledger,
                self._keys.ledger_keys,
                self._keys.totals,
            )
        )
        self._client = _Client(url, _TIMEOUT_S, credentials)
        self._patient = _Client(url, _REPLAY_TIMEOUT_S, credentials)
        self.generation = 0

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()
        await self._patient.close()

    async def _ask(self, client: _Client, *command: Any, on: aioredis.Redis | None = None) -> Any:
        started = time.perf_counter()
        try:
            return await client.execute(*command, on=on)
        except (RedisError, OSError) as error:
            raise StoreDownError(str(error) or type(error).__name__) from error
        finally:
            # Of a function call its name, of any other command the command.
            metrics.redis_seconds(str(command[1 if command[0] == "FCALL" else 0]), time.perf_counter() - started)

    async def _call(self, name: str, keys: Sequence[bytes | str], *args: bytes | str | int) -> Sequence[bytes]:
        reply = cast("Sequence[bytes]", await self._ask(self._client, "FCALL", name, len(keys), *keys, *args))
        refusal = _refusal(reply)
        if refusal is not None:
            raise refusal
        return reply

    async def open(self) -> None:
        """Load the functions and take the keys over from any earlier process. Raises StoreDownError."""
        await self._load_functions()
        generation = await self._ask(self._client, "FCALL", "pm_own", 1, self._keys.meta)
        self.generation = int(generation)

    async def reopen(self, epochs: Mapping[str, int]) -> bool:
        """After an outage: load the functions again and make sure that the keys are still ours.

        Returns whether the store had lost its data. Raises StoreDownError, DisownedError.
        """
        await self._load_functions()
        pairs = [fact for pair in epochs.items() for fact in pair]
        reply = await self._call("pm_reown", (self._keys.meta, self._keys.epochs), self.generation, *pairs)
        return reply[1] == b"1"

    async def ping(self) -> None:
        """Ask for a sign of life. Raises StoreDownError."""
        await self._ask(self._client, "PING")

    async def _load_functions(self) -> None:
        await self._ask(self._client, "FUNCTION", "LOAD", "REPLACE", _FUNCTIONS.read_text())

    async def commit(self, write: Write) -> None:
        """Make a write durable.

        Raises StoreDownError, FencedError, DuplicateError, StaleError, LostError, DisownedError.
        """
        market, epoch = write.fence or ("", 0)
        args: list[bytes | str | int] = [
            self.generation,
            int(write.force),
            _JOURNAL_LENGTH,
            market,
            epoch,
            write.nonce,
            len(write.orders),
        ]
        for order, replaces in write.orders:
            args += (order.cloid, replaces, records.encode_order(order))
        args.append(len(write.journal))
        args += map(records.encode_line, write.journal)
        args.append(len(write.entries))
        for entry in write.entries:
            args += (entry.key, records.encode_entry(entry))
        args.append(len(write.totals))
        for name, value in write.totals:
            args += (name, value)
        await self._call("pm_commit", self._commit_keys, *args)

    async def acquire(self, market: str, at_least: int) -> int:
        """Grant a session epoch above every earlier one and above `at_least`, on disk before it is used.

        Raises StoreDownError, LostError, DisownedError.
        """
        try:
            async with self._patient.connection() as connection:
                # One connection for both: WAITAOF speaks of the writes of its own connection.
                keys = (self._keys.meta, self._keys.epochs)
                command = ("FCALL", "pm_session", 2, *keys, self.generation, market, at_least)
                reply = cast("Sequence[bytes]", await self._ask(self._patient, *command, on=connection))
                refusal = _refusal(reply)
                if refusal is not None:
                    raise refusal
                await self._make_durable(connection, f"session of {market}")
        except (RedisError, OSError) as error:
            raise StoreDownError(str(error)) from error
        return int(reply[1])

    async def _make_durable(self, connection: aioredis.Redis, what: str) -> None:
        """Wait until the writes of the connection are on disk; where the server cannot say, say so once per write."""
        ask = partial(self._patient.execute, on=connection)
        try:
            synced = await ask("WAITAOF", 1, 0, _SYNC_TIMEOUT_MS)
        except ResponseError as error:
            facts = _hash(await ask("CONFIG", "GET", "appendfsync", "appendonly"))
            if facts.get(b"appendonly") != b"yes" or facts.get(b"appendfsync") != b"always":
                _log.warning("store.not_synced", what=what, reason=str(error), appendfsync="not always")
            return
        if synced[0] < 1:
            raise StoreDownError(f"{what} was not on disk after {_SYNC_TIMEOUT_MS} ms")

    async def retire(self, cloids: Sequence[str]) -> None:
        """Move orders that are over out of the live set. Raises StoreDownError, LostError, DisownedError."""
        keys = (self._keys.meta, self._keys.live, *map(self._keys.archived, cloids))
        await self._call("pm_retire", keys, self.generation, _ARCHIVE_S, *cloids)

    async def find(self, cloid: str) -> TrackedOrder | None:
        """An order that is no longer in memory. Raises StoreDownError."""
        record = await self._ask(self._client, "GET", self._keys.archived(cloid))
        return None if record is None else records.decode_order(record)

    async def replay(self) -> Replay:
        """Read everything that survived. Raises StoreDownError."""
        client = self._patient
        live = await self._ask(client, "HGETALL", self._keys.live)
        epochs = await self._ask(client, "HGETALL", self._keys.epochs)
        totals = await self._ask(client, "HGETALL", self._keys.totals)
        nonce = await self._ask(client, "HGET", self._keys.meta, "nonce")
        return Replay(
            orders=tuple(map(records.decode_order, _hash(live).values())),
            entries=tuple([entry async for entry in self.entries()]),
            epochs={name.decode(): int(value) for name, value in _hash(epochs).items()},
            totals={name.decode(): int(value) for name, value in _hash(totals).items()},
            highest_nonce=int(nonce or 0),
        )

    async def entries(self) -> AsyncIterator[Entry]:
        """The whole ledger, in order. Raises StoreDownError."""
        async for _, fields in self._stream(self._keys.ledger, "-"):
            yield records.decode_entry(fields[b"e"])

    async def history(self, cloid: str, since_ms: int) -> list[JournalLine]:
        """Journal lines of an order from a time (server clock, ms) on, oldest first. Raises StoreDownError."""
        needle = cloid.encode()
        return [
            records.decode_line(entry_id, fields[b"j"])
            async for entry_id, fields in self._stream(self._keys.journal, str(since_ms) if since_ms else "-")
            if needle in fields[b"j"]
        ]

    async def _stream(self, key: str, start: str) -> AsyncIterator[tuple[bytes, dict[bytes, bytes]]]:
        while True:
            page = await self._ask(self._patient, "XRANGE", key, start, "+", "COUNT", _PAGE)
            for entry_id, fields in page:
                yield (
                    entry_id,
                    fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True)),
                )
            if len(page) < _PAGE:
                return
            start = "(" + page[-1][0].decode()


def _hash(reply: Any) -> dict[bytes, bytes]:
    """A hash, however the protocol version spells it."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


DecodeError = msgspec.DecodeError
"""A record in the store that this version cannot read."""
