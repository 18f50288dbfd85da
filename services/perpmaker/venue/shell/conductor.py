"""The one way into the engine: whatever changes the venue passes here, in order, and into the journal if there is one.

Participants are not journalled: they follow from the seed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec
from msgspec import Raw

from perpmaker.hyperliquid import wire
from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Block, Reply, Venue
from perpmaker.venue.engine.actions import CancelOrders, PlaceOrders
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.execute import Answer, Err, Ok
from perpmaker.venue.journal.entries import (
    ENCODER,
    FORMAT,
    Act,
    Answered,
    Begin,
    Broken,
    Hash,
    House,
    Operation,
    Seen,
    Step,
)
from perpmaker.venue.journal.writer import Writer
from perpmaker.venue.options import VenueOptions

CHECKPOINT_BLOCKS = 5_000


def venue_hash(venue: Venue) -> str:
    """Digest of state, admission, participants and what waits for the next block."""
    return state_hash(venue)


def shown(answer: Answer) -> dict[str, Any]:
    """An engine's answer as the exchange writes it."""
    match answer:
        case Ok(response):
            return {"status": "ok", "response": response}
        case Err(text):
            return {"status": "err", "response": text}


@dataclass(slots=True)
class Conductor:
    """Drives one venue. `writer` is None when nothing is recorded."""

    venue: Venue
    writer: Writer | None = None
    _submissions: int = 0
    _is_broken: bool = False
    _seen: set[str] = field(default_factory=set)

    def begin(self, options: VenueOptions) -> None:
        """Write down which venue this is."""
        if self.writer is not None:
            self.writer.append(Begin(FORMAT, msgspec.to_builtins(options, enc_hook=str)))

    def step(self, now_ms: int) -> Block:
        """Build the block of this time. Whatever it raises is the journal's last word."""
        if self.writer is None:
            return self.venue.step(now_ms)
        self._note_seen()
        self.writer.append(Step(now_ms))
        committed = self.venue.state.height
        try:
            block = self.venue.step(now_ms)
        except Exception as error:
            self._is_broken = True
            self.writer.append(Broken(committed, str(error)))
            raise
        if block.height % CHECKPOINT_BLOCKS == 0:
            self.checkpoint()
        self.writer.flush()
        return block

    def submit(self, signed: SignedAction, envelope: wire.Envelope, reply: Reply) -> None:
        """Queue a client's action; `envelope` is the request it came in, in canonical form."""
        number = self._next()
        if self.writer is not None:
            self.writer.append(Act(number, Raw(ENCODER.encode(envelope)), signed.signers))
        self.venue.submit(signed, self._noted(number, reply))

    def submit_house(self, address: str, action: PlaceOrders | CancelOrders, reply: Reply) -> None:
        """Queue an action of a house account that is not a participant."""
        number = self._next()
        if self.writer is not None:
            kind: Literal["PlaceOrders", "CancelOrders"] = (
                "PlaceOrders" if isinstance(action, PlaceOrders) else "CancelOrders"
            )
            self.writer.append(House(number, address, kind, Raw(ENCODER.encode(action))))
        self.venue.submit_house(address, action, self._noted(number, reply))

    def note_operation(self, op: Any, result: dict[str, Any]) -> None:
        """Write down an operation after it ran."""
        if self.writer is not None:
            self.writer.append(Operation(Raw(ENCODER.encode(op)), Raw(ENCODER.encode(result))))

    def checkpoint(self, *, is_end: bool = False) -> str:
        """The venue's digest, written down for a replay to check."""
        self._note_seen()
        digest = venue_hash(self.venue)
        if self.writer is not None:
            self.writer.append(Hash(self.venue.state.height, digest, is_end))
        return digest

    def close(self) -> None:
        """End the journal: in order, with a digest to compare, unless a block broke."""
        if self.writer is None:
            return
        if not self._is_broken:
            self.checkpoint(is_end=True)
        self.writer.close()

    def _next(self) -> int:
        self._submissions += 1
        return self._submissions

    def _noted(self, number: int, reply: Reply) -> Reply:
        if self.writer is None:
            return reply
        writer = self.writer

        def both(answer: Answer) -> None:
            writer.append(Answered(number, Raw(ENCODER.encode(shown(answer)))))
            reply(answer)

        return both

    def _note_seen(self) -> None:
        if self.writer is None:
            return
        announced = self.venue.admission.announced
        if len(announced) != len(self._seen):
            self.writer.append(Seen(sorted(announced - self._seen)))
            self._seen = set(announced)
