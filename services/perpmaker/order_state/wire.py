"""Between the contracts' messages and the core's values; nothing is decided here."""

from __future__ import annotations

from msgspec.structs import replace

from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.audit import BookOrder, Snapshot
from perpmaker.order_state.core.exposure import Exposure
from perpmaker.order_state.core.ledger import FillEntry, FundingEntry, Position
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.plan import NewOrder, Plan, Replacement
from perpmaker.order_state.core.resolve import StatusAnswer
from perpmaker.order_state.store.records import JournalLine
from perpmaker.order_state.truth import Book, Truth
from perpmaker.proto.common.v1 import common_pb2
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2

BUY = common_pb2.SIDE_BUY
SELL = common_pb2.SIDE_SELL


def order_message(order: TrackedOrder) -> common_pb2.Order:
    """An order for those who watch."""
    return common_pb2.Order(
        cloid=order.cloid,
        oid=order.oid,
        market=order.market,
        side=BUY if order.is_buy else SELL,
        px_e8=order.px_e8,
        sz_e8=order.sz_e8,
        filled_e8=order.filled_e8,
        fill_value_e8=order.fill_value_e8,
        expected_fill_e8=order.expected_fill_e8,
        state=common_pb2.OrderState.ValueType(order.state),
        reduce_only=order.reduce_only,
        time_in_force=common_pb2.TimeInForce.ValueType(order.time_in_force),
        epoch=order.epoch,
        level=order.level,
        placed_time_ms=order.placed_time_ms,
        state_time_ms=order.state_time_ms,
        last_status_time_ms=order.last_status_time_ms,
        replaces_cloid=order.replaces_cloid,
        cause=order.cause,
    )


def position_message(position: Position) -> common_pb2.Position:
    """Totals of a market."""
    return common_pb2.Position(
        market=position.market,
        sz_e8=position.sz_e8,
        entry_px_e8=position.entry_px_e8,
        cash_quote_e8=position.cash_quote_e8,
        fees_quote_e8=position.fees_quote_e8,
        funding_quote_e8=position.funding_quote_e8,
        fills=position.fills,
        volume_quote_e8=position.volume_quote_e8,
        last_fill_time_ms=position.last_fill_time_ms,
    )


def exposure_message(market: str, exposure: Exposure) -> common_pb2.Exposure:
    """Exposure of a market."""
    return common_pb2.Exposure(
        market=market,
        active_bid_e8=exposure.active_bid_e8,
        active_ask_e8=exposure.active_ask_e8,
        max_possible_bid_e8=exposure.max_possible_bid_e8,
        max_possible_ask_e8=exposure.max_possible_ask_e8,
        open_orders=exposure.open_orders,
        unknown_orders=exposure.unknown_orders,
        oldest_unknown_since_ms=exposure.oldest_unknown_since_ms,
        bid_notional_e8=exposure.bid_notional_e8,
        ask_notional_e8=exposure.ask_notional_e8,
    )


def standing_message(truth: Truth, book: Book, now_ms: int) -> orderstate_pb2.Standing:
    """Position and exposure of a market at a moment."""
    return orderstate_pb2.Standing(
        position=position_message(truth.position(book.market)),
        exposure=exposure_message(book.market, book.exposure(now_ms)),
        drift_e8=book.drift.amount_e8,
        drift_since_ms=book.drift.since_ms,
    )


def hold_message(truth: Truth, market: str) -> orderstate_pb2.Hold:
    """Whether new orders of a market are held back."""
    reasons = truth.hold_reasons(market)
    return orderstate_pb2.Hold(held=bool(reasons), reasons=reasons)


def snapshot_message(truth: Truth, book: Book, now_ms: int) -> orderstate_pb2.MarketSnapshot:
    """Whole truth of a market."""
    return orderstate_pb2.MarketSnapshot(
        orders=[order_message(order) for order in book.live()],
        standing=standing_message(truth, book, now_ms),
        hold=hold_message(truth, book.market),
        epoch=book.epoch,
    )


def fill_message(entry: FillEntry) -> common_pb2.Fill:
    """A fill for those who watch."""
    return common_pb2.Fill(
        market=entry.market,
        tid=entry.tid,
        oid=entry.oid,
        cloid=entry.cloid,
        side=BUY if entry.is_buy else SELL,
        px_e8=entry.px_e8,
        sz_e8=entry.sz_e8,
        fee_quote_e8=entry.fee_quote_e8,
        fee_token=entry.fee_token,
        exchange_time_ms=entry.exchange_time_ms,
        taker=entry.taker,
        start_position_e8=entry.start_position_e8,
        liquidation=entry.liquidation,
    )


def journal_message(line: JournalLine) -> orderstate_pb2.JournalEntry:
    """One line of an order's history."""
    return orderstate_pb2.JournalEntry(
        id=line.id,
        time_ms=line.time_ms,
        from_state=common_pb2.OrderState.ValueType(line.before),
        to_state=common_pb2.OrderState.ValueType(line.after),
        event=line.event,
        evidence=line.evidence,
    )


def fill_entry(fill: common_pb2.Fill) -> FillEntry:
    """A fill as the gateway tells it."""
    return FillEntry(
        market=fill.market,
        tid=fill.tid,
        oid=fill.oid,
        cloid=fill.cloid,
        is_buy=fill.side == BUY,
        px_e8=fill.px_e8,
        sz_e8=fill.sz_e8,
        fee_quote_e8=fill.fee_quote_e8,
        fee_token=fill.fee_token,
        exchange_time_ms=fill.exchange_time_ms,
        taker=fill.taker,
        start_position_e8=fill.start_position_e8,
        liquidation=fill.liquidation,
    )


def funding_entry(market: str, funding: gateway_pb2.Funding) -> FundingEntry:
    """Funding as the gateway tells it."""
    return FundingEntry(
        market=market, amount_quote_e8=funding.amount_quote_e8, exchange_time_ms=funding.exchange_time_ms
    )


def status_event(update: gateway_pb2.OrderUpdate, source: str) -> ev.StatusSeen:
    """A status as the gateway tells it."""
    return ev.StatusSeen(
        update.status, update.oid, update.remaining_e8, update.orig_sz_e8, update.status_time_ms, source
    )


def status_answer(response: gateway_pb2.GetOrderStatusResponse) -> StatusAnswer:
    """Answer to a question about one order."""
    update = status_event(response.update, "asked") if response.found else None
    return StatusAnswer(as_of_ms=response.as_of_ms, update=update)


def snapshot(open_orders: gateway_pb2.OpenOrders) -> Snapshot:
    """A list of open orders."""
    return Snapshot(
        as_of_ms=open_orders.as_of_ms,
        queried=open_orders.queried,
        orders=tuple(
            BookOrder(
                market=order.market,
                oid=order.oid,
                cloid=order.cloid,
                is_buy=order.side == BUY,
                px_e8=order.px_e8,
                remaining_e8=order.remaining_e8,
                orig_sz_e8=order.orig_sz_e8,
                placed_time_ms=order.placed_time_ms,
                reduce_only=order.reduce_only,
            )
            for order in open_orders.orders
        ),
    )


def _new_order(order: orderstate_pb2.NewOrder) -> NewOrder:
    return NewOrder(
        cloid=order.cloid,
        is_buy=order.side == BUY,
        px_e8=order.px_e8,
        # A side that is not set must not pass for a sell.
        sz_e8=order.sz_e8 if order.side in (BUY, SELL) else 0,
        reduce_only=order.reduce_only,
        time_in_force=order.time_in_force,
        level=order.level,
    )


def plan(request: orderstate_pb2.SubmitRequest) -> Plan:
    """A plan as the quoter tells it."""
    return Plan(
        market=request.trace.market,
        epoch=request.trace.epoch,
        sequence=request.trace.sequence,
        cancels=tuple(request.cancels),
        replaces=tuple(Replacement(item.old_cloid, _new_order(item.order)) for item in request.replaces),
        places=tuple(map(_new_order, request.places)),
    )


def place_message(order: TrackedOrder) -> gateway_pb2.PlaceOrder:
    """An order for the gateway to place."""
    return gateway_pb2.PlaceOrder(
        cloid=order.cloid,
        side=BUY if order.is_buy else SELL,
        px_e8=order.px_e8,
        sz_e8=order.sz_e8,
        reduce_only=order.reduce_only,
        time_in_force=common_pb2.TimeInForce.ValueType(order.time_in_force),
    )


def matched(entry: FillEntry, is_matched: bool) -> FillEntry:
    """The fill with the answer to whether an order of ours was found for it."""
    return replace(entry, matched=is_matched)
