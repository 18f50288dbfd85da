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
    """What an order meets at the exchange and must survive; docs/venue.md, "Faults", tells how each is made."""

    LOST_ACK_AFTER_COMMIT = "lost ack after commit"
    ACK_LOST_BEFORE_COMMIT = "ack lost before commit"
    REFUSED_MODIFY_CANCELS_OLD_LEG = "refused modify that cancels old leg"
    MODIFY_OF_FILLED_ORDER = "modify of filled order"
    ALWAYS_PLACE_ON_FILLED_ORDER = "always_place on filled order"
    GTC_PARTIAL_WITH_LIVE_REMAINDER = "Gtc partial filled with live remainder"
    ALO_REJECT_STORM = "ALO reject storm"
    CANCEL_FILL_RACE = "cancel/fill race"
    MARGIN_CANCELED = "engine cancels: marginCanceled"
    SELF_TRADE_CANCELED = "engine cancels: selfTradeCanceled"
    REDUCE_ONLY_CANCELED = "engine cancels: reduceOnlyCanceled"
    OPEN_INTEREST_CAP_CANCELED = "engine cancels: openInterestCapCanceled"
    SCHEDULED_CANCEL = "engine cancels: scheduledCancel"
    LIQUIDATED_CANCELED = "engine cancels: liquidatedCanceled"
    DELISTED_CANCELED = "engine cancels: delistedCanceled"
    OTHER_ENGINE_CANCEL = "cancelled by engine, for any other reason"
    REDUCE_ONLY_TRIM = "RO trim / excess RO"
    UNKNOWN_OID_OF_NEW_ORDER = "unknownOid (new)"
    UNKNOWN_OID_OF_OLD_ORDER = "unknownOid (old)"
    DUPLICATE_STREAM_ITEMS = "duplicate stream items"
    REORDERED_STREAM_ITEMS = "reordered stream items"
    FILL_BEFORE_OPEN = "fill before open"
    NEW_OPEN_AFTER_OLD_CANCEL = "new open after old cancel"
    CLOID_SHARED_BY_TWO_OIDS = "cloid shared by two oids during modify"
    BATCH_WITH_ONE_ERROR = "batch: single error for n orders"
    BATCH_WITH_MIXED_STATUSES = "batch: mixed statuses"
    WAITING_FOR_TRIGGER_WITHOUT_OID = "waitingForTrigger without oid"
    LAGGING_SNAPSHOT = "snapshots that lag the stream"
    REFUSAL = "per-order errors"
    LATENCY = "independent delays"


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
