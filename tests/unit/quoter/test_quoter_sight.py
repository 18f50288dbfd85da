"""What the quoter sees: coalescing, sequences, orders sent but not yet seen."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.quoter import PX, order

from perpmaker.common.clock import ManualClock
from perpmaker.common.decimals import E8
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as gateway
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.proto.risk.v1 import risk_pb2 as risk
from perpmaker.quoter.sight import NO_CAUSE, Sight
from perpmaker.quoter.values import LiveState, Side


class Seeing:
    """A sight, its clock, and the number of times it woke the desk."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.wakes = 0
        self.sight = Sight(self.clock, self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    def market(self, *, time_ms: int = 1, receive_ns: int = 7, **event: Any) -> None:
        trace = common.Trace(market="BTC", exchange_time_ms=time_ms, receive_time_ns=receive_ns)
        self.sight.on_market_data(gateway.MarketDataServiceSubscribeResponse(trace=trace, **event))

    def orders(self, sequence: int, **event: Any) -> None:
        self.sight.on_orders(orders.WatchResponse(trace=common.Trace(market="BTC", sequence=sequence), **event))

    def short(self) -> tuple[str, ...]:
        return self.sight.shortage.words(self.clock.monotonic_ns())

    def live(self) -> dict[str, LiveState]:
        return {o.cloid: o.state for o in self.sight.live_orders(self.clock.monotonic_ns())}


def wire_order(cloid: str, state: common.OrderState.ValueType, *, filled_e8: int = 0) -> common.Order:
    return common.Order(cloid=cloid, side=common.SIDE_BUY, px_e8=PX, sz_e8=100, filled_e8=filled_e8, state=state)


def level(px_e8: int) -> gateway.Level:
    return gateway.Level(px_e8=px_e8, sz_e8=E8)


def snapshot(*found: common.Order) -> orders.MarketSnapshot:
    return orders.MarketSnapshot(orders=found, hold=orders.Hold(held=False), epoch=3)


def test_the_newest_book_wins_and_is_the_cause_of_one_cycle() -> None:
    seeing = Seeing()
    seeing.market(time_ms=1, book=gateway.Book(bids=[level(PX)], asks=[level(PX + E8)]))
    seeing.market(time_ms=2, receive_ns=9, bbo=gateway.Bbo(bid=level(PX + 1), ask=level(PX + E8)))
    assert seeing.sight.book is not None
    assert seeing.sight.book.bids[0][0] == PX + 1
    assert seeing.sight.take_cause().receive_time_ns == 9
    assert seeing.sight.take_cause() == NO_CAUSE


def test_an_older_frame_changes_nothing() -> None:
    seeing = Seeing()
    seeing.market(time_ms=5, bbo=gateway.Bbo(bid=level(PX), ask=level(PX + E8)))
    before = seeing.sight.book
    seeing.market(time_ms=4, book=gateway.Book())
    seeing.market(time_ms=4, bbo=gateway.Bbo())
    assert seeing.sight.book is before


@pytest.mark.parametrize("how", ["stream", "feed"])
def test_after_a_break_the_first_book_counts_whatever_its_time(how: str) -> None:
    seeing = Seeing()
    seeing.market(feed=gateway.FeedStatus(live=True))
    seeing.market(time_ms=5, book=gateway.Book(bids=[level(PX)]))
    if how == "stream":
        seeing.sight.on_market_data_lost("test")
    else:
        seeing.market(feed=gateway.FeedStatus(live=False))
    assert not seeing.sight.feed_live
    seeing.market(time_ms=4, book=gateway.Book(bids=[level(PX - 1)]))
    assert seeing.sight.book is not None
    assert seeing.sight.book.bids[0][0] == PX - 1


def test_trades_and_fills_are_handed_out_once_and_trades_wake_nobody() -> None:
    seeing = Seeing()
    seeing.market(trades=gateway.Trades(trades=[gateway.Trade(px_e8=PX, sz_e8=1)] * 2))
    assert seeing.wakes == 0
    seeing.orders(1, snapshot=snapshot())
    seeing.orders(2, fill=orders.FillRecorded(fill=common.Fill(side=common.SIDE_SELL)))
    assert len(seeing.sight.take_trades()) == 2
    assert [fill.side for fill in seeing.sight.take_fills()] == [Side.SELL]
    assert not seeing.sight.take_trades()
    assert not seeing.sight.take_fills()


def test_events_before_a_snapshot_and_repetitions_after_it_are_ignored() -> None:
    seeing = Seeing()
    seeing.orders(1, order=wire_order("0xa", common.ORDER_STATE_RESTING))
    assert seeing.live() == {}
    seeing.orders(5, snapshot=snapshot(wire_order("0xb", common.ORDER_STATE_RESTING)))
    seeing.orders(6, order=wire_order("0xb", common.ORDER_STATE_CANCELLED))
    seeing.orders(6, order=wire_order("0xb", common.ORDER_STATE_RESTING))
    assert seeing.live() == {}


def test_a_snapshot_replaces_what_was_known() -> None:
    seeing = Seeing()
    seeing.orders(1, snapshot=snapshot(wire_order("0xa", common.ORDER_STATE_RESTING)))
    seeing.sight.on_orders_lost("test")
    assert not seeing.sight.orders_known
    seeing.orders(1, snapshot=snapshot(wire_order("0xb", common.ORDER_STATE_UNKNOWN)))
    assert seeing.live() == {"0xb": LiveState.UNKNOWN}
    assert seeing.sight.newest_epoch == 3


@pytest.mark.parametrize(
    ("state", "filled_e8", "expected"),
    [
        (common.ORDER_STATE_PENDING, 0, LiveState.PENDING),
        (common.ORDER_STATE_PARTIALLY_FILLED, 40, LiveState.WORKING),
        (common.ORDER_STATE_PARTIALLY_FILLED, 100, LiveState.CANCELLING),
        (common.ORDER_STATE_CANCEL_PENDING, 0, LiveState.CANCELLING),
        (common.ORDER_STATE_UNSPECIFIED, 0, LiveState.UNKNOWN),
    ],
)
def test_every_state_of_the_contract_has_its_meaning(
    state: common.OrderState.ValueType, filled_e8: int, expected: LiveState
) -> None:
    seeing = Seeing()
    seeing.orders(1, snapshot=snapshot(wire_order("0xa", state, filled_e8=filled_e8)))
    assert seeing.live() == {"0xa": expected}


def test_an_order_sent_counts_as_pending_until_order_state_names_it() -> None:
    seeing = Seeing()
    seeing.orders(1, snapshot=snapshot())
    seeing.sight.expect(order(Side.BUY, PX, cloid="0xa", state=LiveState.PENDING), seeing.clock.monotonic_ns())
    assert seeing.live() == {"0xa": LiveState.PENDING}
    seeing.orders(2, order=wire_order("0xa", common.ORDER_STATE_REJECTED))
    assert seeing.live() == {}


def test_an_order_named_before_it_was_expected_is_not_counted_twice() -> None:
    seeing = Seeing()
    seeing.orders(1, snapshot=snapshot(wire_order("0xa", common.ORDER_STATE_RESTING)))
    seeing.sight.expect(order(Side.BUY, PX, cloid="0xa", state=LiveState.PENDING), 0)
    assert seeing.live() == {"0xa": LiveState.WORKING}


def test_a_refused_order_is_forgotten_and_an_unanswered_one_after_five_seconds() -> None:
    seeing = Seeing()
    for cloid in ("0xa", "0xb"):
        seeing.sight.expect(order(Side.BUY, PX, cloid=cloid, state=LiveState.PENDING), seeing.clock.monotonic_ns())
    seeing.sight.withdraw("0xa")
    assert set(seeing.live()) == {"0xb"}
    seeing.clock.advance_ms(5_000)
    assert seeing.live() == {}


def test_position_and_hold_follow_their_events() -> None:
    seeing = Seeing()
    assert seeing.sight.held
    seeing.orders(1, snapshot=snapshot())
    assert not seeing.sight.held
    seeing.orders(2, standing=orders.Standing(position=common.Position(sz_e8=-5)))
    seeing.orders(3, hold=orders.Hold(held=True, reasons=["gap"]))
    seeing.orders(4, refusal=orders.Refusal(cloid="0xa"))
    assert seeing.sight.position_e8 == -5
    assert seeing.sight.hold_reasons == ("gap",)


def test_a_renewed_permission_wakes_nobody_but_a_restriction_does() -> None:
    seeing = Seeing()
    free = risk.Permission(max_position_e8=5, valid_until_ms=1_000)
    seeing.sight.on_permission(risk.WatchPermissionsResponse(permission=free))
    assert seeing.wakes == 1
    free.valid_until_ms = 1_500
    seeing.sight.on_permission(risk.WatchPermissionsResponse(permission=free))
    assert seeing.wakes == 1
    free.killed = True
    seeing.sight.on_permission(risk.WatchPermissionsResponse(permission=free))
    assert seeing.wakes == 2


@pytest.mark.parametrize(
    ("state", "cause", "words"),
    [
        (common.ORDER_STATE_NEVER_LANDED, "budget", ("rate_limited",)),
        (common.ORDER_STATE_NEVER_LANDED, "clock", ()),
        (common.ORDER_STATE_CANCELLED, "budget", ()),
    ],
)
def test_an_order_that_was_not_sent_for_want_of_budget_is_a_shortage(
    state: common.OrderState.ValueType, cause: str, words: tuple[str, ...]
) -> None:
    seeing = Seeing()
    seeing.orders(1, snapshot=snapshot())
    seeing.orders(2, order=common.Order(cloid="0xa", state=state, cause=cause))
    assert seeing.short() == words


@pytest.mark.parametrize(("rejection", "words"), [("rate_limit", ("rate_limited",)), ("margin", ())])
def test_a_refusal_for_asking_too_much_is_a_shortage(rejection: str, words: tuple[str, ...]) -> None:
    seeing = Seeing()
    refusal = orders.Refusal(cloid="0xa", side=common.SIDE_BUY)
    setattr(refusal, "class", rejection)
    seeing.orders(1, snapshot=snapshot())
    seeing.orders(2, refusal=refusal)
    assert seeing.short() == words
