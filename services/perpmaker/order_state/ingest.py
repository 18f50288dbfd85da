"""What the gateway tells, as changes of a batch: answers to our actions and events of the account.

Everything may arrive late, twice and in any order; the order table and the ledger sort that out. What cannot be decided
from the message alone becomes a question (`batch.doubts`) or a safety sync (`batch.syncs`), never a guess.
"""

from __future__ import annotations

from typing import Final

from perpmaker.common import cloid as cloids
from perpmaker.common import logs
from perpmaker.hyperliquid.rejections import RejectionClass
from perpmaker.hyperliquid.statuses import StatusMeaning, meaning_of
from perpmaker.order_state import metrics, wire
from perpmaker.order_state.batch import Batch
from perpmaker.order_state.core import audit
from perpmaker.order_state.core import events as ev
from perpmaker.order_state.core.audit import BookOrder, Finding, Mismatch, Snapshot
from perpmaker.order_state.core.backoff import COUNTED, after_batch
from perpmaker.order_state.core.ledger import forgotten
from perpmaker.order_state.core.orders import TrackedOrder
from perpmaker.order_state.core.transitions import State
from perpmaker.order_state.truth import Drift
from perpmaker.proto.gateway.v1 import gateway_pb2

_SYNC_CLASSES: Final = frozenset({RejectionClass.POSITION_LIMIT, RejectionClass.REDUCE_ONLY})
"""Refusals that suggest that our idea of the position is wrong."""

_log = logs.get(__name__)


def rejection_class(rejected: gateway_pb2.Rejected) -> RejectionClass:
    """Class of a refusal; one that this version does not know is UNRECOGNIZED."""
    name = gateway_pb2.RejectionClass.Name(getattr(rejected, "class")).removeprefix("REJECTION_CLASS_")
    return RejectionClass[name] if name in RejectionClass.__members__ else RejectionClass.UNRECOGNIZED


def sent(batch: Batch, message: gateway_pb2.Sent) -> None:
    """An action was signed: its nonce and expiry are what can later prove that it never landed."""
    batch.nonce = max(batch.nonce, message.nonce)
    for cloid in message.cloids:
        batch.learn(cloid, ev.Dispatched(message.nonce, message.expires_after_ms))


def outcomes(batch: Batch, message: gateway_pb2.Outcomes, monotonic_ms: int) -> None:
    """Answers to one action."""
    batch.nonce = max(batch.nonce, message.nonce)
    if message.action == gateway_pb2.ACTION_KIND_CANCEL:
        for item in message.items:
            _cancel_outcome(batch, item)
        return
    is_modify = message.action == gateway_pb2.ACTION_KIND_MODIFY
    tally: dict[tuple[str, bool], list[int]] = {}
    for item in message.items:
        order = batch.find(item.cloid)
        if order is None:
            _log.error("outcome.unknown_order", cloid=item.cloid)
            continue
        _placement_outcome(batch, order, item)
        if is_modify or order.replaces_cloid:
            _replaced_outcome(batch, order, item)
        refused, accepted = _counts(item)
        counts = tally.setdefault((order.market, order.is_buy), [0, 0])
        counts[0] += refused
        counts[1] += accepted
    for (market, is_buy), (refused, accepted) in tally.items():
        book = batch.truth.known[market]
        before = book.buys if is_buy else book.sells
        after = after_batch(before, refused=refused, accepted=accepted, now_ms=monotonic_ms)
        if is_buy:
            book.buys = after
        else:
            book.sells = after
        if after.until_ms != before.until_ms and after.is_pausing(monotonic_ms):
            pause_ms = after.until_ms - monotonic_ms
            _log.warning("orders.pausing", market=market, side="buy" if is_buy else "sell", pause_ms=pause_ms)


def _counts(item: gateway_pb2.Outcome) -> tuple[int, int]:
    """(refused in a class that more of the same would repeat, accepted)."""
    match item.WhichOneof("result"):
        case "rejected":
            return int(rejection_class(item.rejected) in COUNTED), 0
        case "resting" | "filled":
            return 0, 1
        case _:
            return 0, 0


def _placement_outcome(batch: Batch, order: TrackedOrder, item: gateway_pb2.Outcome) -> None:
    cloid = order.cloid
    match item.WhichOneof("result"):
        case "resting":
            batch.learn(cloid, ev.AckResting(item.resting.oid))
        case "filled":
            batch.learn(cloid, ev.AckFilled(item.filled.oid, item.filled.total_sz_e8))
        case "rejected":
            rejection = rejection_class(item.rejected)
            batch.refuse(cloid, rejection.value, item.rejected.text)
            if rejection in _SYNC_CLASSES:
                batch.syncs.add("rejection")
            if rejection is RejectionClass.UNRECOGNIZED:
                _log.error("order.unrecognized_rejection", cloid=cloid, text=item.rejected.text)
        case "not_sent":
            batch.learn(cloid, ev.NotSent(item.not_sent.reason))
        case "unknown":
            batch.learn(cloid, ev.OutcomeLost(item.unknown.reason))
        case _:
            batch.learn(cloid, ev.OutcomeLost("answer without a result"))


def _replaced_outcome(batch: Batch, order: TrackedOrder, item: gateway_pb2.Outcome) -> None:
    """What the answer to a modify says about the order that was to be replaced."""
    old = order.replaces_cloid
    match item.WhichOneof("result"):
        case "rejected":
            metrics.MODIFY_FALLBACKS.labels(order.market).inc()
            match rejection_class(item.rejected):
                case RejectionClass.ORDER_GONE:
                    batch.doubts.add(old)
                case RejectionClass.MODIFY_LOST_ORDER:
                    batch.learn(old, ev.CancelConfirmed(f"modify: {item.rejected.text}"))
                case rejection:
                    batch.learn(old, ev.CancelReverted(f"modify refused: {rejection.value}"))
        case "not_sent":
            batch.learn(old, ev.CancelReverted(f"modify not sent: {item.not_sent.reason}"))
        case "unknown":
            batch.doubts.add(old)
        case _:
            # It worked: the old order's own update says whether it was cancelled or had filled before.
            pass


def _cancel_outcome(batch: Batch, item: gateway_pb2.Outcome) -> None:
    match item.WhichOneof("result"):
        case "cancelled":
            batch.learn(item.cloid, ev.CancelConfirmed("cancel answered"))
        case "rejected" if rejection_class(item.rejected) is RejectionClass.ORDER_GONE:
            # Never placed, cancelled or filled: the text does not say which.
            batch.doubts.add(item.cloid)
        case other:
            # The cancel is sent again after a while; nothing is known about the order.
            _log.warning("cancel.without_effect", cloid=item.cloid, result=other)


def losses(batch: Batch, cloids: frozenset[str], reason: str) -> None:
    """Answers that will not come: placements are in doubt, cancels are due again."""
    for cloid in cloids:
        order = batch.find(cloid)
        if order is None or order.is_terminal:
            continue
        batch.learn(cloid, ev.OutcomeLost(reason))
        if order.state is State.CANCEL_PENDING:
            batch.learn(cloid, ev.CancelDue())


def order_update(batch: Batch, market: str, update: gateway_pb2.OrderUpdate) -> None:
    """A status from the stream."""
    order = batch.find(update.cloid) if update.cloid else None
    order = order or batch.find_by_oid(market, update.oid)
    if order is None:
        if audit.is_ours(update.cloid, batch.truth.tags):
            batch.syncs.add("untracked_order")
        return
    if meaning_of(update.status) is StatusMeaning.UNRECOGNIZED:
        metrics.CONTRADICTIONS.labels(order.market, "unrecognized_status").inc()
        _log.error("order.unrecognized_status", cloid=order.cloid, status=update.status)
        batch.doubts.add(order.cloid)
    batch.learn(order.cloid, wire.status_event(update, "stream"))


def non_user_cancel(batch: Batch, oid: int) -> None:
    """The exchange cancelled an order on its own account: ask how it ended."""
    for market in batch.truth.known:
        order = batch.find_by_oid(market, oid)
        if order is not None and not order.is_terminal:
            batch.doubts.add(order.cloid)


def open_orders(batch: Batch, snapshot: Snapshot, *, grace_ms: int, orphan_grace_ms: int) -> None:
    """A list of open orders: evidence for orders in doubt, and an audit of all others."""
    truth = batch.truth
    if truth.newest_book is None or snapshot.as_of_ms >= truth.newest_book.as_of_ms:
        truth.newest_book = snapshot
    local = {cloid: order for book in truth.known.values() for cloid, order in book.orders.items()}
    for seen in snapshot.orders:
        order = local.get(seen.cloid)
        if order is not None and not order.is_terminal and (order.state is State.UNKNOWN or not order.has_landed):
            batch.learn(seen.cloid, ev.SeenInBook(seen.oid, seen.remaining_e8, snapshot.as_of_ms))
    findings = audit.diff(local, snapshot, truth.tags, grace_ms=grace_ms, orphan_grace_ms=orphan_grace_ms)
    for market, book in truth.known.items():
        lasting = {(finding.kind, finding.cloid) for finding in findings if finding.market == market}
        for kind, cloid in book.mismatches - lasting:
            _log.info("audit.cleared", market=market, kind=kind.value, cloid=cloid)
        for finding in findings:
            if finding.market == market:
                _heal(batch, finding, snapshot.as_of_ms, is_new=(finding.kind, finding.cloid) not in book.mismatches)
        book.mismatches = lasting
    if snapshot.orders and not any(seen.market in truth.books for seen in snapshot.orders):
        missing = [order.cloid for order in local.values() if not order.is_terminal and order.has_landed]
        if missing:
            coins = sorted({seen.market for seen in snapshot.orders})[:3]
            _log.warning("sync.no_match", total=len(snapshot.orders), markets=sorted(truth.books), coins=coins)


def _heal(batch: Batch, finding: Finding, as_of_ms: int, *, is_new: bool) -> None:
    if is_new:
        metrics.MISMATCHES.labels(finding.market, finding.kind.value).inc()
        _log.warning(
            "audit.mismatch",
            market=finding.market,
            kind=finding.kind.value,
            cloid=finding.cloid,
            detail=finding.detail,
        )
    match finding.kind:
        case Mismatch.ORPHAN:
            assert finding.seen is not None  # noqa: S101 - an orphan is something seen
            adopt(batch, finding.market, finding.seen)
        case Mismatch.ENDED_BUT_OPEN:
            batch.strays.append((finding.market, finding.cloid))
        case Mismatch.MISSING:
            batch.doubts.add(finding.cloid)
        case Mismatch.SIZE:
            assert finding.seen is not None  # noqa: S101 - a size is of something seen
            order = batch.find(finding.cloid)
            if order is not None and order.reduce_only:
                batch.learn(finding.cloid, ev.SizeSeen(finding.seen.remaining_e8, as_of_ms))
            else:
                batch.syncs.add("size_mismatch")
        case Mismatch.PRICE:
            batch.doubts.add(finding.cloid)


def adopt(batch: Batch, market: str, seen: BookOrder) -> None:
    """Track an order of ours that has no record here, and cancel it."""
    decoded = cloids.decode(seen.cloid)
    executed = seen.orig_sz_e8 - seen.remaining_e8
    batch.create(
        TrackedOrder(
            cloid=seen.cloid,
            market=market,
            is_buy=seen.is_buy,
            px_e8=seen.px_e8,
            sz_e8=seen.remaining_e8,
            level=decoded.level if decoded else 0,
            epoch=decoded.epoch if decoded else 0,
            reduce_only=seen.reduce_only,
            state=State.RESTING,
            cause="adopted",
            oid=seen.oid,
            placed_time_ms=seen.placed_time_ms,
            state_time_ms=batch.now_ms,
            ack_time_ms=batch.now_ms,
        ),
        "adopted",
        f"oid {seen.oid}, {executed} executed before",
    )
    batch.learn(seen.cloid, ev.CancelSent("orphan", handed_over=False))
    _log.error("order.orphan", cloid=seen.cloid, oid=seen.oid, age_ms=batch.now_ms - seen.placed_time_ms)


def exchange_began(batch: Batch, since_ms: int) -> None:
    """The exchange knows nothing of the account from before a time: positions from before it went with another one.

    Only a simulated exchange says so (0: it does not). Orders need no such rule: asked about, each is found to be gone.
    """
    for market in batch.truth.known:
        if not batch.truth.ledger.has_begun(market):
            continue
        entry = forgotten(batch.truth.position(market), since_ms)
        if entry is not None and batch.enter(entry):
            _log.warning("ledger.exchange_began_anew", market=market, since_ms=since_ms, forgotten_e8=entry.sz_e8)


def account_state(batch: Batch, state: gateway_pb2.AccountState) -> None:
    """Positions as the exchange has them, compared with the ledger; never copied into it."""
    there = {position.market: position.sz_e8 for position in state.positions}
    for market, book in batch.truth.books.items():
        position = batch.truth.position(market)
        if not batch.truth.ledger.has_begun(market) or state.exchange_time_ms < position.last_fill_time_ms:
            # Older than a fill that we know already.
            continue
        amount = there.get(market, 0) - position.sz_e8
        if abs(amount) < book.lot_e8:
            amount = 0
        if amount == book.drift.amount_e8:
            continue
        since_ms = (book.drift.since_ms or batch.now_ms) if amount else 0
        book.drift = Drift(amount, since_ms)
        batch.touched.add(market)
        _log.warning("order.drift", market=market, drift_e8=amount, since_ms=since_ms)
