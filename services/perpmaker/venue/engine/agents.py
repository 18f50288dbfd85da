"""Who may sign for whom.

A master approves agents: one unnamed, three named, and two more named ones for each sub-account. Approving a name again
replaces its agent at once; approving the zero address removes it. What a signature by a key of each standing is
answered differs, so former agents are remembered; a former key may be approved again, and then its old signed actions
are valid once more. Source: Hyperliquid documentation, "Nonces and API wallets"; texts as measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.limits.rules import AgentRules

ZERO_ADDRESS = "0x" + "0" * 40
_MAX_NAME = 16


@dataclass(frozen=True, slots=True)
class Agent:
    """An approved key. `name` is empty for the unnamed one."""

    address: str
    master: str
    name: str
    valid_until_ms: int


@dataclass(slots=True)
class Agents:
    """All agents of the venue, present and past."""

    rules: AgentRules = field(default_factory=AgentRules)
    _by_address: dict[str, Agent] = field(default_factory=dict)
    _replaced: dict[str, str] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)
    _removal_ms: dict[str, int] = field(default_factory=dict)
    _deregistered: list[str] = field(default_factory=list)

    def master_of(self, address: str, now_ms: int) -> str | None:
        """Whom a key signs for now. An expired key still does for a while."""
        agent = self._by_address.get(address)
        return agent.master if agent and now_ms <= agent.valid_until_ms + self.rules.expiry_lag_ms else None

    def is_former(self, address: str) -> bool:
        return address in self._replaced or address in self._removed

    def is_agent(self, address: str) -> bool:
        return address in self._by_address

    def refusal_of_former(self, address: str) -> str:
        """What a key that lost its approval, or whose approval ran out, is told."""
        if (master := self._replaced.get(address)) is not None:
            return action_texts.MUST_DEPOSIT.format(address=master)
        return action_texts.UNKNOWN_SIGNER.format(address=address)

    def of(self, master: str) -> list[Agent]:
        return [agent for agent in self._by_address.values() if agent.master == master]

    def expire(self, address: str, now_ms: int) -> bool:
        """Let a key's approval run out now, without the usual lag. Returns whether it was one."""
        agent = self._by_address.get(address)
        if agent is None:
            return False
        expired_ms = min(agent.valid_until_ms, now_ms - self.rules.expiry_lag_ms - 1)
        self._by_address[address] = Agent(address, agent.master, agent.name, expired_ms)
        return True

    def take_deregistered(self) -> list[str]:
        """Keys that lost their approval since the last call; what was remembered of them may be forgotten."""
        gone, self._deregistered = self._deregistered, []
        return gone

    def approve(
        self, master: str, address: str, name_and_expiry: str, now_ms: int, *, sub_accounts: int = 0
    ) -> str | None:
        """Approve, replace or remove an agent. Returns None, or the exchange's text when refused."""
        name, marker, expiry = name_and_expiry.partition(" valid_until ")
        if len(name) > _MAX_NAME:
            return action_texts.AGENT_NAME_LONG
        valid_until = now_ms + self.rules.lifetime_ms
        if marker:
            if not (expiry.isascii() and expiry.isdigit()) or int(expiry) > now_ms + self.rules.longest_lifetime_ms:
                return action_texts.AGENT_EXPIRY_INVALID
            valid_until = int(expiry)
            if valid_until <= now_ms:
                return action_texts.AGENT_EXPIRED
        if now_ms - self._removal_ms.get(master, -self.rules.removal_pending_ms) < self.rules.removal_pending_ms:
            return action_texts.AGENT_REMOVAL_PENDING
        current = next((agent for agent in self.of(master) if agent.name == name), None)
        if address == ZERO_ADDRESS:
            if current is not None:
                self._deregister(current)
                self._removed.add(current.address)
                self._removal_ms[master] = now_ms
            return None
        renews = current is not None and current.address == address
        if not renews and address in self._by_address:
            return action_texts.AGENT_USED
        most = self.rules.named + self.rules.named_per_sub_account * sub_accounts
        if name and current is None and sum(1 for a in self.of(master) if a.name) >= most:
            return action_texts.AGENTS_FULL.format(most=most)
        if current is not None and not renews:
            self._deregister(current)
            self._replaced[current.address] = master
        self._replaced.pop(address, None)
        self._removed.discard(address)
        self._by_address[address] = Agent(address, master, name, valid_until)
        return None

    def _deregister(self, agent: Agent) -> None:
        del self._by_address[agent.address]
        self._deregistered.append(agent.address)
