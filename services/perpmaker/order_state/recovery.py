"""From what survived to a truth to go on with: nothing that was under way counts as done or as not done."""

from __future__ import annotations

from perpmaker.common import logs
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.store.records import Replay
from perpmaker.order_state.truth import Truth

_log = logs.get(__name__)


def restore(truth: Truth, replay: Replay) -> None:
    """Put a replay into an empty truth. Orders of markets that are not configured any more are looked after, too."""
    for order in replay.orders:
        truth.know(order.market)
        truth.put(order)
        if order.market not in truth.configured and not order.is_terminal:
            _log.error("order.market_not_configured", cloid=order.cloid, market=order.market)
    for entry in replay.entries:
        truth.know(entry.market)
        truth.ledger.add(entry)
    for market, epoch in replay.epochs.items():
        truth.know(market).epoch = epoch
    truth.totals = dict(replay.totals)
    truth.highest_nonce = replay.highest_nonce
    truth.serve(truth.configured)


def after_crash(batch: Batch) -> None:
    """Placements without an answer are in doubt; cancels without one are due again."""
    for book in batch.truth.books.values():
        for order in book.live():
            batch.learn(order.cloid, ev.OutcomeLost("restart"))
            if order.state is State.CANCEL_PENDING:
                batch.learn(order.cloid, ev.CancelDue())
