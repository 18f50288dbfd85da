"""What the streams say becomes a picture with ages."""

from __future__ import annotations

from tests.support.risk import BTC, ETH, MARK_E8, bbo, mark, market_limits, snapshot_of, standing, trace

from perpmaker.common.clock import ManualClock
from perpmaker.common.decimals import E8
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orderstate
from perpmaker.risk.facts import Facts
from perpmaker.risk.state import AccountRisk, RiskState


class Heard:
    """Facts with a clock in hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.facts = Facts((BTC, ETH), self.clock)

    def state(self) -> RiskState:
        return self.facts.market_state(market_limits(), self.facts.observe_days({}))

    def account(self) -> AccountRisk:
        states = {BTC: self.state()}
        return self.facts.account_risk(states, {}, store_live=True, verified_fresh=True)

    def market(self, **event: object) -> None:
        self.facts.on_market_data(gateway.MarketDataServiceSubscribeResponse(trace=trace(), **event))  # type: ignore[arg-type]

    def account_event(self, **event: object) -> None:
        self.facts.on_account_event(gateway.AccountServiceSubscribeResponse(trace=trace(), **event))  # type: ignore[arg-type]


def test_markets_come_and_go_without_touching_what_is_known_of_the_others() -> None:
    heard = Heard()
    heard.facts.on_watch(snapshot_of(BTC, standing(position_e8=7)))
    heard.facts.serve((BTC,))
    heard.facts.on_watch_lost(ETH)
    heard.facts.on_watch(snapshot_of(ETH, standing(ETH, position_e8=9)))
    heard.facts.serve((BTC, ETH))
    assert heard.state().position_e8 == 7
    assert heard.state().order_state_live
    assert heard.facts.market_state(market_limits(ETH), {}).standing_age_ms is None


def test_trade_limits_of_a_market_are_kept_for_when_it_is_served() -> None:
    heard = Heard()
    heard.facts.serve(())
    heard.account_event(trade_limits=gateway.TradeLimits(max_buy_e8=3, max_sell_e8=4))
    heard.facts.serve((BTC,))
    limits = heard.state().trade_limits
    assert limits is not None
    assert (limits.max_buy_e8, limits.max_sell_e8) == (3, 4)


def test_the_accounts_day_keeps_what_a_market_lost_before_it_went() -> None:
    heard = Heard()
    heard.facts.on_market_data(mark(BTC, MARK_E8))
    heard.facts.on_watch(snapshot_of(BTC, standing()))
    days = heard.facts.observe_days({})
    heard.facts.on_watch(snapshot_of(BTC, standing(cash_e8=-50 * E8, fills=1)))
    days = heard.facts.observe_days(days)
    heard.facts.serve((ETH,))
    assert heard.facts.observe_days(days)[""].pnl_e8 == -50 * E8


def test_what_was_never_seen_has_no_age() -> None:
    heard = Heard()
    heard.clock.advance_ms(60_000)
    state = heard.state()
    assert (state.standing_age_ms, state.book_age_ms, state.mark_age_ms) == (None, None, None)
    assert not state.order_state_live
    assert (state.instrument, state.trade_limits) == (None, None)
    assert heard.account().account_age_ms is None
    assert heard.account().gap_open


def test_every_source_ages_by_itself() -> None:
    heard = Heard()
    heard.facts.on_watch(snapshot_of(BTC, standing()))
    heard.clock.advance_ms(10)
    heard.facts.on_market_data(bbo(BTC, MARK_E8 - E8, MARK_E8 + E8))
    heard.clock.advance_ms(100)
    heard.facts.on_market_data(mark(BTC, MARK_E8))
    heard.clock.advance_ms(1_000)
    state = heard.state()
    assert (state.standing_age_ms, state.book_age_ms, state.mark_age_ms) == (1_110, 1_100, 1_000)


def test_trades_say_nothing_about_the_age_of_the_book() -> None:
    heard = Heard()
    heard.facts.on_market_data(bbo(BTC, MARK_E8, MARK_E8 + E8))
    heard.clock.advance_ms(500)
    heard.market(trades=gateway.Trades(trades=[gateway.Trade(px_e8=MARK_E8)]))
    assert heard.state().book_age_ms == 500


def test_the_mark_is_the_exchanges_until_it_is_old_and_then_the_mid() -> None:
    heard = Heard()
    heard.market(book=gateway.Book(bids=[gateway.Level(px_e8=100)], asks=[gateway.Level(px_e8=200)]))
    assert heard.state().mark_px_e8 == 150
    heard.facts.on_market_data(mark(BTC, 777))
    assert heard.state().mark_px_e8 == 777
    heard.clock.advance_ms(10_001)
    assert heard.state().mark_px_e8 == 150


def test_a_one_sided_book_is_fresh_but_has_no_mid() -> None:
    heard = Heard()
    heard.market(book=gateway.Book(bids=[gateway.Level(px_e8=100)]))
    assert (heard.state().book_age_ms, heard.state().mark_px_e8) == (0, 0)
    heard.market(context=gateway.AssetContext())
    assert heard.state().mark_px_e8 == 0


def test_a_lost_feed_or_stream_is_not_live_at_once() -> None:
    heard = Heard()
    assert not heard.state().market_data_live
    heard.facts.on_market_data(bbo(BTC, 1, 3))
    assert heard.state().market_data_live
    heard.market(feed=gateway.FeedStatus(live=False, reason="idle"))
    assert not heard.state().market_data_live
    heard.market(feed=gateway.FeedStatus(live=True))
    assert heard.state().market_data_live
    heard.facts.on_market_data_lost(BTC)
    assert not heard.state().market_data_live


def test_a_lost_order_state_keeps_the_position_but_is_not_live() -> None:
    heard = Heard()
    heard.facts.on_watch(snapshot_of(BTC, standing(position_e8=5)))
    heard.facts.on_watch_lost(BTC)
    heard.facts.on_watch(orderstate.WatchResponse(trace=trace(), standing=standing(position_e8=6)))
    assert (heard.state().position_e8, heard.state().order_state_live) == (6, False)
    heard.facts.on_watch(snapshot_of(BTC, standing(position_e8=7)))
    assert heard.state().order_state_live


def unknown(cloid: str, side: common.Side.ValueType, sz_e8: int, *, filled_e8: int = 0) -> common.Order:
    return common.Order(
        cloid=cloid, market=BTC, side=side, sz_e8=sz_e8, filled_e8=filled_e8, state=common.ORDER_STATE_UNKNOWN
    )


def test_orders_in_doubt_are_summed_by_side_until_they_are_resolved() -> None:
    heard = Heard()
    bid = unknown("a", common.SIDE_BUY, 10, filled_e8=4)
    heard.facts.on_watch(snapshot_of(BTC, standing(), bid))
    ask = unknown("b", common.SIDE_SELL, 7)
    heard.facts.on_watch(orderstate.WatchResponse(trace=trace(), order=ask))
    assert (heard.state().pending.unknown_bid_e8, heard.state().pending.unknown_ask_e8) == (6, 7)
    bid.state = common.ORDER_STATE_RESTING
    heard.facts.on_watch(orderstate.WatchResponse(trace=trace(), order=bid))
    assert (heard.state().pending.unknown_bid_e8, heard.state().pending.unknown_ask_e8) == (0, 7)


def test_ages_told_in_wall_time_never_go_negative() -> None:
    heard = Heard()
    now_ms = heard.clock.now_ms()
    told = standing(drift_e8=3, drift_since_ms=now_ms - 40, oldest_unknown_since_ms=now_ms + 1_000)
    heard.facts.on_watch(snapshot_of(BTC, told))
    assert (heard.state().drift_age_ms, heard.state().pending.oldest_unknown_age_ms) == (40, 0)


def test_messages_that_say_nothing_about_risk_change_nothing() -> None:
    heard = Heard()
    before = heard.state()
    heard.facts.on_watch(orderstate.WatchResponse(trace=trace(), hold=orderstate.Hold(held=True)))
    heard.facts.on_watch(orderstate.WatchResponse(trace=trace("SOL"), standing=standing("SOL", position_e8=9)))
    heard.facts.on_market_data(bbo("SOL", 1, 3))
    heard.account_event(fill=common.Fill(market=BTC, sz_e8=5))
    heard.facts.on_account_event(
        gateway.AccountServiceSubscribeResponse(trace=trace("SOL"), trade_limits=gateway.TradeLimits())
    )
    heard.facts.on_instruments([gateway.Instrument(market="SOL", sz_decimals=2)])
    assert heard.state() == before


def test_the_account_stream_brings_equity_liquidation_prices_room_and_gaps() -> None:
    heard = Heard()
    heard.account_event(gap_opened=gateway.GapOpened(reason="start"))
    held = gateway.ExchangePosition(market=BTC, sz_e8=1, liquidation_px_e8=40_000)
    heard.account_event(account=gateway.AccountState(equity_quote_e8=9, margin_used_quote_e8=2, positions=[held]))
    heard.account_event(trade_limits=gateway.TradeLimits(max_buy_e8=3, max_sell_e8=4))
    assert heard.account().gap_open
    heard.account_event(gap_closed=gateway.GapClosed())
    heard.clock.advance_ms(30)
    account, room = heard.account(), heard.state().trade_limits
    assert (account.equity_e8, account.margin_used_e8, account.account_age_ms, account.gap_open) == (9, 2, 30, False)
    assert heard.state().liquidation_px_e8 == 40_000
    assert room is not None
    assert (room.max_buy_e8, room.max_sell_e8, room.age_ms) == (3, 4, 30)
    heard.account_event(account=gateway.AccountState(equity_quote_e8=9))
    assert heard.state().liquidation_px_e8 == 0
    heard.facts.on_account_lost("gone")
    assert heard.account().gap_open


def test_a_liquidation_is_remembered() -> None:
    heard = Heard()
    heard.account_event(liquidation=gateway.Liquidation(notional_quote_e8=1))
    assert heard.facts.liquidated


def test_the_limit_follows_mark_and_lot() -> None:
    heard = Heard()
    heard.facts.on_market_data(mark(BTC, MARK_E8))
    assert heard.state().max_position_e8 == 0
    heard.facts.on_instruments([gateway.Instrument(market=BTC, sz_decimals=5, max_leverage=40)])
    assert heard.state().max_position_e8 == E8 // 5


def test_pnl_is_cash_plus_position_at_the_mark_from_the_first_look_on() -> None:
    heard = Heard()
    heard.facts.on_market_data(mark(BTC, MARK_E8))
    heard.facts.on_watch(snapshot_of(BTC, standing(position_e8=E8, cash_e8=-MARK_E8, fills=1)))
    days = heard.facts.observe_days({})
    heard.facts.on_market_data(mark(BTC, MARK_E8 + 5 * E8))
    days = heard.facts.observe_days(days)
    assert (days[BTC].pnl_e8, days[""].pnl_e8, days[""].peak_e8) == (5 * E8, 5 * E8, 5 * E8)


def test_a_silent_order_state_does_not_move_the_days_pnl() -> None:
    heard = Heard()
    heard.facts.on_market_data(mark(BTC, MARK_E8))
    heard.facts.on_watch(snapshot_of(BTC, standing(position_e8=E8, fills=1)))
    days = heard.facts.observe_days({})
    heard.facts.on_watch_lost(BTC)
    heard.facts.on_market_data(mark(BTC, 2 * MARK_E8))
    assert heard.facts.observe_days(days)[BTC].pnl_e8 == 0
