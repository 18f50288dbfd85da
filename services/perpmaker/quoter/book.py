"""The book without us: a quote must never be priced off itself.

Where other makers are few, our own orders are the touch; a fair price taken from it would follow our skew and
walk away. So our remaining sizes are subtracted before the touch is read. Crossing is still judged by the
book as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from perpmaker.quoter.values import BookView, LiveOrder, LiveState, PriceLevel, Side


def with_bbo(
    book: BookView | None,
    bid: PriceLevel | None,
    ask: PriceLevel | None,
    *,
    exchange_time_ms: int,
    received_ns: int,
) -> BookView:
    """Put a newer best bid and offer over the depth known so far; a missing side is an empty side."""
    bids: tuple[PriceLevel, ...] = ()
    asks: tuple[PriceLevel, ...] = ()
    if bid is not None:
        deeper = book.bids if book is not None else ()
        bids = (bid, *(level for level in deeper if level[0] < bid[0]))
    if ask is not None:
        deeper = book.asks if book is not None else ()
        asks = (ask, *(level for level in deeper if level[0] > ask[0]))
    return BookView(bids, asks, exchange_time_ms, received_ns)


def is_older(exchange_time_ms: int, book: BookView | None) -> bool:
    """Whether a frame describes the market before the view does (frames without a time never do)."""
    return book is not None and 0 < exchange_time_ms < book.exchange_time_ms


def own_sizes(orders: Iterable[LiveOrder], side: Side) -> dict[int, int]:
    """Remaining size of ours by price on one side."""
    sizes: dict[int, int] = {}
    for order in orders:
        if order.side is side:
            sizes[order.px_e8] = sizes.get(order.px_e8, 0) + order.remaining_e8
    return sizes


def foreign_touch(levels: tuple[PriceLevel, ...], own: Mapping[int, int]) -> PriceLevel | None:
    """Best level with size that is not ours, and that size; None when there is none."""
    for px_e8, sz_e8 in levels:
        left = sz_e8 - own.get(px_e8, 0)
        if left > 0:
            return px_e8, left
    return None


def touch_of_others(book: BookView, orders: Iterable[LiveOrder]) -> tuple[PriceLevel | None, PriceLevel | None]:
    """Best bid and best ask of everybody else, for pricing: whatever may be ours is taken out."""
    orders = tuple(orders)
    return (
        foreign_touch(book.bids, own_sizes(orders, Side.BUY)),
        foreign_touch(book.asks, own_sizes(orders, Side.SELL)),
    )


_CERTAINLY_IN_BOOK = (LiveState.WORKING, LiveState.CANCELLING)


def prices_to_stay_clear_of(book: BookView, orders: Iterable[LiveOrder]) -> tuple[int, int]:
    """Best foreign bid and ask for post-only clipping; 0 for an empty side.

    Only orders surely in the book are taken out: a level wrongly taken for ours would be crossed.
    """
    bid, ask = touch_of_others(book, (order for order in orders if order.state in _CERTAINLY_IN_BOOK))
    return (bid[0] if bid else 0, ask[0] if ask else 0)
