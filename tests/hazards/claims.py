"""Which hazards of an order's life there are, and the tests that claim to prove what the gateway makes of each.

A claim is kept honest while its test runs: exactly the switches it names must have been thrown.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import ParamSpec


class Hazard(StrEnum):
    """Hazards as the exchange reference calls them, each after the section that tells of it."""

    LOST_ACK_AFTER_COMMIT = "16.2 lost ack after commit"
    ACK_LOST_BEFORE_COMMIT = "16.2 ack lost before commit"
    REFUSED_MODIFY_CANCELS_OLD_LEG = "16.2 refused modify that cancels old leg"
    MODIFY_OF_FILLED_ORDER = "16.2 modify of filled order"
    ALWAYS_PLACE_ON_FILLED_ORDER = "16.2 always_place on filled order"
    GTC_PARTIAL_WITH_LIVE_REMAINDER = "16.2 Gtc partial filled with live remainder"
    ALO_REJECT_STORM = "16.2 ALO reject storm"
    CANCEL_FILL_RACE = "16.2 cancel/fill race"
    MARGIN_CANCELED = "16.2 engine cancels: marginCanceled"
    SELF_TRADE_CANCELED = "16.2 engine cancels: selfTradeCanceled"
    REDUCE_ONLY_CANCELED = "16.2 engine cancels: reduceOnlyCanceled"
    OPEN_INTEREST_CAP_CANCELED = "16.2 engine cancels: openInterestCapCanceled"
    SCHEDULED_CANCEL = "16.2 engine cancels: scheduledCancel"
    LIQUIDATED_CANCELED = "16.2 engine cancels: liquidatedCanceled"
    DELISTED_CANCELED = "16.2 engine cancels: delistedCanceled"
    OTHER_ENGINE_CANCEL = "8.4 cancelled by engine, for any other reason"
    REDUCE_ONLY_TRIM = "16.2 RO trim / excess RO"
    UNKNOWN_OID_OF_NEW_ORDER = "16.2 unknownOid (new)"
    UNKNOWN_OID_OF_OLD_ORDER = "16.2 unknownOid (old)"
    DUPLICATE_STREAM_ITEMS = "16.2 duplicate stream items"
    REORDERED_STREAM_ITEMS = "16.2 reordered stream items"
    FILL_BEFORE_OPEN = "16.2 fill before open"
    NEW_OPEN_AFTER_OLD_CANCEL = "16.2 new open after old cancel"
    CLOID_SHARED_BY_TWO_OIDS = "16.2 cloid shared by two oids during modify"
    BATCH_WITH_ONE_ERROR = "16.2 batch: single error for n orders"
    BATCH_WITH_MIXED_STATUSES = "16.2 batch: mixed statuses"
    WAITING_FOR_TRIGGER_WITHOUT_OID = "16.2 waitingForTrigger without oid"
    LAGGING_SNAPSHOT = "11.5 snapshots that lag the stream"
    REFUSAL = "8.1 per-order errors"
    LATENCY = "16.1 independent delays"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a test proves: hazards, made by these switches of the venue; none where the market makes them."""

    hazards: tuple[Hazard, ...]
    switches: frozenset[str]


P = ParamSpec("P")
_THROWN: ContextVar[set[str]] = ContextVar("thrown")
CLAIM = "claim"


def note_thrown(switch: str) -> None:
    """Say that the running test has thrown a switch."""
    _THROWN.get().add(switch)


def proves(*hazards: Hazard, by: str = "") -> Callable[[Callable[P, Awaitable[None]]], Callable[P, Awaitable[None]]]:
    """Claim hazards for a test; `by` names the switches it throws, separated by blanks."""
    claim = Claim(hazards, frozenset(by.split()))

    def decorate(test: Callable[P, Awaitable[None]]) -> Callable[P, Awaitable[None]]:
        @functools.wraps(test)
        async def run(*args: P.args, **kwargs: P.kwargs) -> None:
            thrown: set[str] = set()
            token = _THROWN.set(thrown)
            try:
                await test(*args, **kwargs)
            finally:
                _THROWN.reset(token)
            assert thrown == claim.switches

        setattr(run, CLAIM, claim)
        return run

    return decorate
