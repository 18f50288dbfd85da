"""Finds out what became of a placement: asks about it, spends its nonce, and waits until absence proves something."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

from perpmaker.common import logs
from perpmaker.gateway.connections.order_entry import Answered
from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.desk import ForgottenSignerError, SigningDesk
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.outcomes import Accepted, Refused, read_answer
from perpmaker.gateway.reads import AccountReads
from perpmaker.gateway.resolution import Evidence, Question, Traces, answer, settled_after_ms, verdict
from perpmaker.hyperliquid.lags import INDEX_LAG_MS
from perpmaker.hyperliquid.rejections import is_duplicate_nonce
from perpmaker.hyperliquid.wire import NoopAction
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_BURN_TIMEOUT_S: Final = 2.0
_ASK_EVERY_S: Final = 0.25
_ANSWER_WITHIN_S: Final = 4.5
"""Within the deadline of a caller's read."""
_FILLS_FROM_MS: Final = 60_000
"""How long before its nonce a placement's fills are looked for: nonces are times of our clock."""

_log = logs.get(__name__)


class PlacementResolver:
    """Resolves placements of one account."""

    def __init__(self, desk: SigningDesk, rest: Rest, reads: AccountReads, exchange_clock: ExchangeClock) -> None:
        self._desk = desk
        self._rest = rest
        self._reads = reads
        self._clock = exchange_clock

    async def burn(self, nonce: int) -> pb.BurnResult.ValueType:
        """Send a noop under a nonce, so that nothing else can be accepted under it."""
        try:
            signed = self._desk.sign(NoopAction(), nonce=nonce)
        except ForgottenSignerError:
            # Another key's noop would be accepted and prove nothing.
            return pb.BURN_RESULT_UNKNOWN
        # A burn proves that an order cannot land, so it may use what is reserved for taking orders away.
        self._rest.admit_action(1, protects=True)
        result = await self._rest.exchange(signed.body, _BURN_TIMEOUT_S)
        said = read_answer(result.payload) if isinstance(result, Answered) else None
        match said:
            case Accepted():
                outcome = pb.BURN_RESULT_BURNED
            case Refused(text) if is_duplicate_nonce(text):
                outcome = pb.BURN_RESULT_ALREADY_USED
            case _:
                outcome = pb.BURN_RESULT_UNKNOWN
        _log.info("nonce.burn", nonce=nonce, result=pb.BurnResult.Name(outcome))
        return outcome

    async def resolve(self, question: Question) -> pb.ResolveResponse:
        """Ask until there is a verdict, or until the caller must have an answer."""
        evidence = Evidence()
        try:
            async with asyncio.timeout(_ANSWER_WITHIN_S):
                while True:
                    evidence = await self._look(question, evidence)
                    if verdict(question, evidence)[0] != pb.RESOLUTION_STILL_UNKNOWN:
                        break
                    await asyncio.sleep(_ASK_EVERY_S)
        except TimeoutError:
            pass
        told = answer(question, evidence)
        _log.info("placement.resolved", resolution=pb.Resolution.Name(told.resolution), proof=told.proof)
        return told

    async def _look(self, question: Question, evidence: Evidence) -> Evidence:
        """One more round of questions; a read that fails adds nothing."""
        try:
            status = await self._reads.order_status(question.cloid)
        except ReadError:
            return evidence
        evidence = replace(evidence, status=status)
        if status.found:
            return evidence
        now_ms = self._clock.at_least_ms()
        if not self._has_expired(question, now_ms) and question.nonce and not evidence.spent_ms:
            burn = await self.burn(question.nonce)
            evidence = replace(evidence, burn=burn)
            if burn == pb.BURN_RESULT_ALREADY_USED:
                # It was spent when the noop was looked at, which may have been as late as now.
                evidence = replace(evidence, spent_ms=self._clock.now_ms())
            if burn != pb.BURN_RESULT_UNKNOWN:
                return evidence
        settled_ms = settled_after_ms(question, evidence)
        if not settled_ms or status.as_of_ms <= settled_ms + INDEX_LAG_MS:
            return evidence
        return replace(evidence, traces=await self._traces(question) or evidence.traces)

    @staticmethod
    def _has_expired(question: Question, now_ms: int) -> bool:
        return bool(question.expires_after_ms) and now_ms > question.expires_after_ms + INDEX_LAG_MS

    async def _traces(self, question: Question) -> Traces | None:
        try:
            open_orders = await self._reads.open_orders()
            as_of_ms = self._clock.at_least_ms()
            since_ms = max(0, (question.nonce or question.expires_after_ms) - _FILLS_FROM_MS)
            fills = await self._reads.fills(since_ms)
        except ReadError:
            return None
        return Traces(open_orders, any(fill.cloid == question.cloid for fill in fills), as_of_ms)
