"""A key that is replaced in its file is taken over while the gateway runs; a bad one changes nothing but what is told.

The file is looked at once a second, through whatever links lead to it: a mounted Secret is replaced by pointing a link
at another directory. The new key signs only when the exchange says that it may trade for the account, from one request
to the next; until then, and whenever it may not, the key before it goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import preflight
from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.key import KeyFileError, SigningKey, load_key

_LOOK_EVERY_S: Final = 1.0
_ASK_AGAIN_S: Final = 30.0
"""A key that is refused today may be approved a moment later, without the file changing."""

_log = logs.get(__name__)

Look = tuple[int, int, int, int] | None
"""What tells one content of the file from another; None while there is no file."""
_NEVER: Final = (-1, -1, -1, -1)


class KeyWatch:
    """Follows one key file."""

    def __init__(
        self,
        account: str,
        key_file: Path,
        group_readable: bool,
        expected_signer: str | None,
        rest: Rest,
        clock: Clock,
        current_signer: Callable[[], str],
        take_over: Callable[[SigningKey], None],
    ) -> None:
        """`current_signer` tells the address that signs now; `take_over` makes another key sign."""
        self._account = account
        self._key_file = key_file
        self._group_readable = group_readable
        self._expected_signer = expected_signer
        self._rest = rest
        self._clock = clock
        self._current_signer = current_signer
        self._take_over = take_over
        # It may have been replaced since it was read at start.
        self._seen: Look = _NEVER
        self._ask_again_s: float | None = None
        self.refusal = ""
        """Why the key that is in the file now does not sign, with the remedy; empty when it does."""

    async def run(self) -> None:
        """Follow the file until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.check()

    async def check(self) -> None:
        """Look once, and act on a change."""
        seen = look(self._key_file)
        due = self._ask_again_s is not None and self._clock.monotonic_s() >= self._ask_again_s
        if seen == self._seen and not due:
            return
        try:
            key = load_key(self._key_file, group_readable=self._group_readable)
        except KeyFileError as error:
            self._settle(seen, str(error))
            return
        if key.address == self._current_signer():
            self._settle(seen, "")
            return
        try:
            problem = await preflight.why_not(
                self._account, key.address, self._expected_signer, self._key_file, self._rest
            )
        except ReadError as error:
            # Not settled: the next look asks again.
            _log.warning("signer.not_verified", signer=key.address, reason=str(error))
            return
        if problem:
            self._settle(seen, problem)
            self._ask_again_s = self._clock.monotonic_s() + _ASK_AGAIN_S
            return
        former = self._current_signer()
        self._take_over(key)
        self._settle(seen, "")
        _log.info("signer.rotated", former=former, signer=key.address)

    def _settle(self, seen: Look, refusal: str) -> None:
        self._seen = seen
        self._ask_again_s = None
        if refusal and refusal != self.refusal:
            _log.error("signer.refused", reason=refusal, signer=self._current_signer())
        self.refusal = refusal


def look(path: Path) -> Look:
    """Identity and age of what a path leads to."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
