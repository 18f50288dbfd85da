"""Answers of the exchange to outcomes, one per item: pure, and never more certain than the answer.

An answer that does not fit the question makes every item Unknown. A refusal counts only if it proves that the action
neither landed nor can land: after a second transport carried the same bytes, a refusal given before the nonce was
looked at says nothing about the first copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, assert_never

import msgspec

from perpmaker.common.decimals import parse_e8, parse_rounded_e8
from perpmaker.gateway.malformed import COMPLAINTS, UNREADABLE
from perpmaker.hyperliquid.answers import ExchangeAnswer, FilledStatus, ItemStatus, OkResponse, StatusesData
from perpmaker.hyperliquid.rejections import RejectionClass, classify, is_duplicate_nonce
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

UnknownReason = Literal["timeout", "socket_closed", "http_error", "malformed_response", "duplicate_nonce", "shutdown"]
"""Why an outcome is not known: the words of the contract."""

_ANSWER = msgspec.json.Decoder(ExchangeAnswer)
_TEXT = msgspec.json.Decoder(str)
_OK = msgspec.json.Decoder(OkResponse)

_CLASS = {
    RejectionClass.POSITION_LIMIT: pb.REJECTION_CLASS_POSITION_LIMIT,
    RejectionClass.MARGIN: pb.REJECTION_CLASS_MARGIN,
    RejectionClass.POST_ONLY_CROSS: pb.REJECTION_CLASS_POST_ONLY_CROSS,
    RejectionClass.TICK_OR_LOT: pb.REJECTION_CLASS_TICK_OR_LOT,
    RejectionClass.MIN_NOTIONAL: pb.REJECTION_CLASS_MIN_NOTIONAL,
    RejectionClass.REDUCE_ONLY: pb.REJECTION_CLASS_REDUCE_ONLY,
    RejectionClass.PRICE_BAND: pb.REJECTION_CLASS_PRICE_BAND,
    RejectionClass.RATE_LIMIT: pb.REJECTION_CLASS_RATE_LIMIT,
    RejectionClass.AUTH: pb.REJECTION_CLASS_AUTH,
    RejectionClass.ORDER_GONE: pb.REJECTION_CLASS_ORDER_GONE,
    RejectionClass.MODIFY_LOST_ORDER: pb.REJECTION_CLASS_MODIFY_LOST_ORDER,
    RejectionClass.EXPIRED: pb.REJECTION_CLASS_EXPIRED,
    RejectionClass.NO_LIQUIDITY: pb.REJECTION_CLASS_NO_LIQUIDITY,
    RejectionClass.UNRECOGNIZED: pb.REJECTION_CLASS_UNRECOGNIZED,
}


@dataclass(frozen=True, slots=True)
class Refused:
    """Top-level refusal of an action."""

    text: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The action ran; statuses is empty for actions that answer without any."""

    statuses: tuple[ItemStatus | str, ...]


@dataclass(frozen=True, slots=True)
class Malformed:
    """The answer is not one this version can read."""


Answer = Refused | Accepted | Malformed


def read_answer(payload: bytes | msgspec.Raw) -> Answer:
    """Read the body of an exchange answer."""
    try:
        answer = _ANSWER.decode(payload)
        if answer.status == "err":
            return Refused(_TEXT.decode(answer.response))
        data = _OK.decode(answer.response).data
    except UNREADABLE as error:
        COMPLAINTS.unreadable("rest", bytes(payload), error)
        return Malformed()
    match data:
        case StatusesData():
            return Accepted(data.statuses)
        case None:
            return Accepted(())
        case _:
            return Malformed()


def unknown(names: Sequence[str], reason: UnknownReason) -> list[pb.Outcome]:
    """Not known for every item."""
    return [pb.Outcome(cloid=name, unknown=pb.Unknown(reason=reason)) for name in names]


def not_sent(names: Sequence[str], reason: str) -> list[pb.Outcome]:
    """Provably not sent, for every item."""
    return [pb.Outcome(cloid=name, not_sent=pb.NotSent(reason=reason)) for name in names]


def rejected(name: str, text: str) -> pb.Outcome:
    """Refused with the exchange's text."""
    refusal = pb.Rejected(text=text)
    setattr(refusal, "class", _CLASS[classify(text)])  # a keyword of Python, a field of the message
    return pb.Outcome(cloid=name, rejected=refusal)


def from_answer(names: Sequence[str], answer: Answer, *, second_copy: bool) -> list[pb.Outcome]:
    """Outcomes of an action with these items.

    `second_copy` is set when the answer belongs to bytes that had left by another transport before.
    """
    match answer:
        case Malformed():
            return unknown(names, "malformed_response")
        case Refused(text):
            if is_duplicate_nonce(text):
                return unknown(names, "duplicate_nonce")
            # Expiry is checked after the nonce was admitted: the first copy can no longer land.
            if second_copy and classify(text) is not RejectionClass.EXPIRED:
                return unknown(names, "timeout")
            return [rejected(name, text) for name in names]
        case Accepted(statuses):
            return _zip(names, statuses)
        case _:
            assert_never(answer)


def _zip(names: Sequence[str], statuses: tuple[ItemStatus | str, ...]) -> list[pb.Outcome]:
    if len(statuses) == len(names):
        return [_outcome(name, status) for name, status in zip(names, statuses, strict=True)]
    text = _error_of(statuses[0]) if len(statuses) == 1 else None
    if text is not None:
        # Pre-validation refuses a batch as a whole with one error, and nothing of it was executed.
        return [rejected(name, text) for name in names]
    return unknown(names, "malformed_response")


def _error_of(status: ItemStatus | str) -> str | None:
    return status.error if isinstance(status, ItemStatus) and _says_one_thing(status) else None


def _outcome(name: str, status: ItemStatus | str) -> pb.Outcome:
    if status == "success":
        return pb.Outcome(cloid=name, cancelled=pb.Cancelled())
    if isinstance(status, ItemStatus) and _says_one_thing(status):
        try:
            if status.error is not None:
                return rejected(name, status.error)
            if status.resting is not None:
                return pb.Outcome(cloid=name, resting=pb.Resting(oid=status.resting.oid))
            if status.filled is not None:
                return pb.Outcome(cloid=name, filled=_filled(status.filled))
        except ValueError as error:  # no decimal, or beyond what the contract's integers hold
            COMPLAINTS.unreadable("rest", repr(status).encode(errors="replace"), error)
    return pb.Outcome(cloid=name, unknown=pb.Unknown(reason="malformed_response"))


def _says_one_thing(status: ItemStatus) -> bool:
    return [status.resting, status.filled, status.error].count(None) == 2


def _filled(filled: FilledStatus) -> pb.Filled:
    return pb.Filled(oid=filled.oid, total_sz_e8=parse_e8(filled.total_sz), avg_px_e8=parse_rounded_e8(filled.avg_px))
