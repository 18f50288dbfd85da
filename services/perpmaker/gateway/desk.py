"""Where actions are signed: the signer in force and the nonces, and for a while the signers before it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from perpmaker.common.clock import Clock
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.signing import SignedAction, Signer
from perpmaker.hyperliquid.rejections import is_signer_refused, nonce_floor
from perpmaker.hyperliquid.wire import L1Action

FORMER_SIGNERS_KEPT_MS = 60_000
"""How long a replaced key is kept for the nonces it has used: far longer than any placement stays valid."""


class ForgottenSignerError(Exception):
    """The key that used a nonce is gone, so nothing signed now can say anything about that nonce."""


@dataclass(frozen=True, slots=True)
class _Former:
    """A replaced signer and the nonces that are its own."""

    after: int
    up_to: int
    signer: Signer


class SigningDesk:
    """Signer and nonces together: every signature takes a fresh nonce unless one is given.

    The exchange keeps nonces by signer. Here they grow over all signers, so each names the one that used it, and an
    action under a nonce of the past is signed by that one.
    """

    def __init__(self, signer: Signer, nonces: Nonces, clock: Clock, measurements: Measurements) -> None:
        self.signer = signer
        self.nonces = nonces
        self.doubted = asyncio.Event()
        """Set when the exchange has refused something for the key that signed it."""
        self._clock = clock
        self._measurements = measurements
        self._former: list[_Former] = []
        self._replaced_up_to = 0

    def replace_signer(self, signer: Signer) -> None:
        """Sign with another key from the next action on; its nonces begin above the clock and above all used ones."""
        highest = self.nonces.highest
        self._former.append(_Former(self._replaced_up_to, highest, self.signer))
        self._replaced_up_to = highest
        self.signer = signer

    def _signer_of(self, nonce: int) -> Signer:
        if nonce > self._replaced_up_to:
            return self.signer
        for former in self._former:
            if former.after < nonce <= former.up_to:
                return former.signer
        raise ForgottenSignerError

    def _forget_former(self) -> None:
        oldest_ms = self._clock.now_ms() - FORMER_SIGNERS_KEPT_MS
        self._former = [former for former in self._former if former.up_to >= oldest_ms]

    def refused(self, text: str) -> None:
        """Learn what a refusal says of nonces and of the key."""
        floor = nonce_floor(text)
        if floor is not None:
            self.nonces.lift(floor)
        if is_signer_refused(text):
            self.doubted.set()

    def sign(self, action: L1Action, expires_after_ms: int | None = None, nonce: int | None = None) -> SignedAction:
        """Sign one action. Raises ForgottenSignerError for a nonce of a signer replaced long ago."""
        begun_ns = self._clock.monotonic_ns()
        if self._former:
            self._forget_former()
        signer = self.signer if nonce is None else self._signer_of(nonce)
        signed = signer.sign(action, self.nonces.take() if nonce is None else nonce, expires_after_ms)
        self._measurements.signed(self._clock.monotonic_ns() - begun_ns)
        return signed
