"""TWAP orders: a size traded in slices, one every 30 s, each an IOC at most 3 % worse than the mark.

A slice brings what has been executed up to its share of the size; what earlier ones missed is made up for by later
ones of at most three times the normal size. The order runs until its minutes are over, whatever is left then. Slices
are missed while only post-only orders pass, and a halt of the market ends the order. Randomised slices vary by a
fifth, as the venue's seed has it.
Source: Hyperliquid documentation, "Order types", TWAP; texts as measured.
"""

from __future__ import annotations

import hashlib

from perpmaker.venue.engine import texts
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.actions import StartTwap
from perpmaker.venue.engine.families import settle_families
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.engine.placing import Executed, place
from perpmaker.venue.engine.reduce_only import closable_e8
from perpmaker.venue.engine.state import ZERO_HASH, State
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.engine.texts import text_of
from perpmaker.venue.engine.twap_records import Twap, TwapStatus
from perpmaker.venue.units import E8, notional_e8

_MINUTES = range(5, 10_081)
_MIN_VALUE_USD = 100
_MIN_PER_MINUTE_USD = 10
_SLIPPAGE_PERCENT = 3
_CATCH_UP = 3
_TWAPS_KEPT = 2_000


def start_twap(state: State, account: Account, action: StartTwap) -> Twap | str:
    """Begin a TWAP order; its first slice goes out at the end of the block. Returns the exchange's refusal as text."""
    if refusal := _refusal(state, account, action):
        return refusal
    state.next_twap_id += 1
    twap = Twap(
        twap_id=state.next_twap_id,
        address=account.address,
        asset=action.asset,
        is_buy=action.is_buy,
        sz_e8=action.sz_e8,
        reduce_only=action.reduce_only,
        minutes=action.minutes,
        is_randomized=action.is_randomized,
        started_ms=state.now_ms,
        status_ms=state.now_ms,
    )
    state.twaps[twap.twap_id] = twap
    state.events.twaps.append(twap)
    _forget_oldest_ended(state)
    return twap


def stop_twap(state: State, account: Account, asset: int, twap_id: int) -> str | None:
    """End a running TWAP order of this account and market. Returns the exchange's refusal as text."""
    twap = state.twaps.get(twap_id)
    if twap is None or not twap.is_running or (twap.address, twap.asset) != (account.address, asset):
        return texts.TWAP_GONE
    _end(state, twap, TwapStatus.TERMINATED)
    return None


def run_twaps(state: State) -> None:
    """Send every slice that is due, oldest TWAP order first."""
    for twap in [t for t in state.twaps.values() if t.is_running and t.next_slice_ms <= state.now_ms]:
        if twap.asset in state.halted:
            _end(state, twap, TwapStatus.TERMINATED)
            continue
        _send_slice(state, twap)
        twap.slices_sent += 1
        if twap.slices_sent >= twap.slices or twap.executed_sz_e8 >= twap.sz_e8:
            _end(state, twap, TwapStatus.FINISHED)


def _send_slice(state: State, twap: Twap) -> None:
    sz = _slice_sz_e8(state, twap)
    if not sz or state.gates.post_only:
        return
    market = state.market(twap.asset)
    slippage = _SLIPPAGE_PERCENT if twap.is_buy else -_SLIPPAGE_PERCENT
    px = market.round_px(state.mark_px_e8(twap.asset) * (100 + slippage) // 100, up=not twap.is_buy)
    order = NewOrder(twap.asset, twap.is_buy, px, sz, Tif.IOC, twap.reduce_only)
    state.begin_transaction()
    state.tx_hash = ZERO_HASH
    outcome = place(state, state.accounts[twap.address], order, twap_id=twap.twap_id)
    if isinstance(outcome, Executed):
        twap.executed_sz_e8 += outcome.total_sz_e8
        twap.executed_quote_e8 += notional_e8(outcome.avg_px_e8, outcome.total_sz_e8)
    settle_families(state)


def _slice_sz_e8(state: State, twap: Twap) -> int:
    """What this slice asks for: the shortfall, at most three normal slices, and never more than is left."""
    market = state.market(twap.asset)
    normal = twap.sz_e8 // twap.slices
    due = twap.sz_e8 * (twap.slices_sent + 1) // twap.slices - twap.executed_sz_e8
    is_last = twap.slices_sent + 1 == twap.slices
    if twap.is_randomized and not is_last:
        due = due * _random_percent(state, twap) // 100
    left = twap.sz_e8 - twap.executed_sz_e8
    return market.floor_sz(min(max(due, 0), max(_CATCH_UP * normal, market.lot_e8), left))


def _random_percent(state: State, twap: Twap) -> int:
    """80 to 120, a function of seed, TWAP order and slice."""
    text = f"{state.seed}/twap/{twap.twap_id}/{twap.slices_sent}"
    return 80 + hashlib.blake2b(text.encode(), digest_size=4).digest()[0] % 41


def _refusal(state: State, account: Account, action: StartTwap) -> str | None:
    if action.asset in state.halted:
        return f"{texts.HALTED} asset={action.asset}"
    if not action.sz_e8:
        return texts.ZERO_SIZE
    if not state.market(action.asset).is_on_lot(action.sz_e8):
        return texts.INVALID_SIZE
    if action.minutes not in _MINUTES:
        return texts.TWAP_DURATION.format(minutes=action.minutes)
    smallest = _MIN_VALUE_USD
    words = texts.TWAP_TOO_SMALL
    if state.rules.orders.twap_min_per_minute:
        smallest = _MIN_PER_MINUTE_USD * action.minutes
        words = texts.TWAP_TOO_SMALL_PER_MINUTE
    if notional_e8(state.mark_px_e8(action.asset), action.sz_e8) < smallest * E8:
        return words.format(smallest=smallest)
    if action.reduce_only and not closable_e8(account, action.asset, is_buy=action.is_buy):
        return text_of(state.rules.orders.texts, Status.REDUCE_ONLY_REJECTED, action.asset)
    return None


def _end(state: State, twap: Twap, status: TwapStatus) -> None:
    twap.status, twap.status_ms = status, state.now_ms
    state.events.twaps.append(twap)


def _forget_oldest_ended(state: State) -> None:
    if len(state.twaps) > _TWAPS_KEPT:
        oldest = next((t.twap_id for t in state.twaps.values() if not t.is_running), None)
        if oldest is not None:
            del state.twaps[oldest]
