"""Everything that can be learned about one order, as values: each carries the evidence that the journal keeps."""

from __future__ import annotations

import msgspec


class AckResting(msgspec.Struct, frozen=True):
    """A placement answered "resting"; `oid` is 0 where the answer has none (a modify)."""

    oid: int


class AckFilled(msgspec.Struct, frozen=True):
    """A placement answered "filled": a total without trade ids, so an expectation only."""

    oid: int
    total_e8: int


class Refused(msgspec.Struct, frozen=True):
    """A placement was refused by the exchange."""

    rejection: str
    text: str


class NotSent(msgspec.Struct, frozen=True):
    """The gateway proves that the placement never left."""

    reason: str


class OutcomeLost(msgspec.Struct, frozen=True):
    """The placement's outcome is not known."""

    reason: str


class Dispatched(msgspec.Struct, frozen=True):
    """The placement was signed: nonce and `expiresAfter` (ms, 0 for none) of its action."""

    nonce: int
    expires_after_ms: int


class CancelSent(msgspec.Struct, frozen=True):
    """A cancel is about to go out, or a modify whose new order is `replaced_by`."""

    cause: str
    replaced_by: str = ""
    handed_over: bool = True
    """False when nothing could be sent yet, so that the cancel is due at once."""


class CancelDue(msgspec.Struct, frozen=True):
    """A cancel sent before was lost with its stream: send it again without waiting."""


class CancelConfirmed(msgspec.Struct, frozen=True):
    """The exchange cancelled the order on our request or as part of a modify."""

    evidence: str


class CancelReverted(msgspec.Struct, frozen=True):
    """The modify that should have replaced the order was refused; the order lives on."""

    evidence: str


class Executed(msgspec.Struct, frozen=True):
    """A distinct fill with a trade id; size and price in 1e-8."""

    oid: int
    tid: int
    px_e8: int
    sz_e8: int


class StatusSeen(msgspec.Struct, frozen=True):
    """The exchange's status of the order, from the stream or by question; sizes in 1e-8, time in exchange ms."""

    status: str
    oid: int
    remaining_e8: int
    orig_sz_e8: int
    status_time_ms: int
    source: str


class SeenInBook(msgspec.Struct, frozen=True):
    """The order is in a list of open orders."""

    oid: int
    remaining_e8: int
    as_of_ms: int


class SizeSeen(msgspec.Struct, frozen=True):
    """What a list of open orders says is left of a reduce-only order, which the exchange cuts without executing it."""

    remaining_e8: int
    as_of_ms: int


class ProvenAbsent(msgspec.Struct, frozen=True):
    """Proof that the placement never landed and never can."""

    proof: str


class ProvenGone(msgspec.Struct, frozen=True):
    """Proof that an order which was in the book is there no longer."""

    proof: str


class ExpectationLapsed(msgspec.Struct, frozen=True):
    """A complete read of fills shows no execution beyond those known."""

    evidence: str


OrderEvent = (
    AckResting
    | AckFilled
    | Refused
    | NotSent
    | OutcomeLost
    | Dispatched
    | CancelSent
    | CancelDue
    | CancelConfirmed
    | CancelReverted
    | Executed
    | StatusSeen
    | SeenInBook
    | SizeSeen
    | ProvenAbsent
    | ProvenGone
    | ExpectationLapsed
)
