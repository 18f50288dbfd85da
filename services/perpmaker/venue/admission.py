"""May this signed action run, and for which account: the exchange's checks between decoding and execution.

In this order: a known signer, the vault, the nonce, the expiry, the size of the batch. A nonce is consumed from
the moment it is admitted, whatever happens afterwards; refusals before that leave it free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.actions import Action, ApproveAgent, item_count
from perpmaker.venue.engine.agents import Agents
from perpmaker.venue.engine.execute import Err
from perpmaker.venue.engine.nonces import NonceSet
from perpmaker.venue.engine.state import State

_MAX_ITEMS = 200


@dataclass(frozen=True, slots=True)
class SignedAction:
    """An action, the addresses its signature may belong to (likeliest first), and its envelope."""

    action: Action
    signers: tuple[str, ...]
    nonce: int
    vault: str | None = None
    expires_after_ms: int | None = None


@dataclass(slots=True)
class Admission:
    """Standing of signers: agents, nonces, and the faucet that greets newcomers."""

    state: State
    faucet_e8: int
    agents: Agents = field(default_factory=Agents)
    announced: set[str] = field(default_factory=set)
    """Addresses somebody asked about. They tell which of two possible signers a newcomer is."""
    on_funded: Callable[[str], None] | None = None
    _nonces: dict[str, NonceSet] = field(default_factory=dict)

    def admit(self, signed: SignedAction) -> Account | Err:
        """The account the action runs for, or the exchange's refusal."""
        user_signed = isinstance(signed.action, ApproveAgent)
        found = self._identify(signed.signers, user_signed=user_signed)
        if isinstance(found, Err):
            return found
        signer, account = found
        if signed.vault is not None:
            return Err(f"Vault not registered: {signed.vault}")
        nonces = self._nonces.setdefault(signer, NonceSet())
        if refusal := nonces.admit(signed.nonce, self.state.now_ms):
            return Err(refusal)
        if signed.expires_after_ms is not None:
            if user_signed:
                return Err("Action does not support expires_after")
            if self.state.now_ms > signed.expires_after_ms:
                account.requests += 5 * item_count(signed.action)
                return Err("Action already expired")
        account.requests += item_count(signed.action)
        if item_count(signed.action) > _MAX_ITEMS:
            return Err(f"Signed action over weight limit of {_MAX_ITEMS}.")
        if isinstance(signed.action, ApproveAgent) and signed.action.nonce != signed.nonce:
            return Err("Nonce of the signed data differs from the nonce of the request.")
        return account

    def _identify(self, signers: tuple[str, ...], *, user_signed: bool) -> tuple[str, Account] | Err:
        accounts = self.state.accounts
        for signer in signers:
            master = self.agents.master_of(signer, self.state.now_ms)
            if master is not None:
                if user_signed:
                    return Err(f"Must deposit before performing actions. User: {signer}")
                return signer, accounts[master]
            if signer in accounts:
                return signer, accounts[signer]
        for signer in signers:
            if self.agents.is_former(signer) or self.agents.is_agent(signer):
                return Err(self.agents.refusal_of_former(signer))
        newcomer = next((signer for signer in signers if signer in self.announced), signers[0])
        if self.faucet_e8:
            account = self.state.deposit(newcomer, self.faucet_e8)
            if self.on_funded is not None:
                self.on_funded(newcomer)
            return newcomer, account
        if user_signed:
            return Err(f"Must deposit before performing actions. User: {newcomer}")
        return Err(f"User or API Wallet {newcomer} does not exist.")
