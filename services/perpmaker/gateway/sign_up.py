"""An account that lives on the simulated exchange introduces itself, and notices when the exchange has forgotten it.

A simulated exchange keeps everything in memory: one that was started again knows no account and no API wallet, has an
empty book and no positions. The gateway then ends, and its successor signs up as on the first day. None of this exists
on a real network, where an unknown signer is refused.
"""

from __future__ import annotations

import asyncio

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.common.service import StartError
from perpmaker.gateway.approval import approval
from perpmaker.gateway.connections.order_entry import Answered
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.decode import account_wire, reference_wire
from perpmaker.gateway.identity import Identity
from perpmaker.gateway.outcomes import Refused, read_answer
from perpmaker.gateway.preflight import is_agent_of, patiently

_TIMEOUT_S = 5.0
_PAUSE_S = 0.5

_log = logs.get(__name__)


class ForgottenError(Exception):
    """The exchange does not know the account any more: it was started anew."""

    def __init__(self, account: str) -> None:
        super().__init__(f"the simulated exchange does not know {account} any more: it was started anew")
        self.account = account


async def sign_up(identity: Identity, rest: Rest, clock: Clock) -> None:
    """Have the exchange approve the key for the account, unless it does already; waits for an exchange that is away.

    Raises StartError when the exchange refuses.
    """
    signer = identity.key.address
    while not await _is_known(identity, rest):
        if identity.master is None:
            raise AssertionError("only a simulated account signs up")
        body = approval(identity.master, signer, clock.now_ms())
        rest.admit_action(1, protects=False)
        result = await rest.exchange(body, _TIMEOUT_S)
        answer = read_answer(result.payload) if isinstance(result, Answered) else None
        if isinstance(answer, Refused):
            raise StartError(
                f"the simulated exchange refuses {signer} as API wallet of {identity.address}: {answer.text};"
                " start the exchange anew, or change simulated_seed"
            )
        _log.info("account.signed_up", account=identity.address, signer=signer, answered=answer is not None)
        if answer is None:
            await asyncio.sleep(_PAUSE_S)


async def known_since_ms(identity: Identity, rest: Rest) -> int:
    """Exchange time of the account's first deposit: nothing the exchange knows of it is older. 0 when it has none."""
    entries = await patiently(
        lambda: rest.info(account_wire.LEDGER_LIST, "userNonFundingLedgerUpdates", user=identity.address, startTime=0)
    )
    return min((entry.time for entry in entries), default=0)


class Membership:
    """Whether the exchange that answers now is still the one that knows the account.

    What another one says of the account (no equity, no positions) must not be taken for news of ours: it would trip
    limits that nothing has touched.
    """

    def __init__(self, identity: Identity, rest: Rest) -> None:
        self._identity = identity
        self._rest = rest
        self._forgotten = asyncio.Event()
        self._was_known = False

    def signed_up(self) -> None:
        """The exchange knows the account now: from here on it can forget it."""
        self._was_known = True

    async def confirm(self) -> bool:
        """Ask the exchange. Raises ReadError."""
        # Whoever reads before the account has signed up is told that it is not known; that is no forgetting.
        was_known = self._was_known
        role = await self._rest.info(reference_wire.USER_ROLE, "userRole", user=self._identity.key.address)
        if is_agent_of(role, self._identity.address):
            return True
        if was_known:
            self._forgotten.set()
        return False

    async def run(self) -> None:
        """Wait until the exchange turns out to have forgotten the account. Raises ForgottenError."""
        await self._forgotten.wait()
        _log.error(
            "account.forgotten",
            account=self._identity.address,
            consequence="this process ends; started again it signs up with the new exchange",
        )
        raise ForgottenError(self._identity.address)


async def _is_known(identity: Identity, rest: Rest) -> bool:
    role = await patiently(lambda: rest.info(reference_wire.USER_ROLE, "userRole", user=identity.key.address))
    return is_agent_of(role, identity.address)
