"""Open interest, and what its caps forbid.

At the cap of a market nobody may add to a position by taking, nor turn one around; a resting order may add only
behind the oracle, and those in front of it are cancelled. Apart from caps, open interest may be allowed to grow by so
much and no more within a window of time.
Source: Hyperliquid documentation, "Open interest caps".
"""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.orders import Order
from perpmaker.venue.engine.resting import drop
from perpmaker.venue.engine.state import State
from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.units import notional_e8


def open_interest_e8(state: State, asset: int) -> int:
    """Value of all long positions of a market at mark."""
    longs = sum(max(account.szi_e8(asset), 0) for account in state.accounts.values())
    return notional_e8(state.mark_px_e8(asset), longs)


def refusal_at_cap(state: State, account: Account, order: Order) -> Status | None:
    """The status an order is refused with because of open interest, or None."""
    if account.is_house or order.reduce_only:
        return None
    if status := _refusal_of_growth(state, order):
        return status
    if not _is_capped(state, order.asset) or not _adds(account, order):
        return None
    if not state.book(order.asset).against(order.is_buy).reaches(order.px_e8):
        return Status.TOO_AGGRESSIVE_AT_CAP_REJECTED if _leads_oracle(state, order) else None
    return Status.FLIP_AT_CAP_REJECTED if _flips(account, order) else Status.INCREASE_AT_CAP_REJECTED


def cancel_at_caps(state: State) -> None:
    """Cancel resting orders that would add to a position in front of the oracle of a capped market."""
    for asset in sorted(state.gates.open_interest_caps_e8):
        if not _is_capped(state, asset):
            continue
        book = state.book(asset)
        resting = [o for side in (book.bids, book.asks) for level in side for o in level.queue.values()]
        for order in resting:
            account = state.accounts[order.address]
            if account.is_house or order.reduce_only or not _adds(account, order):
                continue
            if _leads_oracle(state, order):
                drop(state, order, Status.OPEN_INTEREST_CAP_CANCELED)


def _is_capped(state: State, asset: int) -> bool:
    cap = state.gates.open_interest_caps_e8.get(asset)
    return cap is not None and open_interest_e8(state, asset) >= cap


def _adds(account: Account, order: Order) -> bool:
    """Whether the account would hold more than now, on either side, if all of the order were executed."""
    szi = account.szi_e8(order.asset)
    return szi == 0 or (szi > 0) == order.is_buy or _flips(account, order)


def _flips(account: Account, order: Order) -> bool:
    szi = account.szi_e8(order.asset)
    return szi != 0 and (szi > 0) != order.is_buy and order.sz_e8 > abs(szi)


def _leads_oracle(state: State, order: Order) -> bool:
    oracle = state.marks[order.asset].oracle_px_e8
    return order.px_e8 > oracle if order.is_buy else order.px_e8 < oracle


def _refusal_of_growth(state: State, order: Order) -> Status | None:
    limit, window_ms = state.rules.orders.open_interest_growth_e8, state.rules.orders.open_interest_window_ms
    if not limit:
        return None
    grown = state.gates.growth_e8(order.asset, open_interest_e8(state, order.asset), state.now_ms, window_ms)
    wanted = grown + notional_e8(state.mark_px_e8(order.asset), order.sz_e8)
    takes = state.book(order.asset).against(order.is_buy).reaches(order.px_e8)
    return Status.OPEN_INTEREST_INCREASE_REJECTED if takes and wanted > limit else None
