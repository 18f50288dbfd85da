"""What reconcilers act with, and the little they share in memory. Losing it costs a repetition, never a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from perpmaker.common.clock import Clock
from perpmaker.operator import names
from perpmaker.operator.interfaces import EventType, Kube, Manifest, Ref, Teller, Waker, World
from perpmaker.operator.names import Role
from perpmaker.operator.observe.channels import Channels
from perpmaker.operator.observe.commands import Commands
from perpmaker.operator.observe.observer import Observer
from perpmaker.operator.reconcile.rollouts import Rollouts
from perpmaker.operator.runtime.events import Reason as EventReason
from perpmaker.operator.settings import OperatorSettings

REFUSED_AGAIN_S: Final = 600.0
"""How long a symbol that the gateway refused is not offered again."""

CREATED_AT_ONCE: Final = 8
"""Objects that are given their first children at the same time: hundreds of manifests at once are much memory, and
the API server takes them one after the other anyway.
"""


@dataclass(slots=True)
class Ledger:
    """What one reconciler has learned and another needs."""

    clock: Clock
    refused: dict[tuple[Ref, str], tuple[str, float]] = field(default_factory=dict)
    """Symbols that an account's gateway does not take, with its words and when it said them."""
    refused_leverage: dict[tuple[Ref, str], tuple[Any, str, float]] = field(default_factory=dict)
    """Leverage that an account's gateway could not set in a market, with its words and when it said them."""
    limits: dict[Ref, dict[str, Any]] = field(default_factory=dict)
    """Limits by market that an account's risk service has in force."""
    applied: dict[Ref, str] = field(default_factory=dict)
    """Hash of the content, whatever its revision, with which each child was last applied or found."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    creating: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CREATED_AT_ONCE))
    """Held while an object of which nothing runs yet is given its children."""

    def refuse(self, account: Ref, symbol: str, text: str) -> None:
        """The gateway does not take a symbol."""
        self.refused[account, symbol] = (text, self.clock.monotonic_s())

    def refusal(self, account: Ref, symbol: str) -> str:
        """The gateway's words about a symbol; empty when it took it or may be asked again."""
        text, at_s = self.refused.get((account, symbol), ("", 0.0))
        return text if text and self.clock.monotonic_s() - at_s < REFUSED_AGAIN_S else ""

    def refuse_leverage(self, account: Ref, symbol: str, wanted: Any, text: str) -> None:
        """The gateway cannot set this leverage in a market."""
        self.refused_leverage[account, symbol] = (wanted, text, self.clock.monotonic_s())

    def leverage_refusal(self, account: Ref, symbol: str, wanted: Any) -> str:
        """The gateway's words about a leverage; empty when it set it, was never asked or may be asked again."""
        refused, text, at_s = self.refused_leverage.get((account, symbol), (None, "", 0.0))
        return text if refused == wanted and self.clock.monotonic_s() - at_s < REFUSED_AGAIN_S else ""

    def note_limits(self, account: Ref, limits: dict[str, Any]) -> None:
        """Risk works by these limits now."""
        if self.limits.get(account) != limits:
            self.limits[account] = limits
            self.changed.set()
            self.changed = asyncio.Event()

    async def limits_in_force(self, account: Ref, market: str, wanted: Any, within_s: float) -> bool:
        """Wait a moment until risk works by these limits of a market."""
        try:
            async with asyncio.timeout(within_s):
                while self.limits.get(account, {}).get(market) != wanted:
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True

    def forget(self, account: Ref) -> None:
        """The account is gone."""
        self.limits.pop(account, None)
        self.refused = {key: value for key, value in self.refused.items() if key[0] != account}
        self.refused_leverage = {key: value for key, value in self.refused_leverage.items() if key[0] != account}


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything a reconciler acts with."""

    settings: OperatorSettings
    kube: Kube
    world: World
    teller: Teller
    waker: Waker
    clock: Clock
    channels: Channels
    observer: Observer
    commands: Commands
    ledger: Ledger
    rollouts: Rollouts
    target: Callable[[str, Role, str], str] = names.target
    """gRPC address of a child by owner, role and namespace."""

    def tell(self, about: Manifest, reason: EventReason, message: str, *, warning: bool = False) -> None:
        """Post an Event."""
        self.teller.tell(about, EventType.WARNING if warning else EventType.NORMAL, reason.value, message)
