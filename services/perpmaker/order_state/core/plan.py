"""What a quoter asks for, and the verdicts it can get."""

from __future__ import annotations

import enum

import msgspec


class Verdict(enum.IntEnum):
    """Verdict on one item of a plan; the numbers are those of `Verdict` in the contract."""

    ACCEPTED = 1
    NO_PERMISSION = 2
    FORBIDDEN = 3
    EXPOSURE = 4
    FENCED = 5
    LEVEL_BLOCKED = 6
    HELD = 7
    BACKOFF = 8
    NOT_LIVE = 9
    DUPLICATE = 10
    INVALID = 11
    STORE = 12


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order to place; price and size in 1e-8."""

    cloid: str
    is_buy: bool
    px_e8: int
    sz_e8: int
    reduce_only: bool = False
    time_in_force: int = 1
    level: int = 0


class Replacement(msgspec.Struct, frozen=True):
    """A live order to cancel and the order to place for it."""

    old_cloid: str
    order: NewOrder


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One decision of a session about one market."""

    market: str
    epoch: int
    sequence: int
    cancels: tuple[str, ...] = ()
    replaces: tuple[Replacement, ...] = ()
    places: tuple[NewOrder, ...] = ()


class Judged(msgspec.Struct, frozen=True):
    """Verdict on one item, with the facts for people."""

    cloid: str
    verdict: Verdict
    detail: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether the item goes on."""
        return self.verdict is Verdict.ACCEPTED


class Judgement(msgspec.Struct, frozen=True):
    """Verdicts on a plan, in the order of its items."""

    cancels: tuple[Judged, ...] = ()
    replaces: tuple[Judged, ...] = ()
    places: tuple[Judged, ...] = ()
