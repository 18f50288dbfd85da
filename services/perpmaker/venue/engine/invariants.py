"""What must be true of the venue between any two actions."""

from __future__ import annotations

from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import notional_e8


def violations(state: State) -> list[str]:
    """Every broken promise in words; empty when the books add up."""
    found: list[str] = []
    for market in state.markets:
        net = sum(account.szi_e8(market.asset) for account in state.accounts.values())
        if net:
            found.append(f"positions of {market.coin} add up to {net}")
        book = state.book(market.asset)
        bid, ask = book.best_bid(), book.best_ask()
        if bid is not None and ask is not None and bid >= ask:
            found.append(f"book of {market.coin} is crossed at {bid} and {ask}")
    found += money_violations(state)
    resting = {
        oid for book in state.books.values() for side in (book.bids, book.asks) for level in side for oid in level.queue
    }
    resting |= {oid for room in state.waiting.values() for oid in room}
    opened = {oid for account in state.accounts.values() for oid in account.open_orders}
    recorded = {o.oid for account in state.accounts.values() for o in account.records.values() if o.is_open}
    if not resting == opened == recorded:
        found.append(f"orders in books, open and in records differ: {resting ^ opened | opened ^ recorded}")
    found += [f"reserved margin of {a.address} is off" for a in state.accounts.values() if not _reserves_add_up(a)]
    found += [f"level total wrong in {m.coin}" for m in state.markets if not _levels_add_up(state, m.asset)]
    return found


def money_violations(state: State) -> list[str]:
    """Collaterals in which cash, fees, funding and builders' earnings are not what came in."""
    found: list[str] = []
    for token, pool in state.pools.items():
        dexes = [dex.index for dex in state.dexes if dex.token.index == token]
        cash = sum(_cash_e8(state, account, dexes) for account in state.accounts.values())
        cash += sum(a.spot_e8.get(token, 0) for a in state.accounts.values())
        money = cash + pool.fees_e8 + pool.funding_residue_e8 + sum(pool.builder_fees_e8.values())
        if money != pool.deposits_e8:
            found.append(f"cash, fees and funding of token {token} come to {money}, deposits were {pool.deposits_e8}")
    return found


def _cash_e8(state: State, account: Account, dexes: list[int]) -> int:
    """Cross balances and the cash inside isolated positions."""
    inside = sum(p.isolated_raw_e8 for a, p in account.positions.items() if state.market(a).dex.index in dexes)
    return inside + sum(account.cash_e8.get(dex, 0) for dex in dexes)


def _reserves_add_up(account: Account) -> bool:
    expected: dict[tuple[int, bool], int] = {}
    for order in account.open_orders.values():
        if not order.reduce_only and not order.is_waiting:
            key = order.asset, order.is_buy
            expected[key] = expected.get(key, 0) + notional_e8(order.px_e8, order.sz_e8)
    return all(
        exposure.buy_quote_e8 == expected.get((asset, True), 0)
        and exposure.sell_quote_e8 == expected.get((asset, False), 0)
        for asset, exposure in account.exposures.items()
    )


def _levels_add_up(state: State, asset: int) -> bool:
    book = state.book(asset)
    return all(
        level.sz_e8 == sum(order.sz_e8 for order in level.queue.values()) and level.sz_e8 > 0
        for side in (book.bids, book.asks)
        for level in side
    )
