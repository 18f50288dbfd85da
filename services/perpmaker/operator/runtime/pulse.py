"""Whether the operator still looks at its objects: the age of the oldest last look."""

from __future__ import annotations

import asyncio

from perpmaker.operator.interfaces import Ref


class Pulse:
    """When each worker last finished a look, well or not, by the event loop's clock."""

    def __init__(self) -> None:
        self._last: dict[tuple[Ref, str], float] = {}

    def beat(self, ref: Ref, uid: str) -> None:
        """A look at an object has ended."""
        self._last[ref, uid] = asyncio.get_running_loop().time()

    def forget(self, ref: Ref, uid: str) -> None:
        """The object's worker is gone."""
        self._last.pop((ref, uid), None)

    def oldest(self) -> tuple[Ref, float] | None:
        """The object that was not looked at for longest, and for how many seconds; None without workers."""
        if not self._last:
            return None
        (ref, _uid), at = min(self._last.items(), key=lambda item: item[1])
        return ref, asyncio.get_running_loop().time() - at
