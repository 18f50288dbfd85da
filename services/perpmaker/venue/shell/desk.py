"""Where a request meets the venue: bytes in, answer bytes out after the block that ran it has committed.

REST and WebSocket posts share this, so both see the same checks, the same faults and the same texts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import msgspec

from perpmaker.hyperliquid import wire
from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Venue
from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.actions import item_count
from perpmaker.venue.engine.answers import Answer, Err
from perpmaker.venue.engine.limits.ip import UNREADABLE_WEIGHT, answer_weight, exchange_weight, info_weight
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import (
    DelayAction,
    DropAfterCommit,
    DropBeforeCommit,
    FillRace,
    Hang,
    Refuse,
    Reset,
    WrongNetwork,
)
from perpmaker.venue.faults.timeline import Timeline
from perpmaker.venue.shell.conductor import Conductor, shown
from perpmaker.venue.shell.doors import Doors
from perpmaker.venue.shell.latency import Latencies
from perpmaker.venue.shell.misinform import Misinformer
from perpmaker.venue.shell.pressure import action_kind, race
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire.decode import UnreadableError, decode_envelope, to_engine
from perpmaker.venue.wire.info_requests import InfoRequest, decode_info
from perpmaker.venue.wire.signatures import UnrecoverableError, signers_of

InfoDoor = Literal["rest_info", "ws_post"]
ActionDoor = Literal["rest_exchange", "ws_post"]
_HTML = "<html><body><h1>{}</h1></body></html>"
_REFUSALS = {
    "422": "Failed to deserialize the JSON body into the target type",
    "429": "null",
    "500": "null",
    "502": _HTML.format("502 Bad Gateway"),
    "503": _HTML.format("503 Service Temporarily Unavailable"),
}


class LostError(Exception):
    """This request or its answer is to vanish: whoever asked hears nothing."""


@dataclass(slots=True)
class Desk:
    """Takes requests for one venue. `home_source` is the signing source tried first."""

    conductor: Conductor
    board: Board
    timeline: Timeline
    home_source: str
    doors: Doors
    latencies: Latencies = field(default_factory=Latencies)
    misinformer: Misinformer = field(init=False)

    def __post_init__(self) -> None:
        self.misinformer = Misinformer(self.venue, self.board)

    @property
    def venue(self) -> Venue:
        return self.conductor.venue

    def look(self, body: bytes) -> Any:
        """The true answer to an info request, without limits or faults. Raises `UnreadableError`."""
        return answer_info(self.venue, decode_info(body))

    async def info(
        self, body: bytes | msgspec.Raw, ip: str | None = None, *, door: InfoDoor = "rest_info"
    ) -> tuple[str, Any]:
        """Answer an info request: its type and the JSON value. Raises `UnreadableError` and `LostError`.

        `ip` is the network address that pays for it; none is not limited.
        """
        try:
            request = decode_info(body)
        except UnreadableError:
            self.doors.take(ip, UNREADABLE_WEIGHT)
            raise
        kind = str(request.__struct_config__.tag)
        self.doors.take(ip, info_weight(kind))
        answer = await self._answer_badly(request, door) if self.board.armed else answer_info(self.venue, request)
        if isinstance(answer, list):
            self.doors.add(ip, answer_weight(kind, len(answer)))
        return kind, answer

    async def _answer_badly(self, request: InfoRequest, door: InfoDoor) -> Any:
        """Answer an info request past the switches that act on requests and answers."""
        user = getattr(request, "user", None)
        addresses = set() if user is None else {user}
        if (hang := self._gate(door, addresses)) is not None:
            await self.timeline.pause(hang.ms)
            raise LostError
        answer = self.misinformer.answer(request)
        if delay_ms := self.board.delay_ms(door, addresses):
            await self.timeline.pause(delay_ms)
        return answer

    async def act(
        self,
        body: bytes | msgspec.Raw,
        addresses: set[str] | None = None,
        *,
        ip: str | None = None,
        door: ActionDoor = "rest_exchange",
    ) -> dict[str, Any]:
        """Run a signed action and wait for its block. Raises `UnreadableError` and `LostError`.

        `addresses` collects whom the action may concern, for a connection to remember. `ip` is as for `info`.
        """
        try:
            envelope = decode_envelope(body)
        except UnreadableError:
            self.doors.take(ip, UNREADABLE_WEIGHT)
            raise
        self.doors.take(ip, exchange_weight(item_count(to_engine(envelope.action))))
        try:
            signers = signers_of(envelope, self.home_source)
        except UnrecoverableError:
            return shown(Err(action_texts.UNRECOVERABLE))
        concerned = self._concerned(signers)
        if addresses is not None:
            addresses |= concerned
        signed = signed_action(envelope, signers)
        if not self.board.armed:
            answer = await self._commit(signed, envelope)
        else:
            answer = await self._commit_badly(signed, envelope, concerned, door)
        latency_ms = self.latencies.draw_ms("ack")
        if self.board.armed:
            concerned |= self._concerned(signers)
            if self.board.strike(DropAfterCommit, door, concerned):
                raise LostError
            latency_ms += self.board.delay_ms(door, concerned)
        if latency_ms:
            await self.timeline.pause(latency_ms)
        return shown(answer)

    def _commit(self, signed: SignedAction, envelope: wire.Envelope) -> asyncio.Future[Answer]:
        committed: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.conductor.submit(signed, envelope, partial(_resolve, committed))
        return committed

    async def _commit_badly(
        self, signed: SignedAction, envelope: wire.Envelope, concerned: set[str], door: ActionDoor
    ) -> Answer:
        """Bring an action to its block past the switches that act on requests."""
        board = self.board
        hang = self._gate(door, concerned)
        if hang is not None:
            if hang.executes:
                self._commit(signed, envelope)
            await self.timeline.pause(hang.ms)
            raise LostError
        if board.strike(DropBeforeCommit, door, concerned):
            raise LostError
        if board.strike(WrongNetwork, door, concerned):
            return Err(action_texts.UNKNOWN_SIGNER.format(address=signed.signers[-1]))
        if board.holding(DelayAction, "", concerned):
            delay_ms = board.action_delay_ms(action_kind(signed.action), concerned)
            if delay_ms:
                await self.timeline.pause(delay_ms)
        # A race that finds nothing to fill is no opportunity, and does not count.
        takers = race(self.venue, signed.action, concerned) if board.holding(FillRace, door, concerned) else []
        if takers and board.strike(FillRace, door, concerned):
            taken: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            for taker in takers:
                self.conductor.submit_house(*taker, partial(_resolve, taken))
            await taken
        return await self._commit(signed, envelope)

    def _gate(self, door: str, addresses: set[str]) -> Hang | None:
        """What refuses a request at the door, or lets it hang."""
        if (refuse := self.board.strike(Refuse, door, addresses)) is not None:
            raise UnreadableError(int(refuse.kind), _REFUSALS[refuse.kind])
        if self.board.strike(Reset, door, addresses):
            raise LostError
        return self.board.strike(Hang, door, addresses)

    def _concerned(self, signers: tuple[str, ...]) -> set[str]:
        admission = self.venue.admission
        masters = (admission.agents.master_of(s, self.venue.state.now_ms) for s in signers)
        return set(signers) | {master for master in masters if master is not None}


def signed_action(envelope: wire.Envelope, signers: tuple[str, ...]) -> SignedAction:
    """What admission judges, from the canonical request and the addresses its signature recovers to."""
    return SignedAction(
        to_engine(envelope.action), signers, envelope.nonce, envelope.vault_address, envelope.expires_after
    )


def _resolve(committed: asyncio.Future[Answer], answer: Answer) -> None:
    if not committed.done():  # whoever asked may have left meanwhile
        committed.set_result(answer)
