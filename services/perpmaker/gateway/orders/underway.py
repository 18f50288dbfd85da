"""A plan on its way to the exchange, and the actions that carry its items: plans of several markets share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from perpmaker.gateway.connections.dispatch import Departure
from perpmaker.gateway.orders.plans import PlannedAction
from perpmaker.gateway.orders.report import Report
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


@dataclass(slots=True, eq=False)
class Plan:
    """A plan under way."""

    request: pb.ExecuteRequest
    report: Report
    rules: InstrumentRules
    actions_open: int = 0
    """Actions with items of the plan whose outcome is not told yet."""
    expires_ms: int = 0
    """`expiresAfter` of its modifies and placements, in exchange time; 0 before they are admitted."""
    modifies: list[pb.ModifyOrder] = field(default_factory=list)
    """Those that were admitted."""
    places: list[pb.PlaceOrder] = field(default_factory=list)
    """Those that were admitted."""

    @property
    def market(self) -> str:
        """The one market of all its items."""
        return self.request.trace.market

    @property
    def brings_orders(self) -> bool:
        """Whether anything of it may be in the book afterwards."""
        return bool(self.modifies or self.places)

    def action_told(self) -> None:
        """The outcome of one of its actions was told."""
        self.actions_open -= 1
        if not self.actions_open:
            self.report.done()


@dataclass(frozen=True, slots=True, eq=False)
class Action:
    """An action that left, and whose its items are."""

    planned: PlannedAction
    owners: tuple[Plan, ...]
    """The plan of each item."""
    departure: Departure

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Each plan once."""
        return tuple(dict.fromkeys(self.owners))

    def tell(self, outcomes: Sequence[pb.Outcome]) -> None:
        """Tell every plan the outcomes of its items."""
        for plan in self.plans:
            own = [outcome for outcome, owner in zip(outcomes, self.owners, strict=True) if owner is plan]
            nonce = self.departure.signed.nonce
            plan.report.outcomes(pb.Outcomes(action=self.planned.kind, nonce=nonce, items=own))
