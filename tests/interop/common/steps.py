"""What the Python clients share: reporting one request at a time, and the venue's own view of the world.

Standard library only: it runs inside each client's environment.
"""

from __future__ import annotations

import json
import os
import time
import traceback
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
HANG_S = 120
_POLL_S = 0.05


def _on_loopback(name: str) -> str:
    """An address from the environment. A client without one would talk to the real exchange."""
    url = os.environ[name]
    if urllib.parse.urlsplit(url).hostname != "127.0.0.1":
        raise ValueError(f"{name} is not on loopback: {url}")
    return url


API_URL = _on_loopback("PERPMAKER_API")
WS_URL = _on_loopback("PERPMAKER_WS")
CONTROL_URL = _on_loopback("PERPMAKER_CONTROL")
KEY = os.environ["PERPMAKER_KEY"]


def say(record: dict[str, Any]) -> None:
    """One line of the report."""
    print(json.dumps(record), flush=True)  # noqa: T201


@dataclass(slots=True)
class step:  # noqa: N801
    """`with step("cancel by oid"):` reports whether the block held, and goes on either way unless it is vital."""

    name: str
    vital: bool = False
    _begin_s: float = field(default=0.0)

    def __enter__(self) -> None:
        self._begin_s = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        record: dict[str, Any] = {"request": self.name, "ms": round((time.monotonic() - self._begin_s) * 1000)}
        if error is None:
            say(record | {"passed": True})
            return True
        if not isinstance(error, Exception):
            return False
        say(record | {"passed": False, "why": "".join(traceback.format_exception(kind, error, trace))[-3000:]})
        return not self.vital


def check(actual: object, expected: object) -> None:
    """Raise `AssertionError` naming both unless they are equal."""
    if actual != expected:
        raise AssertionError(f"got {actual!r}, expected {expected!r}")


def refused_with(call: Callable[[], object], kind: type[Exception], text: str) -> None:
    """The call must raise `kind` with `text` in its message."""
    try:
        answer = call()
    except kind as error:
        if text not in str(error):
            raise AssertionError(f"{text!r} is not in {error!r}") from error
        return
    raise AssertionError(f"was accepted: {answer!r}")


def wait_for(look: Callable[[], T], what: str) -> T:
    """The first true value of `look`. Raises `AssertionError` naming what never came."""
    give_up_s = time.monotonic() + HANG_S
    while not (seen := look()):
        if time.monotonic() > give_up_s:
            raise AssertionError(f"never came: {what}")
        time.sleep(_POLL_S)
    return seen


def control(op: str, **fields: object) -> Any:
    """Run an operation of the venue's control port and return its result."""
    body = json.dumps({"op": op} | fields).encode()
    request = urllib.request.Request(CONTROL_URL, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=HANG_S) as answer:
        return json.load(answer).get("result")


def truth(address: str) -> dict[str, Any]:
    """The venue's own record of an account: `rawUsd`, `positions`, `openOrders`, `fills`. No invariant is broken."""
    state = control("dump_state")
    check(state["violations"], [])
    account: dict[str, Any] = state["accounts"][address.lower()]
    return account
