"""Errors of reconciliation: counted always, logged and told once for each change of their text.

An error that repeats is news only the first time; what repeats is the metric.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from perpmaker.common import logs
from perpmaker.operator.interfaces import EventType, KubeError, Manifest, Ref, Teller
from perpmaker.operator.runtime.events import Reason

FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 60.0

_NUMBERS: Final = re.compile(r"\d+")

_log = logs.get(__name__)


class ExpectedError(Exception):
    """A reason not to go on that is nobody's programming error; the text says what to do."""


def pause_s(failures: int, spread: Callable[[], float] = random.random) -> float:
    """Pause after so many failures in a row (at least one): doubling, capped, with the upper half left to chance."""
    ceiling = min(MAX_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures - 1, 20))
    return ceiling * (0.5 + spread() / 2)


@dataclass(slots=True)
class Troubles:
    """The failures in a row of one object."""

    ref: Ref
    teller: Teller
    failures: int = 0
    _text: str = ""

    def note(self, error: Exception, body: Manifest | None) -> float:
        """Record a failure and return the pause before the next try, in seconds."""
        self.failures += 1
        text = f"{type(error).__name__}: {error}"
        # Ports, versions and durations in a message change from one try to the next without being news.
        gist = _NUMBERS.sub("#", text)
        if gist != self._text:
            self._text = gist
            # A refusal by the API server explains itself; anything else needs to be found in the code.
            trace = None if isinstance(error, KubeError | ExpectedError) else error
            _log.warning("reconcile.failed", object=name_of(self.ref), error=text, exc_info=trace)
            if body is not None:
                self.teller.tell(body, EventType.WARNING, Reason.RECONCILE_ERROR, advice(error))
        return pause_s(self.failures)

    def clear(self) -> None:
        """Record that it went well."""
        if self.failures:
            _log.info("reconcile.recovered", object=name_of(self.ref), failures=self.failures)
            self.failures = 0
            self._text = ""


def advice(error: Exception) -> str:
    """What an Event says about an error."""
    match error:
        case KubeError(status=403):
            return f"{error}; grant it in the operator's Role"
        case KubeError(status=404, is_absent=False):
            resource = error.ref.resource
            return (
                f"{error}; the API server does not serve {resource.plural} of {resource.api_version}: install the kind"
            )
        case KubeError():
            return f"{error}" + (f" ({'; '.join(error.causes)})" if error.causes else "")
        case ExpectedError():
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}; the operator's log has the details, it tries again"


def name_of(ref: Ref) -> str:
    """An object as logs name it."""
    return f"{ref.resource.kind}/{ref.namespace}/{ref.name}"
