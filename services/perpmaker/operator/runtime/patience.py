"""Waiting for what comes by itself: first listings, watches, kopf. Its absence becomes an error only after a while."""

from __future__ import annotations

import asyncio
from typing import Final

from perpmaker.operator.runtime.troubles import ExpectedError
from perpmaker.operator.runtime.world import Store

PATIENCE_S: Final = 10.0
POLL_S: Final = 0.25


class Patience:
    """How long one object has been kept waiting."""

    def __init__(self) -> None:
        self._since: float | None = None

    def wait_for(self, what: str) -> float:
        """The pause until the next try, in seconds. Raises ExpectedError when it has taken too long."""
        if self._since is None:
            self._since = asyncio.get_running_loop().time()
        if self.waited_s > PATIENCE_S:
            raise ExpectedError(f"still waiting for {what} after {PATIENCE_S:.0f} s")
        return POLL_S

    def wait_for_listings(self, world: Store) -> float | None:
        """As `wait_for`, until every watch has listed once: before, absence proves nothing. None when all have."""
        if world.is_synced:
            return None
        return self.wait_for("the first listing of " + ", ".join(map(str, world.missing)))

    def is_over(self) -> None:
        """Nothing is waited for any more."""
        self._since = None

    @property
    def waited_s(self) -> float:
        """Since something was first missing, in seconds."""
        return 0.0 if self._since is None else asyncio.get_running_loop().time() - self._since
