"""How a run is told to the outside: one interface for the live view, plain lines and JSON lines."""

from __future__ import annotations

from typing import Protocol

from perpmaker.local.events import Event
from perpmaker.local.summary import Summary
from perpmaker.local.world import Snapshot


class Reporter(Protocol):
    """Somebody who follows a run."""

    def tell(self, event: Event) -> None:
        """Something happened."""
        ...

    def show(self, snapshot: Snapshot) -> None:
        """This is how things are; called several times a second."""
        ...

    def finish(self, summary: Summary) -> None:
        """The run is over; called once, last."""
        ...

    def fail(self, reason: str) -> None:
        """The run could not be carried out; called once, last, instead of `finish` when nothing was quoted."""
        ...
