"""Risk's own keys: the record of latches and closed markets, and the days' P&L.

`save_record` returns only when the record is on the server's disk. Where the server knows WAITAOF (Valkey, Redis from
7.2) one write is waited for; an older server must run with `appendfsync always`, whose replies mean the same. A server
that offers neither is refused at start, because a latch that a power cut can release is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from perpmaker.api.parts import RedisCredentials
from perpmaker.common.redis_credentials import FileCredentials
from perpmaker.risk import record as records
from perpmaker.risk.day import Day, decode_days, encode_days
from perpmaker.risk.record import Record

_SOCKET_TIMEOUT_S: Final = 0.5
_WAITAOF_TIMEOUT_MS: Final = 1_500
"""A server that syncs every second confirms within that second."""


class StoreUnavailableError(Exception):
    """The store did not answer, or did not confirm that the write is on disk."""


class StoreNotDurableError(Exception):
    """The server cannot make one write durable before the next step; the text says what to configure."""

    def __init__(self) -> None:
        super().__init__(
            "the Redis server cannot confirm that a kill latch is on disk; use a server with WAITAOF (Valkey, Redis 7.2"
            " or newer) and `appendonly yes`, or an older one with `appendonly yes` and `appendfsync always`"
        )


class Durability(Enum):
    """How a write is known to be on disk."""

    WAITAOF = "waitaof"
    EVERY_WRITE = "every_write"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the store held. `record` is None when it is missing or unreadable, `initialised` when it once existed."""

    record: Record | None
    initialised: bool
    days: dict[str, Day]


class RiskStore:
    """Keys `pm:{account}:risk:*`; nobody else writes them, and nothing else is touched."""

    def __init__(self, url: str, account: str, credentials: RedisCredentials | None = None) -> None:
        """`credentials` stand for user and password of the URL, which then has none."""
        self._redis = _client(url, _SOCKET_TIMEOUT_S, credentials)
        # Waiting for the disk must not look like a server that is gone, nor hide one.
        self._patient = _client(url, _SOCKET_TIMEOUT_S + _WAITAOF_TIMEOUT_MS / 1000, credentials)
        prefix = f"pm:{{{account}}}:risk:"
        self._record_key = prefix + "latch"
        self._marker_key = prefix + "initialised"
        self._days_key = prefix + "days"
        self._durability: Durability | None = None

    async def load(self) -> Loaded:
        """Read everything. Raises StoreUnavailableError, StoreNotDurableError."""
        try:
            self._durability = await self._detect_durability()
            answers = await self._redis.mget(self._record_key, self._marker_key, self._days_key)
            raw, marker, days = cast("list[bytes | None]", answers)
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error
        record: Record | None = None
        if raw is not None:
            try:
                record = records.decode(raw)
            except records.UnreadableRecordError:
                record = None
        # Any trace of an earlier life proves that there was a record.
        initialised = marker is not None or raw is not None or days is not None
        return Loaded(record, initialised, decode_days(days) if days is not None else {})

    async def save_record(self, record: Record) -> None:
        """Write the record and wait until it is on disk. Raises StoreUnavailableError."""
        if self._durability is None:
            raise StoreUnavailableError("not loaded yet")
        try:
            async with self._patient.pipeline(transaction=False) as pipe:
                # WAITAOF speaks of the writes of its own connection, hence one pipeline.
                pipe.mset({self._record_key: records.encode(record), self._marker_key: b"1"})
                if self._durability is Durability.WAITAOF:
                    pipe.execute_command("WAITAOF", 1, 0, _WAITAOF_TIMEOUT_MS)
                answers = await pipe.execute()
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error
        if self._durability is Durability.WAITAOF and not answers[1][0]:
            raise StoreUnavailableError("the write is not on disk yet")

    async def save_days(self, days: dict[str, Day]) -> None:
        """Write the days; a second of them may be lost with the machine. Raises StoreUnavailableError."""
        try:
            await self._redis.set(self._days_key, encode_days(days))
        except (RedisError, OSError) as error:
            raise StoreUnavailableError(str(error)) from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()
        await self._patient.aclose()

    async def _detect_durability(self) -> Durability:
        try:
            await self._patient.execute_command(  # type: ignore[no-untyped-call]
                "WAITAOF", 1, 0, _WAITAOF_TIMEOUT_MS
            )
        except ResponseError as error:
            # Unknown command: an old server. "appendonly is disabled": no file to wait for.
            if "unknown command" in str(error).lower() and await self._fsyncs_every_write():
                return Durability.EVERY_WRITE
            raise StoreNotDurableError from error
        return Durability.WAITAOF

    async def _fsyncs_every_write(self) -> bool:
        try:
            settings = cast("dict[Any, Any]", await self._redis.config_get("append*"))
        except NoPermissionError:
            return False
        wanted = {"appendonly": "yes", "appendfsync": "always"}
        plain = {_text(key): _text(value) for key, value in settings.items()}
        return all(plain.get(key) == value for key, value in wanted.items())


def _client(url: str, timeout_s: float, credentials: RedisCredentials | None) -> Redis:
    provider = None if credentials is None else FileCredentials(credentials.user, credentials.password_file)
    return Redis.from_url(
        url,
        credential_provider=provider,
        socket_timeout=timeout_s,
        socket_connect_timeout=_SOCKET_TIMEOUT_S,
        # Once more, for a connection that died with an earlier server; every write here may be repeated.
        retry=Retry(NoBackoff(), 1),
        client_name="perpmaker-risk",
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
