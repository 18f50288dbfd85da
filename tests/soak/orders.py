"""Every order sent, and what is known of it: an order is alive until the exchange's own words end it.

What was told is compared with the exchange's records as long as those reach: an order told to be dead is not alive,
one told never to have landed is not on record, one told to rest is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from tests.soak.findings import Findings

from perpmaker.hyperliquid.statuses import StatusMeaning, meaning_of
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb
from perpmaker.venue.engine.orders import Order as VenueOrder

COMPARED_MS: Final = 45_000
"""How long an order that ended is compared with the exchange's records."""

_NO_WAY_OUT: Final = "not_connected"
"""Why alone a cancel may stay here: neither the socket nor REST could be opened."""

_ALIVE: Final = (StatusMeaning.OPEN, StatusMeaning.TRIGGERED)


class Known(StrEnum):
    """What is known of an order."""

    SENT = "sent"
    UNKNOWN = "unknown"
    OPEN = "open"
    ENDED = "ended"
    NEVER = "never landed"

    @property
    def is_final(self) -> bool:
        return self in (Known.ENDED, Known.NEVER)


@dataclass
class Sent:
    """One order of ours."""

    place: pb.PlaceOrder
    market: str
    known: Known = Known.SENT
    nonce: int = 0
    expires_ms: int = 0
    since_ms: int = 0
    """When what is known became known."""
    leaving_ms: int = 0
    """When a cancel or modify of it was last sent."""
    evidence: str = ""


@dataclass
class Orders:
    """All orders that may be alive, and those that ended a moment ago."""

    findings: Findings
    now_ms: Callable[[], int]
    at_venue: Callable[[str], VenueOrder | None]
    """The exchange's record of an order, by its cloid."""
    by_cloid: dict[str, Sent] = field(default_factory=dict)

    def add(self, market: str, place: pb.PlaceOrder) -> None:
        self.by_cloid[place.cloid] = Sent(place, market, since_ms=self.now_ms())

    def of(self, market: str, *known: Known) -> list[Sent]:
        return [order for order in self.by_cloid.values() if order.market == market and order.known in known]

    def alive(self) -> list[Sent]:
        """Every order whose end is not proven."""
        return [order for order in self.by_cloid.values() if not order.known.is_final]

    def learn(self, cloid: str, known: Known, evidence: str) -> None:
        """Take a fact. What is final stays, and nothing that landed becomes unknown again."""
        order = self.by_cloid.get(cloid)
        if order is None or order.known.is_final or order.known is known:
            return
        if known is Known.UNKNOWN and order.known is Known.OPEN:
            return
        if order.known is Known.UNKNOWN:
            self.findings.count(f"resolved by {evidence}: {known.value}")
        order.known, order.evidence, order.since_ms = known, evidence, self.now_ms()

    def sent(self, told: pb.Sent) -> None:
        for cloid in told.cloids:
            order = self.by_cloid[cloid]
            order.nonce, order.expires_ms = told.nonce, told.expires_after_ms

    def outcomes(self, told: pb.Outcomes) -> None:
        kind = pb.ActionKind.Name(told.action).removeprefix("ACTION_KIND_").lower()
        for item in told.items:
            result = item.WhichOneof("result") or ""
            self.findings.count(f"outcome {kind} {result}")
            if told.action == pb.ACTION_KIND_CANCEL:
                if result == "cancelled":
                    self.learn(item.cloid, Known.ENDED, "cancel outcome")
                elif result == "not_sent" and item.not_sent.reason != _NO_WAY_OUT:
                    self.findings.violate("cancels are never refused here", f"{item.cloid} {item.not_sent.reason}")
                continue
            match result:
                case "resting" | "filled":
                    self._must_be_on_record(item.cloid, result)
                    self.learn(item.cloid, Known.OPEN, "outcome")
                case "rejected" | "not_sent":
                    self.learn(item.cloid, Known.NEVER, f"outcome {result}")
                case "unknown":
                    self.learn(item.cloid, Known.UNKNOWN, f"outcome {item.unknown.reason}")

    def event(self, told: pb.AccountServiceSubscribeResponse) -> None:
        """Take what the account stream says of orders."""
        match told.WhichOneof("event"):
            case "order_update":
                self.status(told.order_update, "stream")
            case "fill":
                if told.fill.cloid:
                    self.learn(told.fill.cloid, Known.OPEN, "fill")
            case "open_orders":
                for order in told.open_orders.orders:
                    self.learn(order.cloid, Known.OPEN, "snapshot")

    def status(self, told: pb.OrderUpdate, source: str) -> None:
        known = Known.OPEN if meaning_of(told.status) in _ALIVE else Known.ENDED
        self.learn(told.cloid, known, f"{source} {told.status}")

    def compare(self) -> None:
        """Hold what is known against the exchange's records, and forget what ended long ago."""
        now_ms = self.now_ms()
        for cloid, order in list(self.by_cloid.items()):
            if not order.known.is_final:
                continue
            record = self.at_venue(cloid)
            if record is not None and record.is_open:
                self.findings.violate(
                    "no live order is forgotten", f"{cloid} {order.known} by {order.evidence}, but it is open"
                )
            elif order.known is Known.NEVER and record is not None and not record.status.is_rejection:
                self.findings.violate(
                    "no live order is forgotten", f"{cloid} by {order.evidence}, but it is on record as {record.status}"
                )
            if now_ms - order.since_ms > COMPARED_MS:
                self.findings.count(f"order {order.known}")
                del self.by_cloid[cloid]

    def suspects(self, snapshot: Iterable[pb.OpenOrder], as_of_ms: int) -> list[Sent]:
        """Open orders that a snapshot, younger than what is known of them, does not have."""
        shown = {order.cloid for order in snapshot}
        missing = (order for cloid, order in self.by_cloid.items() if cloid not in shown)
        return [order for order in missing if order.known is Known.OPEN and order.since_ms < as_of_ms]

    def _must_be_on_record(self, cloid: str, result: str) -> None:
        if self.at_venue(cloid) is None:
            self.findings.violate("outcomes are true", f"{cloid} told as {result}, but it is on no record")
