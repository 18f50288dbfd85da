"""The newest word of every source, and when it was said; from it the immutable pictures of an evaluation are made.

Ages are measured on the local monotonic clock from receipt, so they need no agreement between clocks. A lost stream
makes its facts not live at once; their values stay, because a position does not go away when nobody reports it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from perpmaker.api.parts import MarketRiskPart
from perpmaker.common.clock import Clock
from perpmaker.common.decimals import E8
from perpmaker.hyperliquid.instruments import rules_of
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate
from perpmaker.risk.day import Day, observe, observe_total, utc_date
from perpmaker.risk.latch import ACCOUNT
from perpmaker.risk.state import AccountRisk, Instrument, Pending, RiskState, TradeLimits, limit_in_lots_e8

MARK_PREFERRED_FOR_MS = 10_000
"""The exchange's mark is used while it is at most this old, then the mid."""

_STOPPING = "stopping"
"""Word of order-state's holds."""


@dataclass(slots=True)
class MarketFacts:
    """What was heard of one market; `*_at_ms` are monotonic milliseconds of receipt, None for never."""

    standing: orderstate.Standing | None = None
    standing_at_ms: int | None = None
    order_state_live: bool = False
    order_state_stops: bool = False
    """Order-state holds the market because it is about to end."""
    unknown_orders: dict[str, common.Order] = field(default_factory=dict)
    mid_px_e8: int = 0
    book_at_ms: int | None = None
    mark_px_e8: int = 0
    mark_at_ms: int | None = None
    stream_live: bool = False
    feed_live: bool = True
    instrument: Instrument | None = None
    liquidation_px_e8: int = 0
    liquidation_sz_e8: int = 0

    @property
    def fills(self) -> int:
        """Fills in the ledger."""
        return self.standing.position.fills if self.standing is not None else 0


class Facts:
    """What was heard of the account and each of its markets."""

    def __init__(self, markets: Iterable[str], clock: Clock) -> None:
        self.markets: dict[str, MarketFacts] = {market: MarketFacts() for market in markets}
        self._clock = clock
        self._account: gateway.AccountState | None = None
        self._account_at_ms: int | None = None
        self._gap_open = True
        # Of every market the gateway serves: it may serve one before it is served here, and does not repeat itself.
        self._trade_limits: dict[str, tuple[gateway.TradeLimits, int]] = {}
        self.liquidated = False
        """Set once the exchange has reported a liquidation of this account; taken back by whoever acts on it."""

    def serve(self, markets: Iterable[str]) -> None:
        """Keep facts of these markets from now on and of no others; what is known of those that stay, stays."""
        self.markets = {market: self.markets.get(market) or MarketFacts() for market in markets}

    def _now_ms(self) -> int:
        return self._clock.monotonic_ns() // 1_000_000

    # order-state

    def on_watch(self, message: orderstate.WatchResponse) -> None:
        """Take one message of `Orders.Watch`."""
        facts = self.markets.get(message.trace.market)
        if facts is None:
            return
        match message.WhichOneof("event"):
            case "snapshot":
                facts.order_state_stops = _STOPPING in message.snapshot.hold.reasons
                facts.unknown_orders = {o.cloid: o for o in message.snapshot.orders if _is_unknown(o)}
                facts.standing, facts.standing_at_ms = message.snapshot.standing, self._now_ms()
                facts.order_state_live = True
            case "standing":
                facts.standing, facts.standing_at_ms = message.standing, self._now_ms()
            case "order":
                if _is_unknown(message.order):
                    facts.unknown_orders[message.order.cloid] = message.order
                else:
                    facts.unknown_orders.pop(message.order.cloid, None)
            case "hold":
                facts.order_state_stops = _STOPPING in message.hold.reasons
            case "fill" | "refusal" | None:
                pass  # a standing follows every fill; refusals are the quoter's and order-state's business

    def on_watch_lost(self, market: str) -> None:
        """Order-state is silent: nothing it said of a market is current until the next snapshot."""
        if market in self.markets:
            self.markets[market].order_state_live = False
            self.markets[market].order_state_stops = False

    # gateway

    def on_market_data(self, message: gateway.MarketDataServiceSubscribeResponse) -> None:
        """Take one message of `MarketData.Subscribe`."""
        facts = self.markets.get(message.trace.market)
        if facts is None:
            return
        facts.stream_live = True
        match message.WhichOneof("event"):
            case "bbo":
                self._take_touch(facts, message.bbo.bid.px_e8, message.bbo.ask.px_e8)
            case "book":
                bids, asks = message.book.bids, message.book.asks
                self._take_touch(facts, bids[0].px_e8 if bids else 0, asks[0].px_e8 if asks else 0)
            case "context":
                if message.context.mark_px_e8 > 0:
                    facts.mark_px_e8, facts.mark_at_ms = message.context.mark_px_e8, self._now_ms()
            case "feed":
                facts.feed_live = message.feed.live
            case "instrument":
                self.on_instruments([message.instrument])
            case "trades" | "tick_changed" | None:
                pass  # trades have an age of their own and say nothing about the book's

    def _take_touch(self, facts: MarketFacts, bid_px_e8: int, ask_px_e8: int) -> None:
        facts.book_at_ms = self._now_ms()
        if bid_px_e8 > 0 and ask_px_e8 > 0:
            facts.mid_px_e8 = (bid_px_e8 + ask_px_e8) // 2

    def on_market_data_lost(self, market: str) -> None:
        """The gateway's stream of a market is gone, its feed with it."""
        if market in self.markets:
            self.markets[market].stream_live = False

    def on_account_event(self, message: gateway.AccountServiceSubscribeResponse) -> None:
        """Take one message of `Account.Subscribe`."""
        match message.WhichOneof("event"):
            case "gap_opened":
                self._gap_open = True
            case "gap_closed":
                self._gap_open = False
            case "account":
                self.on_account(message.account)
            case "trade_limits":
                self._trade_limits[message.trace.market] = (message.trade_limits, self._now_ms())
            case "liquidation":
                self.liquidated = True
            case "order_update" | "fill" | "open_orders" | "funding" | "non_user_cancel" | "ledger_delta" | None:
                pass  # order-state keeps the ledger; deposits and withdrawals are not P&L and P&L never reads equity

    def on_account(self, account: gateway.AccountState) -> None:
        """Take equity, margin and liquidation prices, pushed or read."""
        self._account, self._account_at_ms = account, self._now_ms()
        held = {position.market: (position.liquidation_px_e8, position.sz_e8) for position in account.positions}
        for market, facts in self.markets.items():
            facts.liquidation_px_e8, facts.liquidation_sz_e8 = held.get(market, (0, 0))

    def on_account_lost(self, _reason: str) -> None:
        """The account stream is gone; it begins again with a gap barrier."""
        self._gap_open = True

    def on_instruments(self, instruments: Sequence[gateway.Instrument]) -> None:
        """Take the rules of markets, read or told."""
        for item in instruments:
            facts = self.markets.get(item.market)
            if facts is not None:
                facts.instrument = Instrument(rules_of(item).lot_e8, item.max_leverage, item.delisted)

    @property
    def account_age_ms(self) -> int | None:
        """Age of equity and margin; None when never seen."""
        return _age(self._account_at_ms, self._now_ms())

    @property
    def order_state_stops(self) -> bool:
        """Whether order-state is there and about to end."""
        return any(facts.order_state_stops for facts in self.markets.values())

    @property
    def open_orders(self) -> int:
        """Orders in the book or in doubt, all markets, as last heard."""
        return sum(facts.standing.exposure.open_orders for facts in self.markets.values() if facts.standing is not None)

    # pictures

    def observe_days(self, days: Mapping[str, Day]) -> dict[str, Day]:
        """Advance the P&L of the day of every market that has position and price, then the account's.

        What a market has won or lost today counts for the account also after the market was let go.
        """
        date = utc_date(self._clock.now_ms())
        advanced = dict(days)
        for market, facts in self.markets.items():
            mark = self._mark_px_e8(facts)
            if facts.standing is None or not facts.order_state_live or mark <= 0:
                continue
            position = facts.standing.position
            ledger_pnl_e8 = position.cash_quote_e8 + position.sz_e8 * mark // E8
            advanced[market] = observe(advanced.get(market), date, ledger_pnl_e8, position.fills)
        total_e8 = sum(day.pnl_e8 for market, day in advanced.items() if market != ACCOUNT and day.date == date)
        advanced[ACCOUNT] = observe_total(advanced.get(ACCOUNT), date, total_e8)
        return advanced

    def market_state(
        self, limits: MarketRiskPart, days: Mapping[str, Day], *, was_over_limit: bool = False
    ) -> RiskState:
        """Picture of one market."""
        facts = self.markets[limits.market]
        now_ms, wall_ms = self._now_ms(), self._clock.now_ms()
        mark = self._mark_px_e8(facts)
        standing = facts.standing if facts.standing is not None else orderstate.Standing()
        exposure = standing.exposure
        unknown_since = exposure.oldest_unknown_since_ms
        day = days.get(limits.market, Day(date="", base_e8=0))
        trade_limits = None
        if limits.market in self._trade_limits:
            stated, at_ms = self._trade_limits[limits.market]
            trade_limits = TradeLimits(stated.max_buy_e8, stated.max_sell_e8, now_ms - at_ms)
        lot_e8 = facts.instrument.lot_e8 if facts.instrument is not None else 0
        return RiskState(
            market=limits.market,
            max_position_e8=limit_in_lots_e8(limits.max_notional_e8, mark, lot_e8),
            position_e8=standing.position.sz_e8,
            was_over_limit=was_over_limit,
            pending=Pending(
                active_bid_e8=exposure.active_bid_e8,
                active_ask_e8=exposure.active_ask_e8,
                max_possible_bid_e8=exposure.max_possible_bid_e8,
                max_possible_ask_e8=exposure.max_possible_ask_e8,
                unknown_bid_e8=_unknown_e8(facts, common.SIDE_BUY),
                unknown_ask_e8=_unknown_e8(facts, common.SIDE_SELL),
                open_orders=exposure.open_orders,
                oldest_unknown_age_ms=max(0, wall_ms - unknown_since) if unknown_since else None,
            ),
            mark_px_e8=mark,
            day_pnl_e8=day.pnl_e8,
            peak_pnl_e8=day.peak_e8,
            drift_e8=standing.drift_e8,
            drift_age_ms=max(0, wall_ms - standing.drift_since_ms) if standing.drift_since_ms else 0,
            liquidation_px_e8=facts.liquidation_px_e8,
            liquidation_sz_e8=facts.liquidation_sz_e8,
            instrument=facts.instrument,
            trade_limits=trade_limits,
            order_state_live=facts.order_state_live,
            market_data_live=facts.stream_live and facts.feed_live,
            standing_age_ms=_age(facts.standing_at_ms, now_ms),
            book_age_ms=_age(facts.book_at_ms, now_ms),
            mark_age_ms=_age(facts.mark_at_ms, now_ms),
        )

    def account_risk(
        self, states: Mapping[str, RiskState], days: Mapping[str, Day], *, store_live: bool, verified_fresh: bool
    ) -> AccountRisk:
        """Picture of the account, with the notionals of these markets."""
        account = self._account if self._account is not None else gateway.AccountState()
        day = days.get(ACCOUNT, Day(date="", base_e8=0))
        return AccountRisk(
            equity_e8=account.equity_quote_e8,
            margin_used_e8=account.margin_used_quote_e8,
            account_age_ms=self.account_age_ms,
            gap_open=self._gap_open,
            store_live=store_live,
            verified_fresh=verified_fresh,
            gross_notional_e8=sum(state.notional_e8 for state in states.values()),
            net_notional_e8=sum(state.signed_notional_e8 for state in states.values()),
            day_pnl_e8=day.pnl_e8,
            peak_pnl_e8=day.peak_e8,
        )

    def _mark_px_e8(self, facts: MarketFacts) -> int:
        mark_age_ms = _age(facts.mark_at_ms, self._now_ms())
        fresh = mark_age_ms is not None and mark_age_ms <= MARK_PREFERRED_FOR_MS
        if fresh or facts.mid_px_e8 <= 0:
            return facts.mark_px_e8
        return facts.mid_px_e8


def _age(at_ms: int | None, now_ms: int) -> int | None:
    return None if at_ms is None else max(0, now_ms - at_ms)


def _is_unknown(order: common.Order) -> bool:
    return order.state == common.ORDER_STATE_UNKNOWN


def _unknown_e8(facts: MarketFacts, side: common.Side.ValueType) -> int:
    return sum(max(0, order.sz_e8 - order.filled_e8) for order in facts.unknown_orders.values() if order.side == side)
