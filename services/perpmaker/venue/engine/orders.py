"""What an order is, and the statuses it can end in.

`sz_e8` is what is left to execute. `recorded_sz_e8` is what the order record shows: the exchange refreshes a
record only when its status changes, so a partly filled resting order still shows its old size there.
Statuses are in `statuses`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perpmaker.venue.engine.statuses import Status

__all__ = ["Builder", "Grouping", "NewOrder", "Order", "Status", "Tif", "Trigger", "Wait"]


class Tif(StrEnum):
    """How long an order lives. `FrontendMarket` is the exchange's own spelling of an IOC market order."""

    ALO = "Alo"
    GTC = "Gtc"
    IOC = "Ioc"
    FRONTEND_MARKET = "FrontendMarket"

    @property
    def may_rest(self) -> bool:
        return self in (Tif.ALO, Tif.GTC)


class Grouping(StrEnum):
    """How the orders of one action belong together.

    `normalTpsl`: the first is the parent, the rest protect what it opens, with sizes of their own.
    `positionTpsl`: all protect the position, whatever its size becomes.
    """

    NONE = "na"
    NORMAL_TPSL = "normalTpsl"
    POSITION_TPSL = "positionTpsl"


class Wait(StrEnum):
    """What an open order outside the book waits for; the values are the exchange's answers to its placement."""

    NOTHING = ""
    TRIGGER = "waitingForTrigger"
    FILL = "waitingForFill"


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a stop or take-profit order becomes live: the mark reaches `px_e8` from the far side."""

    px_e8: int
    is_market: bool
    is_take_profit: bool

    def rises(self, is_buy: bool) -> bool:
        """Whether the mark has to rise to fire it: stops follow the market, take-profits meet it."""
        return is_buy != self.is_take_profit

    def is_reached(self, mark_px_e8: int, *, is_buy: bool) -> bool:
        return mark_px_e8 >= self.px_e8 if self.rises(is_buy) else mark_px_e8 <= self.px_e8


@dataclass(frozen=True, slots=True)
class Builder:
    """Who built the client, and its fee in tenths of a basis point of what is executed."""

    address: str
    fee_tenths_bp: int


@dataclass(slots=True)
class Order:
    """One order, open or remembered. Prices and sizes are scaled by 1e8, times are block times in ms.

    An order with `wait` is open but in no book and reserves no margin; it `has_fired` once its trigger was reached.
    `children` are the oids of the orders that protect this one, `siblings` of those that go when this one is filled.
    `priority_e8` is the fraction of the notional (1e-8) paid to stand ahead; `rested_ms` is when it joined its queue.
    `px_e8` of a market order bounds what it may pay.
    """

    oid: int
    address: str
    asset: int
    is_buy: bool
    px_e8: int
    sz_e8: int
    orig_sz_e8: int
    tif: Tif
    reduce_only: bool
    cloid: str | None
    placed_ms: int
    status: Status
    status_ms: int
    recorded_sz_e8: int
    trigger: Trigger | None = None
    wait: Wait = Wait.NOTHING
    is_position_tpsl: bool = False
    parent: int | None = None
    children: tuple[int, ...] = ()
    siblings: tuple[int, ...] = ()
    builder: Builder | None = None
    priority_e8: int = 0
    twap_id: int | None = None
    filled_sz_e8: int = 0
    rested_ms: int = 0
    has_fired: bool = False

    @property
    def is_open(self) -> bool:
        return self.status is Status.OPEN

    @property
    def is_waiting(self) -> bool:
        return self.wait is not Wait.NOTHING

    @property
    def is_market(self) -> bool:
        """Whether its price is only the bound of what it may pay."""
        return self.tif is Tif.FRONTEND_MARKET or (self.trigger is not None and self.trigger.is_market)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A placement as the engine takes it.

    `refusal` is set when the client asked for something this venue does not offer; the order is then refused
    with that text, by itself, and leaves no record. A size of zero is legal only for an order that protects a
    whole position.
    """

    asset: int
    is_buy: bool
    px_e8: int
    sz_e8: int
    tif: Tif
    reduce_only: bool = False
    cloid: str | None = None
    refusal: str | None = None
    trigger: Trigger | None = None
    builder: Builder | None = None
    priority_e8: int = 0

    @property
    def is_market(self) -> bool:
        return self.tif is Tif.FRONTEND_MARKET or (self.trigger is not None and self.trigger.is_market)
