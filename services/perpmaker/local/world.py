"""What a run looks like at one moment, as immutable values, and the fold of the services' streams that makes them."""

from __future__ import annotations

from dataclasses import dataclass

from perpmaker.common.decimals import mul_e8
from perpmaker.local.events import Filled, Tell
from perpmaker.local.processes import Condition
from perpmaker.local.two_sided import TwoSidedClock
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2
from perpmaker.proto.risk.v1 import risk_pb2

# A cancel under way ends only with evidence: until then the order rests in the book and can be filled.
_RESTING = frozenset(
    {
        common_pb2.ORDER_STATE_RESTING,
        common_pb2.ORDER_STATE_PARTIALLY_FILLED,
        common_pb2.ORDER_STATE_CANCEL_PENDING,
    }
)
_TERMINAL = frozenset(
    {
        common_pb2.ORDER_STATE_FILLED,
        common_pb2.ORDER_STATE_CANCELLED,
        common_pb2.ORDER_STATE_REJECTED,
        common_pb2.ORDER_STATE_NEVER_LANDED,
    }
)


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """One of our live orders."""

    cloid: str
    is_buy: bool
    px_e8: int
    remaining_e8: int
    is_resting: bool
    is_unknown: bool


@dataclass(frozen=True, slots=True)
class MarketView:
    """One market."""

    market: str
    maker: str
    mid_px_e8: int
    """0 while no price was seen."""
    orders: tuple[OwnOrder, ...]
    position_e8: int
    pnl_quote_e8: int
    """Since the ledger began, marked to the mid."""
    fills: int
    two_sided_ratio: float | None
    half_spread_bps: float
    restrictions: tuple[str, ...]
    """Short words for everything that keeps it from quoting freely."""

    @property
    def resting(self) -> tuple[OwnOrder, ...]:
        """Orders in the book."""
        return tuple(order for order in self.orders if order.is_resting)


@dataclass(frozen=True, slots=True)
class ServiceView:
    """One process."""

    name: str
    condition: Condition
    restarts: int
    pid: int | None
    rss_mb: float | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole run."""

    elapsed_s: float
    quoting_s: float | None
    """Since every quoter was ready; None before."""
    markets: tuple[MarketView, ...]
    services: tuple[ServiceView, ...]


class MarketFold:
    """What has been heard of one market."""

    def __init__(self, market: str, maker: str, tell: Tell) -> None:
        self.market = market
        self.maker = maker
        self.two_sided = TwoSidedClock()
        self._tell = tell
        self._orders: dict[str, OwnOrder] = {}
        self._position = common_pb2.Position(market=market)
        self._bid_px_e8 = 0
        self._ask_px_e8 = 0
        self._mark_px_e8 = 0
        self._hold: tuple[str, ...] = ("starting",)
        self._permission: tuple[str, ...] = ()
        self._quoter: tuple[str, ...] = ()
        self._half_spread_bps = 0.0

    def on_orders(self, message: orderstate_pb2.WatchResponse, now_s: float) -> None:
        """Apply a message of order-state's watch stream."""
        match message.WhichOneof("event"):
            case "snapshot":
                self._orders = {order.cloid: _own(order) for order in message.snapshot.orders}
                self._position = message.snapshot.standing.position
                self._hold = _held(message.snapshot.hold)
            case "order":
                if message.order.state in _TERMINAL:
                    self._orders.pop(message.order.cloid, None)
                else:
                    self._orders[message.order.cloid] = _own(message.order)
            case "standing":
                self._position = message.standing.position
            case "hold":
                self._hold = _held(message.hold)
            case "fill":
                fill = message.fill.fill
                self._tell(
                    Filled(
                        self.market,
                        fill.side == common_pb2.SIDE_BUY,
                        fill.px_e8,
                        fill.sz_e8,
                        fill.fee_quote_e8,
                        fill.tid,
                    )
                )
            case "refusal" | None:
                return
        sides = {order.is_buy for order in self._orders.values() if order.is_resting}
        self.two_sided.set(len(sides) == 2, now_s)

    def on_orders_lost(self, now_s: float) -> None:
        """The watch stream is down: what is not seen does not count as quoted."""
        self._hold = ("order-state away",)
        self.two_sided.set(False, now_s)

    def on_market_data(self, message: gateway_pb2.MarketDataServiceSubscribeResponse) -> None:
        """Apply a message of the gateway's market data stream."""
        match message.WhichOneof("event"):
            case "bbo":
                self._bid_px_e8, self._ask_px_e8 = message.bbo.bid.px_e8, message.bbo.ask.px_e8
            case "book":
                self._bid_px_e8 = message.book.bids[0].px_e8 if message.book.bids else 0
                self._ask_px_e8 = message.book.asks[0].px_e8 if message.book.asks else 0
            case "context":
                self._mark_px_e8 = message.context.mark_px_e8
            case "trades" | "feed" | None:
                return

    def on_permission(self, permission: risk_pb2.Permission) -> None:
        """Take what risk allows at the moment."""
        words = tuple(permission.reasons)
        self._permission = (f"killed ({permission.trip_id})", *words) if permission.killed else words

    def on_quoter(self, reasons: tuple[str, ...], half_spread_bps: float) -> None:
        """Take what the quoter says of itself."""
        self._quoter, self._half_spread_bps = reasons, half_spread_bps

    def on_quoter_lost(self) -> None:
        """The quoter does not answer."""
        self._quoter = ("quoter away",)

    def view(self, now_s: float) -> MarketView:
        """The market as of now."""
        if self._bid_px_e8 and self._ask_px_e8:
            mid_px_e8 = (self._bid_px_e8 + self._ask_px_e8) // 2
        else:
            mid_px_e8 = self._mark_px_e8
        position = self._position
        restrictions = dict.fromkeys((*self._hold, *self._permission, *self._quoter))
        return MarketView(
            market=self.market,
            maker=self.maker,
            mid_px_e8=mid_px_e8,
            orders=tuple(self._orders.values()),
            position_e8=position.sz_e8,
            pnl_quote_e8=position.cash_quote_e8 + mul_e8(position.sz_e8, mid_px_e8),
            fills=position.fills,
            two_sided_ratio=self.two_sided.ratio(now_s),
            half_spread_bps=self._half_spread_bps,
            restrictions=tuple(restrictions),
        )


def _own(order: common_pb2.Order) -> OwnOrder:
    return OwnOrder(
        cloid=order.cloid,
        is_buy=order.side == common_pb2.SIDE_BUY,
        px_e8=order.px_e8,
        remaining_e8=order.sz_e8 - order.filled_e8,
        is_resting=order.state in _RESTING,
        is_unknown=order.state == common_pb2.ORDER_STATE_UNKNOWN,
    )


def _held(hold: orderstate_pb2.Hold) -> tuple[str, ...]:
    return tuple(hold.reasons) or ("held",) if hold.held else ()
