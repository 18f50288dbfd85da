"""What the API server says: listings, lines of a watch, refusals and silence, as values and errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

import aiohttp
import msgspec

from perpmaker.operator.interfaces import KubeError, Manifest, Ref
from perpmaker.operator.metrics import KUBE_REQUESTS

OPEN: Final = "OPEN"


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a kind at one moment."""

    items: Sequence[Manifest]
    version: str
    """Where a watch goes on from."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch."""

    type: str
    """OPEN when the server has accepted the watch, then ADDED, MODIFIED, DELETED or BOOKMARK."""
    object: Manifest


class VersionExpiredError(Exception):
    """The server no longer knows what happened since the version: list again."""


async def lines_of(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of an answer as they arrive."""
    # Not StreamReader.readline: it refuses lines longer than its buffer, and objects may be a megabyte.
    rest = b""
    async for chunk in content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n") if b"\n" in chunk else (rest + chunk,)
        for line in lines:
            if line:
                yield line


def event_of(ref: Ref, line: bytes) -> WatchEvent:
    """One line of a watch. Raises KubeError, VersionExpiredError."""
    raw = msgspec.json.decode(line)
    if raw["type"] != "ERROR":
        return WatchEvent(raw["type"], raw["object"])
    status = raw["object"]
    if status.get("code") == 410:
        raise VersionExpiredError(status.get("message", ""))
    raise KubeError(
        "watch", ref, int(status.get("code", 0)), status.get("reason", "Unknown"), status.get("message", "")
    )


def no_answer(verb: str, ref: Ref, error: Exception) -> KubeError:
    """A request that was not answered, counted."""
    KUBE_REQUESTS.labels(verb, ref.resource.plural, "0").inc()
    reason = "Timeout" if isinstance(error, TimeoutError) else "Unreachable"
    return KubeError(verb, ref, 0, reason, str(error) or type(error).__name__)


def refusal(verb: str, ref: Ref, status: int, payload: bytes) -> KubeError:
    """A request that was answered with an error."""
    try:
        document = msgspec.json.decode(payload)
    except msgspec.DecodeError:
        document = None
    if not isinstance(document, dict) or document.get("kind") != "Status":
        # Not from the API server itself but from something before it; its text may be anything.
        return KubeError(verb, ref, status, "Unexpected", payload[:200].decode(errors="replace"))
    details = document.get("details") or {}
    causes = [
        f"{cause.get('field') or '(object)'}: {cause.get('message', '')}" for cause in details.get("causes") or ()
    ]
    return KubeError(
        verb,
        ref,
        status,
        document.get("reason") or "Unknown",
        document.get("message") or "",
        causes,
        # Only whoever looked for the object names it; a path that is not served is refused without a name.
        is_absent=status == 404 and bool(ref.name) and details.get("name") == ref.name,
    )
