"""How kopf is to behave: quiet, within our names, and patient with an API server that is away."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import kopf

from perpmaker.operator.names import FINALIZER
from perpmaker.operator.settings import OperatorSettings

PREFIX: Final = "operator.perpmaker.io"
"""Of annotations that kopf writes: only its touch, and only on an object that is being deleted."""
PEERING: Final = "perpmaker"
"""Name of the peering object in every watched namespace."""
PEERING_LIFETIME_S: Final = 30
"""A copy of the operator that was killed stops counting after this time."""
REQUEST_TIMEOUT_S: Final = 30.0
BACKOFFS_S: Final = (1.0, 1.0, 2.0, 3.0, 5.0, 8.0)


@dataclass(frozen=True, slots=True)
class Patience:
    """Pauses between tries of kopf's requests: without end while we run, so that an outage of any length is survived.

    kopf's own list ends after a minute, and then the process would.
    """

    stop: asyncio.Event

    def __iter__(self) -> Iterator[float]:
        yield from BACKOFFS_S
        while not self.stop.is_set():
            yield BACKOFFS_S[-1]


class NoProgress(kopf.AnnotationsProgressStorage):
    """Remembers nothing on the object: our teardown keeps its step in status, and pauses by wall clock would be wrong
    after a start on a machine whose clock differs. What is left is the touch with which kopf wakes itself up.
    """

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing to remove."""


class NoDiffBase(kopf.AnnotationsDiffBaseStorage):
    """No copy of the spec in an annotation: we compare with the cluster, not with what we saw last."""

    def fetch(self, **_: Any) -> None:
        """Nothing was stored."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


def kopf_settings(settings: OperatorSettings, priority: int, stop: asyncio.Event) -> kopf.OperatorSettings:
    """Everything kopf is told; `priority` decides between copies of the operator, the higher one works."""
    told = kopf.OperatorSettings()
    # No listing of namespaces and CRDs: both are known, and a Role cannot grant it.
    told.scanning.disabled = True
    told.posting.enabled = False
    told.persistence.finalizer = FINALIZER
    told.persistence.progress_storage = NoProgress(prefix=PREFIX, v1=False)
    told.persistence.diffbase_storage = NoDiffBase(prefix=PREFIX, v1=False)
    told.networking.request_timeout = REQUEST_TIMEOUT_S
    told.networking.connect_timeout = 5.0
    told.networking.error_backoffs = Patience(stop)
    told.watching.connect_timeout = 5.0
    told.watching.server_timeout = 300  # an integer: the API server refuses fractions
    told.background.cancellation_polling = 1.0
    told.background.instant_exit_timeout = 0.2
    told.queueing.exit_timeout = 0.5
    told.execution.default_backoff = 5.0
    told.peering.name = PEERING
    told.peering.priority = priority
    told.peering.lifetime = PEERING_LIFETIME_S
    told.peering.mandatory = settings.peering
    told.peering.standalone = not settings.peering
    return told


_RETRY: Final = re.compile(r"Request attempt #(\d+) failed; will retry")


class _NotOurs(logging.Filter):
    """kopf tells the coming and going of handlers, which our workers tell where it matters."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        return not (text.endswith("succeeded.") or "failed temporarily" in text)


class _SaidBefore(logging.Filter):
    """What libraries say although it is no news, or is told better elsewhere."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.startswith("kopf"):
            # Every try of a request that fails is told; after the first it is no news.
            retry = _RETRY.match(record.getMessage())
            return retry is None or retry[1] == "1"
        if record.name == "asyncio":
            # uvloop's words, with a traceback, for a connection that was given up in its handshake. The request that
            # wanted it says that the server did not answer.
            return not record.getMessage().startswith("Fatal error on SSL protocol")
        return True


def quieten() -> None:
    """Drop what libraries log about handlers that did what they should, and what they say again and again."""
    logging.getLogger("kopf.objects").addFilter(_NotOurs())
    for handler in logging.getLogger().handlers:
        # Not on loggers: those below them would not be heard.
        handler.addFilter(_SaidBefore())
