"""The key that signs now: tried and measured at start, confirmed by the exchange, and replaced while all goes on."""

from __future__ import annotations

from collections.abc import Callable

from perpmaker.api.parts import GatewayPart
from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.common.service import StartError
from perpmaker.gateway import metrics, preflight
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.curve import is_native
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.identity import Identity
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.signing import SelfCheckError, Signer, measure_us, self_check
from perpmaker.hyperliquid.networks import signing_source

_SLOW_SIGNATURE_US = 1_000

_log = logs.get(__name__)


class SignerInForce:
    """The desk's signer, and what the exchange says of it."""

    def __init__(
        self, part: GatewayPart, identity: Identity, rest: Rest, clock: Clock, measurements: Measurements
    ) -> None:
        """Raises StartError when signing does not work on this machine."""
        self._part = part
        self._identity = identity
        self._rest = rest
        self._clock = clock
        self.is_confirmed = False
        """Whether the exchange has said that the key may trade for the account."""
        self.valid_until_ms = 0
        """When the exchange's approval ends; 0 when it does not say."""
        self.refusal = ""
        """Why the exchange takes nothing that the key signs, with the remedy; empty while it does."""
        self.on_replaced: Callable[[], None] = lambda: None
        """Called when another key has begun to sign."""
        self.desk = SigningDesk(self._opened(), Nonces(clock, 0), clock, measurements)

    @property
    def address(self) -> str:
        """Address of the key that signs now."""
        return self.desk.signer.address

    def _opened(self) -> Signer:
        try:
            self_check()
        except SelfCheckError as error:
            raise StartError(str(error)) from error
        signer = self._signer_with(self._identity.key)
        median_us = measure_us(signer)
        if not is_native() or median_us > _SLOW_SIGNATURE_US:
            _log.warning(
                "signing.slow", median_us=round(median_us), remedy="install the native library: pip install coincurve"
            )
        else:
            _log.info("signing.measured", median_us=round(median_us))
        metrics.SIGNER.labels(signer.address).set(1)
        return signer

    def _signer_with(self, key: SigningKey) -> Signer:
        return Signer(key, signing_source(self._part.network), self._part.vault_address)

    async def confirm(self) -> None:
        """Have the exchange say that the key may trade for the account. Raises StartError when it says otherwise."""
        await preflight.check_signer(self._identity, self._part.expected_signer, self._rest)
        self.is_confirmed = True

    async def check(self) -> None:
        """Ask whether the key may still trade for the account: it may have lost its approval. Raises ReadError."""
        asked, identity = self.address, self._identity
        problem = await preflight.why_not(
            identity.address, asked, self._part.expected_signer, identity.key_file, self._rest
        )
        if asked != self.address:
            return
        self.desk.doubted.clear()
        if problem and problem != self.refusal:
            _log.error("signer.lost", reason=problem)
        self.refusal = problem
        self.is_confirmed = not problem

    async def read_validity(self) -> None:
        """Ask how long the approval lasts. Raises ReadError."""
        self.valid_until_ms = await preflight.valid_until_ms(
            self._identity.address, self.address, self._rest, self._clock
        )

    def take_over(self, key: SigningKey) -> None:
        """Sign with another key, which the exchange has confirmed."""
        metrics.SIGNER.labels(self.address).set(0)
        self.desk.replace_signer(self._signer_with(key))
        metrics.SIGNER.labels(key.address).set(1)
        self.valid_until_ms = 0
        self.refusal = ""
        self.is_confirmed = True
        self.on_replaced()
