"""The whole venue as JSON, for whoever compares a client's books with the truth."""

from __future__ import annotations

from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.listings import Dex
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views import markets as market_views
from perpmaker.venue.views import orders as order_views


def dump_state(venue: Venue) -> dict[str, Any]:
    """Accounts, positions, open orders, books, prices, and every broken invariant."""
    state = venue.state
    return {
        "height": state.height,
        "time": state.now_ms,
        "violations": violations(state),
        "deposits": shown_e8(state.pool.deposits_e8),
        "fees": shown_e8(state.pool.fees_e8),
        "fundingResidue": shown_e8(state.pool.funding_residue_e8),
        "books": {m.coin: market_views.l2_book(state, m) for m in state.markets},
        "marks": {m.coin: shown_e8(state.mark_px_e8(m.asset)) for m in state.markets},
        "accounts": {
            address: {
                "isHouse": account.is_house,
                "rawUsd": shown_e8(account.raw_e8),
                "accountValue": shown_e8(margin.equity_e8(state, account)),
                "positions": {
                    state.market(asset).coin: shown_e8(position.szi_e8)
                    for asset, position in account.positions.items()
                    if position.szi_e8
                },
                "openOrders": [o for dex in state.dexes for o in order_views.open_orders(state, account, dex.name)],
                "dexes": {dex.name: _money(state, account, dex) for dex in state.dexes},
                "spot": {
                    dex.token.name: shown_e8(held)
                    for dex in state.dexes
                    if (held := account.spot_e8.get(dex.token.index, 0))
                },
                "fills": len(account.fills),
                "scheduledCancel": account.cancel_at_ms,
                "agents": [agent.address for agent in venue.admission.agents.of(address)],
            }
            for address, account in state.accounts.items()
        },
    }


def _money(state: State, account: Account, dex: Dex) -> dict[str, str]:
    """Cash in one dex, that of isolated positions included, and what the account is worth there."""
    isolated = margin.held_markets(state, account, dex.index, isolated=True)
    raw = account.cash_e8.get(dex.index, 0) + sum(account.positions[m.asset].isolated_raw_e8 for m in isolated)
    return {"rawUsd": shown_e8(raw), "accountValue": shown_e8(margin.equity_e8(state, account, dex.index))}
