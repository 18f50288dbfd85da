"""Who may sign for whom.

A master approves agents: one unnamed and up to three named. Approving a name again replaces its agent at once;
approving the zero address removes it. What a signature by a key of each standing is answered differs, so former
agents are remembered. Source: Hyperliquid documentation, "Nonces and API wallets"; texts as measured.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ZERO_ADDRESS = "0x" + "0" * 40
_MAX_NAME = 16
_MAX_NAMED = 3
_LIFETIME_MS = 90 * 86_400_000
_MAX_LIFETIME_MS = 180 * 86_400_000


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

    _by_address: dict[str, Agent] = field(default_factory=dict)
    _replaced: dict[str, str] = field(default_factory=dict)
    _removed: set[str] = field(default_factory=set)

    def master_of(self, address: str, now_ms: int) -> str | None:
        agent = self._by_address.get(address)
        return agent.master if agent and now_ms <= agent.valid_until_ms else None

    def is_former(self, address: str) -> bool:
        return address in self._replaced or address in self._removed

    def is_agent(self, address: str) -> bool:
        return address in self._by_address

    def refusal_of_former(self, address: str) -> str:
        """What a key that lost its approval, or whose approval ran out, is told."""
        if (master := self._replaced.get(address)) is not None:
            return f"Must deposit before performing actions. User: {master}"
        return f"User or API Wallet {address} does not exist."

    def of(self, master: str) -> list[Agent]:
        return [agent for agent in self._by_address.values() if agent.master == master]

    def approve(self, master: str, address: str, name_and_expiry: str, now_ms: int) -> str | None:
        """Approve, replace or remove an agent. Returns None, or the exchange's text when refused."""
        name, _, expiry = name_and_expiry.partition(" valid_until ")
        if len(name) > _MAX_NAME:
            return "Agent name too long."
        valid_until = now_ms + _LIFETIME_MS
        if expiry:
            if not expiry.isdigit() or int(expiry) > now_ms + _MAX_LIFETIME_MS:
                return "Agent valid_until invalid."
            valid_until = int(expiry)
            if valid_until <= now_ms:
                return "Agent valid_until already expired."
        current = next((agent for agent in self.of(master) if agent.name == name), None)
        if address == ZERO_ADDRESS:
            if current is not None:
                del self._by_address[current.address]
                self._removed.add(current.address)
            return None
        renews = current is not None and current.address == address
        if not renews and (address in self._by_address or self.is_former(address)):
            return "Extra agent already used."
        if name and current is None and sum(1 for a in self.of(master) if a.name) >= _MAX_NAMED:
            return f"Too many extra agents for cumulative volume traded. Current limit is {_MAX_NAMED}"
        if current is not None and not renews:
            del self._by_address[current.address]
            self._replaced[current.address] = master
        self._by_address[address] = Agent(address, master, name, valid_until)
        return None
