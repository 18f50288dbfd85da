"""What an order is, and the statuses it can end in.

`sz_e8` is what is left to execute. `recorded_sz_e8` is what the order record shows: the exchange refreshes a
record only when its status changes, so a partly filled resting order still shows its old size there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tif(StrEnum):
    """How long an order lives. `FrontendMarket` is the exchange's own spelling of an IOC market order."""

    ALO = "Alo"
    GTC = "Gtc"
    IOC = "Ioc"
    FRONTEND_MARKET = "FrontendMarket"

    @property
    def may_rest(self) -> bool:
        return self in (Tif.ALO, Tif.GTC)


class Status(StrEnum):
    """Order statuses this venue can produce, spelled as on the wire."""

    OPEN = "open"
    FILLED = "filled"
    CANCELED = "canceled"
    MARGIN_CANCELED = "marginCanceled"
    SELF_TRADE_CANCELED = "selfTradeCanceled"
    REDUCE_ONLY_CANCELED = "reduceOnlyCanceled"
    SCHEDULED_CANCEL = "scheduledCancel"
    MIN_NOTIONAL_REJECTED = "minTradeNtlRejected"
    MARGIN_REJECTED = "perpMarginRejected"
    MAX_POSITION_REJECTED = "perpMaxPositionRejected"
    REDUCE_ONLY_REJECTED = "reduceOnlyRejected"
    BAD_ALO_REJECTED = "badAloPxRejected"
    IOC_REJECTED = "iocCancelRejected"
    TOO_MANY_ORDERS_REJECTED = "tooManyOpenOrdersRejected"


@dataclass(slots=True)
class Order:
    """One order, open or remembered. Prices and sizes are scaled by 1e8, times are block times in ms."""

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

    @property
    def is_open(self) -> bool:
        return self.status is Status.OPEN


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A placement as the engine takes it.

    `refusal` is set when the client asked for something this venue does not offer; the order is then refused
    with that text, by itself, and leaves no record.
    """

    asset: int
    is_buy: bool
    px_e8: int
    sz_e8: int
    tif: Tif
    reduce_only: bool = False
    cloid: str | None = None
    refusal: str | None = None
