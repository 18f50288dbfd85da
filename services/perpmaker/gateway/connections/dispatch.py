"""A signed action on its way to an answer: WebSocket first, the same bytes by REST when it stays silent.

A cancel that fails at one door tries the other.

Guarantees: nothing is reported as not sent unless no byte left; the REST copy carries the bytes of the first, so the
exchange takes at most one; an answer that comes after its action was given up is still reported when it decides
something.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.gateway import metrics
from perpmaker.gateway.connections.order_entry import Answered, HttpFailure, Lost, NotConnectedError, OrderEntry, Post
from perpmaker.gateway.connections.rest import NeverLeft, Rest, RestResult
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.outcomes import Refused, from_answer, not_sent, read_answer, unknown
from perpmaker.gateway.signing import SignedAction
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_LATE_ANSWER_S = 60.0

_log = logs.get(__name__)

Report = Callable[[list[pb.Outcome]], None]


@dataclass(frozen=True, slots=True)
class Departure:
    """An action that was handed over; without a post nothing was written, and a cancel goes by REST."""

    label: str
    """Word for metrics: cancel, modify, place, or the name of another action."""
    signed: SignedAction
    names: Sequence[str]
    is_cancel: bool
    post: Post | None
    at_ns: int


class Dispatch:
    """Sends signed actions and finds out what became of them."""

    def __init__(
        self, entry: OrderEntry, rest: Rest, clock: Clock, measurements: Measurements, post_timeout_ms: int
    ) -> None:
        self._entry = entry
        self._rest = rest
        self._clock = clock
        self._measurements = measurements
        self._timeout_s = post_timeout_ms / 1000
        self._late: set[asyncio.Task[Any]] = set()

    async def depart(
        self, label: str, signed: SignedAction, names: Sequence[str], *, is_cancel: bool, by_socket: bool
    ) -> Departure:
        """Hand an action to the socket; awaits nothing but the write. Without `by_socket` a cancel is left to REST."""
        post = None
        if by_socket:
            with contextlib.suppress(NotConnectedError):
                post = await self._entry.post(signed.body)
        metrics.ITEMS.labels(label).inc(len(names))
        return Departure(label, signed, names, is_cancel, post, self._clock.monotonic_ns())

    async def resolve(self, departure: Departure, report: Report) -> None:
        """Report the outcomes of an action; once, or again when a later answer decides what was unknown."""
        if departure.post is None and not departure.is_cancel:
            report(not_sent(departure.names, "not_connected"))
            return
        if departure.post is None:
            report(await self._by_rest_only(departure))
            return
        done, _ = await asyncio.wait((departure.post.result,), timeout=self._timeout_s)
        if done:
            result = departure.post.result.result()
            outcomes = self._read(departure, result, "ws", second_copy=False)
            if departure.is_cancel and isinstance(result, HttpFailure):
                # The socket's door is shut or broken, which says nothing of the other one.
                outcomes = await self._by_rest_only(departure, second_copy=not _is_refusal(result))
            report(outcomes)
            return
        await self._by_both(departure, departure.post, report)

    async def _by_rest_only(self, departure: Departure, *, second_copy: bool = False) -> list[pb.Outcome]:
        self._rest.admit_action(len(departure.names), protects=True)
        result = await self._rest.exchange(departure.signed.body, self._timeout_s)
        return self._read(departure, result, "rest", second_copy=second_copy)

    async def _by_both(self, departure: Departure, post: Post, report: Report) -> None:
        _log.warning("post.timeout", action=departure.label, nonce=departure.signed.nonce, items=len(departure.names))
        if not self._rest.admit_action(len(departure.names), protects=departure.is_cancel):
            report(unknown(departure.names, "timeout"))
            self._wait_for_late_answer(departure, post, report)
            return
        metrics.FALLBACKS.labels(departure.label).inc()
        copy = asyncio.create_task(self._rest.exchange(departure.signed.body, self._timeout_s))
        await asyncio.wait((copy, post.result), return_when=asyncio.FIRST_COMPLETED)
        if post.result.done():
            outcomes = self._read(departure, post.result.result(), "ws", second_copy=True)
            if _is_decided(outcomes):
                report(outcomes)
                self._keep(copy)
                return
        outcomes = self._read(departure, await copy, "rest", second_copy=True)
        report(outcomes)
        if not _is_decided(outcomes):
            self._wait_for_late_answer(departure, post, report)

    def _wait_for_late_answer(self, departure: Departure, post: Post, report: Report) -> None:
        async def wait() -> None:
            done, _ = await asyncio.wait((post.result,), timeout=_LATE_ANSWER_S)
            if not done:
                return
            outcomes = self._read(departure, post.result.result(), "ws", second_copy=True)
            if _is_decided(outcomes):
                _log.info("post.late_answer", action=departure.label, nonce=departure.signed.nonce)
                report(outcomes)

        self._keep(asyncio.create_task(wait(), name="late-answer"))

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _read(self, departure: Departure, result: RestResult, transport: str, *, second_copy: bool) -> list[pb.Outcome]:
        names = departure.names
        match result:
            case Answered(payload):
                self._measurements.answered(departure.label, transport, self._clock.monotonic_ns() - departure.at_ns)
                answer = read_answer(payload)
                if isinstance(answer, Refused):
                    _log.warning("action.refused", action=departure.label, text=answer.text, transport=transport)
                    if "nonce" in answer.text.lower():
                        metrics.NONCE_REJECTS.inc()
                outcomes = from_answer(names, answer, second_copy=second_copy)
            case HttpFailure(status, text):
                _log.warning("action.http_failure", action=departure.label, status=status, transport=transport)
                if _is_refusal(result):
                    refusal = Refused(text if status != 429 else "429 too many requests")
                    outcomes = from_answer(names, refusal, second_copy=second_copy)
                else:
                    outcomes = unknown(names, "http_error")
            case Lost():
                outcomes = unknown(names, "socket_closed" if transport == "ws" else "timeout")
            case NeverLeft():
                outcomes = unknown(names, "timeout") if second_copy else not_sent(names, "not_connected")
            case _:
                assert_never(result)
        _count_errors(departure.label, outcomes)
        return outcomes


def _is_refusal(failure: HttpFailure) -> bool:
    """Whether the action was turned away before anybody looked at it."""
    return 400 <= failure.status < 500


def _is_decided(outcomes: Sequence[pb.Outcome]) -> bool:
    return any(outcome.WhichOneof("result") != "unknown" for outcome in outcomes)


def _count_errors(label: str, outcomes: Sequence[pb.Outcome]) -> None:
    for outcome in outcomes:
        if outcome.HasField("rejected"):
            name = pb.RejectionClass.Name(getattr(outcome.rejected, "class"))
            metrics.ERRORS.labels(label, name.removeprefix("REJECTION_CLASS_").lower()).inc()
        elif outcome.HasField("unknown"):
            metrics.ERRORS.labels(label, f"unknown_{outcome.unknown.reason}").inc()
