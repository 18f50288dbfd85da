"""May this signed action run, and for which account: the exchange's checks between decoding and execution.

In this order: a known signer, the vault, the nonce, the expiry, the account's request budget, the size of the batch.
A nonce is consumed from the moment it is admitted, whatever happens afterwards; refusals before that leave it free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.account_actions import (
    AccountAction,
    AgentSetAbstraction,
    ReserveRequestWeight,
    UserSigned,
)
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.actions import Action, CancelOrders, item_count
from perpmaker.venue.engine.agents import Agents
from perpmaker.venue.engine.answers import Err
from perpmaker.venue.engine.limits import address, busy
from perpmaker.venue.engine.nonces import NonceSet
from perpmaker.venue.engine.state import State

_FOR_VAULTS_TOO = (AgentSetAbstraction, ReserveRequestWeight)
"""Actions about the account itself that a master may also sign for a sub-account."""


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
    agents: Agents = field(init=False)
    announced: set[str] = field(default_factory=set)
    """Addresses somebody asked about. They tell which of two possible signers a newcomer is."""
    on_funded: Callable[[str], None] | None = None
    _nonces: dict[str, NonceSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.agents = Agents(self.state.rules.limits.agents)

    def admit(self, signed: SignedAction) -> Account | Err:
        """The account the action runs for, or the exchange's refusal."""
        found = self._identify(signed.signers, user_signed=isinstance(signed.action, UserSigned))
        if isinstance(found, Err):
            return found
        signer, account = found
        if signed.vault is not None:
            vault = self._vault(account, signed.vault, signed.action)
            if isinstance(vault, Err):
                return vault
            account = vault
        burns = self.state.rules.limits.address.refusal_burns_nonce
        if not burns and (refusal := self._charge(account, signed, is_trial=True)):
            return Err(refusal)
        if refusal := self._nonces_of(signer).admit(signed.nonce, self.state.now_ms):
            return Err(refusal)
        refusal = self._expired(account, signed) or self._over_limit(account, signed) or self._malformed(signed)
        return account if refusal is None else Err(refusal)

    def _nonces_of(self, signer: str) -> NonceSet:
        for gone in self.agents.take_deregistered():
            self._nonces.pop(gone, None)
        if (nonces := self._nonces.get(signer)) is None:
            nonces = self._nonces[signer] = NonceSet(self.state.rules.limits.nonce_margin_ms)
        return nonces

    def _vault(self, signer: Account, vault: str, action: Action) -> Account | Err:
        account = self.state.accounts.get(vault)
        if account is None or account.master is None:
            return Err(action_texts.VAULT_UNKNOWN.format(address=vault))
        is_forbidden = isinstance(action, AccountAction) and not isinstance(action, _FOR_VAULTS_TOO)
        if account.master != signer.address or is_forbidden:
            return Err(action_texts.VAULT_FORBIDDEN)
        return account

    def _expired(self, account: Account, signed: SignedAction) -> str | None:
        if signed.expires_after_ms is None:
            return None
        if isinstance(signed.action, UserSigned):
            return action_texts.NEVER_EXPIRES
        if self.state.now_ms <= signed.expires_after_ms:
            return None
        address.charge_expired(account, self.state.rules.limits.address, item_count(signed.action))
        return action_texts.EXPIRED

    def _over_limit(self, account: Account, signed: SignedAction) -> str | None:
        state = self.state
        return self._charge(account, signed) or busy.refusal(
            account,
            state.accounts.values(),
            state.rules.limits.address,
            state.now_ms,
            is_congested=state.gates.congested,
        )

    def _charge(self, account: Account, signed: SignedAction, *, is_trial: bool = False) -> str | None:
        return address.charge(
            account,
            self.state.rules.limits.address,
            item_count(signed.action),
            self.state.now_ms,
            is_cancel=isinstance(signed.action, CancelOrders),
            is_trial=is_trial,
        )

    def _malformed(self, signed: SignedAction) -> str | None:
        most = self.state.rules.limits.items_per_action
        if item_count(signed.action) > most:
            return action_texts.TOO_MANY_ITEMS.format(most=most)
        if isinstance(signed.action, UserSigned) and signed.action.nonce != signed.nonce:
            return action_texts.NONCES_DIFFER
        return None

    def _identify(self, signers: tuple[str, ...], *, user_signed: bool) -> tuple[str, Account] | Err:
        accounts = self.state.accounts
        for signer in signers:
            master = self.agents.master_of(signer, self.state.now_ms)
            if master is not None:
                if user_signed:
                    return Err(action_texts.MUST_DEPOSIT.format(address=signer))
                return signer, accounts[master]
            if signer in accounts:
                return signer, accounts[signer]
        for signer in signers:
            if self.agents.is_former(signer) or self.agents.is_agent(signer):
                return Err(self.agents.refusal_of_former(signer))
        newcomer = next((signer for signer in signers if signer in self.announced), signers[0])
        if self.faucet_e8:
            for dex in self.state.dexes:
                account = self.state.deposit(newcomer, self.faucet_e8, dex=dex)
            if self.on_funded is not None:
                self.on_funded(newcomer)
            return newcomer, account
        if user_signed:
            return Err(action_texts.MUST_DEPOSIT.format(address=newcomer))
        return Err(action_texts.UNKNOWN_SIGNER.format(address=newcomer))
