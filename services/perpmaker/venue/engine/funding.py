"""Hourly funding: longs pay shorts the rate times the oracle value of the position.

Each payment is truncated to six decimals; what truncation leaves over is kept in the pool as `funding_residue_e8`, so
that money is neither made nor lost.
"""

from __future__ import annotations

from perpmaker.venue.engine.accounts import FundingPayment
from perpmaker.venue.engine.margin import is_isolated
from perpmaker.venue.engine.state import FundingRate, State
from perpmaker.venue.units import E8, scaled, truncate_e6


def settle_funding(state: State) -> None:
    """Pay the accrued rate of every market between all holders, then start a new averaging window."""
    for market in state.markets:
        if market.asset in state.halted:
            continue
        marks = state.marks[market.asset]
        rate = marks.funding_rate_e10()
        state.events.funding_rates.append(FundingRate(market.asset, state.now_ms, rate, marks.average_premium_e8()))
        marks.restart_premium()
        for account in state.accounts.values():
            position = account.positions.get(market.asset)
            if position is None or not position.szi_e8:
                continue
            value = scaled(position.szi_e8, marks.oracle_px_e8, E8)
            paid = truncate_e6(scaled(value, rate, 10**10))
            if is_isolated(account, market):
                position.isolated_raw_e8 -= paid
            else:
                account.credit(market.dex.index, -paid)
            state.pools[market.dex.token.index].funding_residue_e8 += paid
            position.funding_all_time_e8 += paid
            position.funding_since_open_e8 += paid
            position.funding_since_change_e8 += paid
            payment = FundingPayment(account.address, market.asset, state.now_ms, -paid, position.szi_e8, rate)
            account.funding.append(payment)
            state.events.funding.append(payment)
