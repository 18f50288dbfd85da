"""Replacing a running service's part: in full or not at all, and never by an older one.

A document carries a revision that grows with every change. The same document again is a success that changes nothing,
so whoever pushes it may repeat it until answered. A replacement once begun is carried through even if the caller goes
away: half of one would be nobody's configuration.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Any, Final, Generic, NoReturn, Protocol, TypeVar

import grpc
from grpc import aio

from perpmaker.common import logs
from perpmaker.common.config import ConfigError, Part, parse_part

REFUSED_MARKETS_KEY: Final = "perpmaker-refused-markets"
"""Trailing metadata of a refusal that only some markets are to blame for: their symbols, separated by commas."""
REFUSED_LEVERAGE_KEY: Final = "perpmaker-refused-leverage"
"""The same where the markets are fine and the leverage that is wanted of them is not."""

_log = logs.get(__name__)


class VersionedPart(Part):
    """A part that is replaced while its service runs."""

    revision: int


P = TypeVar("P", bound=VersionedPart)


class ReconfigurationError(Exception):
    """The offered document is not put in force; nothing has changed. `markets` are to blame, none for all of it."""

    code = grpc.StatusCode.INVALID_ARGUMENT
    markets_key = REFUSED_MARKETS_KEY

    def __init__(self, text: str, markets: Collection[str] = ()) -> None:
        super().__init__(text)
        self.markets = tuple(markets)


class UnusableError(ReconfigurationError):
    """It cannot be used, whenever it is offered."""


class UnusableLeverageError(UnusableError):
    """The leverage of some markets cannot be set."""

    markets_key = REFUSED_LEVERAGE_KEY


class NeedsRestartError(UnusableError):
    """Fields changed that only a restart can change."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        super().__init__(f"only a restart changes: {', '.join(fields)}")
        self.fields = fields


class OutdatedError(ReconfigurationError):
    """Its revision is older than the one in force, or is in force with another content."""

    code = grpc.StatusCode.FAILED_PRECONDITION


class NotNowError(ReconfigurationError):
    """It may be put in force later: the service starts, or somebody it needs did not answer."""

    code = grpc.StatusCode.UNAVAILABLE


def check(in_force: P, offered: P, hot: Collection[str]) -> bool:
    """Whether the offered part is to be put in force; False when it is. `hot` names the fields that may differ. Pure.

    Raises OutdatedError, NeedsRestartError.
    """
    if offered.revision < in_force.revision:
        raise OutdatedError(f"revision {offered.revision} is older than {in_force.revision}, which is in force")
    changed = tuple(
        name
        for name in type(in_force).model_fields
        if name != "revision" and getattr(offered, name) != getattr(in_force, name)
    )
    if offered.revision == in_force.revision:
        if changed:
            raise OutdatedError(
                f"revision {offered.revision} is in force with another {', '.join(changed)};"
                " a changed document needs a higher revision"
            )
        return False
    fixed = tuple(name for name in changed if name not in hot)
    if fixed:
        raise NeedsRestartError(fixed)
    return True


class Configuration(Generic[P]):
    """The part in force, and the only way to replace it."""

    def __init__(self, part: P, hot: Collection[str], put_in_force: Callable[[P], Awaitable[None]]) -> None:
        """`hot` are the fields that may change; `put_in_force` makes the service work by a part in which only these
        differ, or raises ReconfigurationError and leaves everything as it was."""
        self._part = part
        self._hot = frozenset(hot)
        self._put_in_force = put_in_force
        self._lock = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    @property
    def part(self) -> P:
        """What the service works by."""
        return self._part

    @property
    def revision(self) -> int:
        """Revision of that."""
        return self._part.revision

    async def offer(self, revision: int, text: str) -> int:
        """Put a part, given as JSON, in force; returns its revision. Raises ConfigError, ReconfigurationError."""
        offered = parse_part(Path("part_json"), text, type(self._part))
        if offered.revision != revision:
            raise UnusableError(f"revision {revision} does not match the part's {offered.revision}")
        task = asyncio.create_task(self._replace(offered), name=f"revision-{revision}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)
        return self.revision

    async def _replace(self, offered: P) -> None:
        async with self._lock:
            if not check(self._part, offered, self._hot):
                return
            await self._put_in_force(offered)
            self._part = offered
            _log.info("config.applied", revision=offered.revision)


class Request(Protocol):
    """The contract's request, the same in every service."""

    @property
    def revision(self) -> int:
        """Revision of the document."""
        ...

    @property
    def part_json(self) -> str:
        """The document."""
        ...


async def answer(configuration: Configuration[P], request: Request, context: aio.ServicerContext[Any, Any]) -> int:
    """Serve `ApplyConfig`: the revision in force, or the call is aborted with the reason."""
    refusal: ReconfigurationError
    try:
        return await configuration.offer(request.revision, request.part_json)
    except ConfigError as error:
        refusal = UnusableError(str(error))
    except ReconfigurationError as error:
        refusal = error
    _log.warning("config.refused", revision=request.revision, in_force=configuration.revision, reason=str(refusal))
    return await _abort(refusal, context)


async def _abort(refusal: ReconfigurationError, context: aio.ServicerContext[Any, Any]) -> NoReturn:
    metadata = ((refusal.markets_key, ",".join(refusal.markets)),) if refusal.markets else ()
    await context.abort(refusal.code, str(refusal), metadata)
