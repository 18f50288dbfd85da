"""The fold of order-state's watch stream and the gateway's market data into one market's view."""

from __future__ import annotations

from tests.support.local import Events

from perpmaker.common.decimals import E8
from perpmaker.local.events import Filled
from perpmaker.local.world import MarketFold
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2

BUY, SELL = common_pb2.SIDE_BUY, common_pb2.SIDE_SELL
RESTING = common_pb2.ORDER_STATE_RESTING


def order(
    cloid: str, side: common_pb2.Side.ValueType, state: common_pb2.OrderState.ValueType = RESTING
) -> common_pb2.Order:
    return common_pb2.Order(cloid=cloid, market="BTC", side=side, px_e8=100 * E8, sz_e8=E8, state=state)


def update(changed: common_pb2.Order) -> orderstate_pb2.WatchResponse:
    return orderstate_pb2.WatchResponse(trace=common_pb2.Trace(market="BTC"), order=changed)


def whole(*orders: common_pb2.Order, position_e8: int = 0, cash_quote_e8: int = 0) -> orderstate_pb2.WatchResponse:
    position = common_pb2.Position(market="BTC", sz_e8=position_e8, cash_quote_e8=cash_quote_e8, fills=2)
    return orderstate_pb2.WatchResponse(
        trace=common_pb2.Trace(market="BTC"),
        snapshot=orderstate_pb2.MarketSnapshot(
            orders=orders, standing=orderstate_pb2.Standing(position=position), hold=orderstate_pb2.Hold()
        ),
    )


def bbo(bid: int, ask: int) -> gateway_pb2.MarketDataServiceSubscribeResponse:
    return gateway_pb2.MarketDataServiceSubscribeResponse(
        bbo=gateway_pb2.Bbo(bid=gateway_pb2.Level(px_e8=bid * E8), ask=gateway_pb2.Level(px_e8=ask * E8))
    )


def fold(events: Events | None = None) -> MarketFold:
    return MarketFold("BTC", "btc", events or Events())


async def test_both_sides_resting_count_as_two_sided_until_one_is_gone() -> None:
    market = fold()
    market.two_sided.begin(-10.0)
    market.on_orders(whole(order("a", BUY), order("b", SELL)), 0.0)
    market.on_orders(update(order("b", SELL, common_pb2.ORDER_STATE_FILLED)), 3.0)
    assert market.view(4.0).two_sided_ratio == 0.75


async def test_an_order_being_replaced_rests_until_its_end_is_evident() -> None:
    market = fold()
    market.on_orders(whole(order("a", BUY), order("b", SELL)), 0.0)
    market.on_orders(update(order("b", SELL, common_pb2.ORDER_STATE_CANCEL_PENDING)), 1.0)
    market.on_orders(update(order("c", SELL, common_pb2.ORDER_STATE_PENDING)), 1.0)
    assert {held.cloid for held in market.view(1.0).resting} == {"a", "b"}


async def test_an_unknown_order_is_shown_but_is_no_quote() -> None:
    market = fold()
    market.on_orders(whole(order("a", BUY, common_pb2.ORDER_STATE_UNKNOWN)), 0.0)
    view = market.view(0.0)
    assert [held.is_unknown for held in view.orders] == [True]
    assert view.resting == ()


async def test_time_without_the_watch_stream_is_not_quoted_time() -> None:
    market = fold()
    market.two_sided.begin(-10.0)
    market.on_orders(whole(order("a", BUY), order("b", SELL)), 0.0)
    market.on_orders_lost(1.0)
    view = market.view(4.0)
    assert view.two_sided_ratio == 0.25
    assert view.restrictions == ("order-state away",)


async def test_a_snapshot_replaces_everything_heard_before() -> None:
    market = fold()
    market.on_orders(whole(order("a", BUY)), 0.0)
    market.on_orders(whole(order("b", SELL)), 1.0)
    assert [held.cloid for held in market.view(1.0).orders] == ["b"]


async def test_profit_is_cash_plus_the_position_at_the_mid() -> None:
    market = fold()
    market.on_orders(whole(position_e8=2 * E8, cash_quote_e8=-190 * E8), 0.0)
    market.on_market_data(bbo(99, 101))
    assert market.view(0.0).pnl_quote_e8 == 10 * E8


async def test_a_recorded_fill_is_told() -> None:
    events = Events()
    market = fold(events)
    fill = common_pb2.Fill(market="BTC", tid=9, side=SELL, px_e8=E8, sz_e8=2 * E8, fee_quote_e8=5)
    market.on_orders(
        orderstate_pb2.WatchResponse(
            trace=common_pb2.Trace(market="BTC"), fill=orderstate_pb2.FillRecorded(fill=fill, matched=True)
        ),
        0.0,
    )
    assert events.seen == [Filled("BTC", False, E8, 2 * E8, 5, 9)]
