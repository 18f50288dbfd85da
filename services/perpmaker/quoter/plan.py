"""What a plan is: cancels, replacements and placements, each with its reason, and what was left alone and
why."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from perpmaker.quoter.values import LiveOrder, Side, TargetLevel


class Reason(StrEnum):
    """Why something is done or left alone."""

    PRICE = "price"
    SIZE = "size"
    RELEVEL = "relevel"
    """The order serves another level than it was placed for."""
    NEW_LEVEL = "new_level"
    FLATTEN = "flatten"
    """Closes the position."""
    NO_TARGET = "no_target"
    DRIFT = "drift"
    """Orders are so far off that everything is cancelled before anything is placed."""
    PULL = "pull"
    """Nothing may be in the book."""
    STALE = "stale"
    """On the wrong side of the fair price while it may not be replaced."""
    REFUSED = "refused"
    """Replacing it was refused for exposure."""
    WITHIN_TOLERANCE = "within_tolerance"
    IN_DOUBT = "in_doubt"
    """An order of that level has no known outcome yet."""
    OWN_CROSS = "own_cross"
    """Would meet an order of our own that has not left yet."""
    TOO_MANY = "too_many"
    """The market would have more live orders than the trader allows."""
    EXPOSURE = "exposure"
    """Everything live filling would leave the side's room."""
    HELD = "held"
    THROTTLED = "throttled"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel one order."""

    order: LiveOrder
    reason: Reason


@dataclass(frozen=True, slots=True)
class Replacement:
    """Replace one working order by the target's."""

    order: LiveOrder
    target: TargetLevel
    reason: Reason


@dataclass(frozen=True, slots=True)
class Placement:
    """Place the target's order."""

    target: TargetLevel
    reason: Reason


@dataclass(frozen=True, slots=True)
class Skip:
    """Leave a level as it is."""

    side: Side
    level: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """One step from the live orders toward the target."""

    cancels: tuple[Cancel, ...] = field(default=())
    replaces: tuple[Replacement, ...] = field(default=())
    places: tuple[Placement, ...] = field(default=())
    skips: tuple[Skip, ...] = field(default=())

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be sent."""
        return not (self.cancels or self.replaces or self.places)

    @property
    def adds(self) -> bool:
        """Whether it brings new orders to the book."""
        return bool(self.replaces or self.places)


NOTHING = Plan()
