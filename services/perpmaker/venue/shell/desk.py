"""Where a request meets the venue: bytes in, answer bytes out after the block that ran it has committed.

REST and WebSocket posts share this, so both see the same checks, the same faults and the same texts.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Any, assert_never

import msgspec

from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Venue
from perpmaker.venue.engine.actions import item_count
from perpmaker.venue.engine.answers import Answer, Err, Ok
from perpmaker.venue.engine.limits.ip import UNREADABLE_WEIGHT, answer_weight, exchange_weight, info_weight
from perpmaker.venue.shell.doors import Doors
from perpmaker.venue.shell.faults import Faults
from perpmaker.venue.shell.latency import Latencies
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire.decode import UnreadableError, decode_envelope, to_engine
from perpmaker.venue.wire.info_requests import decode_info
from perpmaker.venue.wire.signatures import UnrecoverableError, signers_of


class LostError(Exception):
    """This request or its answer is to vanish: whoever asked hears nothing."""


@dataclass(slots=True)
class Desk:
    """Takes requests for one venue. `home_source` is the signing source tried first."""

    venue: Venue
    faults: Faults
    home_source: str
    doors: Doors
    latencies: Latencies = field(default_factory=Latencies)

    def info(self, body: bytes | msgspec.Raw, ip: str | None = None) -> tuple[str, Any]:
        """Answer an info request: its type and the JSON value. Raises `UnreadableError`.

        `ip` is the network address that pays for it; none is not limited.
        """
        try:
            request = decode_info(body)
        except UnreadableError:
            self.doors.take(ip, UNREADABLE_WEIGHT)
            raise
        kind = str(request.__struct_config__.tag)
        self.doors.take(ip, info_weight(kind))
        answer = answer_info(self.venue, request)
        if isinstance(answer, list):
            self.doors.add(ip, answer_weight(kind, len(answer)))
        return kind, answer

    async def act(
        self, body: bytes | msgspec.Raw, addresses: set[str] | None = None, *, ip: str | None = None
    ) -> dict[str, Any]:
        """Run a signed action and wait for its block. Raises `UnreadableError` and `LostError`.

        `addresses` collects whom the action may concern, for a connection to remember. `ip` is as for `info`.
        """
        try:
            envelope = decode_envelope(body)
        except UnreadableError:
            self.doors.take(ip, UNREADABLE_WEIGHT)
            raise
        action = to_engine(envelope.action)
        self.doors.take(ip, exchange_weight(item_count(action)))
        try:
            signers = signers_of(envelope, self.home_source)
        except UnrecoverableError:
            return _shown(Err("Unable to recover signer."))
        concerned = self._concerned(signers)
        if addresses is not None:
            addresses |= concerned
        if self.faults.loses_request(concerned):
            raise LostError
        signed = SignedAction(
            action,
            signers,
            envelope.nonce,
            envelope.vault_address,
            envelope.expires_after,
        )
        committed: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.venue.submit(signed, partial(_resolve, committed))
        answer = await committed
        if self.faults.loses_answer(concerned | self._concerned(signers)):
            raise LostError
        if delay_ms := self.delay_ms("ack"):
            await asyncio.sleep(delay_ms / 1000)
        return _shown(answer)

    def delay_ms(self, channel: str) -> int:
        """How long the next message of a channel takes: its ordinary latency and what was ordered on top."""
        return self.latencies.draw_ms(channel) + self.faults.delays_ms.get(channel, 0)

    def _concerned(self, signers: tuple[str, ...]) -> set[str]:
        admission = self.venue.admission
        masters = (admission.agents.master_of(s, self.venue.state.now_ms) for s in signers)
        return set(signers) | {master for master in masters if master is not None}


def _resolve(committed: asyncio.Future[Answer], answer: Answer) -> None:
    if not committed.done():  # whoever asked may have left meanwhile
        committed.set_result(answer)


def _shown(answer: Answer) -> dict[str, Any]:
    match answer:
        case Ok(response):
            return {"status": "ok", "response": response}
        case Err(text):
            return {"status": "err", "response": text}
        case _:
            assert_never(answer)
