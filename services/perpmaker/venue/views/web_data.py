"""The all-in-one streams of the exchange's own front end; the older one only for clients that still ask for it."""

from __future__ import annotations

from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.units import shown_e8
from perpmaker.venue.views import accounts, clearinghouse, limits, markets, orders, twaps
from perpmaker.venue.views.dexes import MAIN, dex_names
from perpmaker.venue.views.spot import spot_contexts


def _user_state(venue: Venue, account: Account) -> dict[str, Any]:
    """Agent fields are those of the unnamed one, which the front end uses."""
    agent = next((a for a in venue.admission.agents.of(account.address) if not a.name), None)
    return {
        "agentAddress": None if agent is None else agent.address,
        "agentValidUntil": None if agent is None else agent.valid_until_ms,
        "cumLedger": shown_e8(accounts.deposited_e8(account)),
        "serverTime": venue.state.now_ms,
        "isVault": False,
        "user": account.address,
    }


def web_data_3(venue: Venue, account: Account) -> dict[str, Any]:
    states = [
        {"totalVaultEquity": "0.0"} | ({"perpsAtOpenInterestCap": full} if full else {})
        for full in (limits.at_open_interest_cap(venue.state, dex) for dex in dex_names(venue.state))
    ]
    return {"userState": _user_state(venue, account), "perpDexStates": states}


def web_data_2(venue: Venue, account: Account) -> dict[str, Any]:
    state = venue.state
    return _user_state(venue, account) | {
        "clearinghouseState": clearinghouse.clearinghouse_state(state, account, MAIN, venue.answers),
        "leadingVaults": [],
        "totalVaultEquity": "0.0",
        "openOrders": orders.frontend_open_orders(state, account),
        "meta": markets.meta(state),
        "assetCtxs": markets.asset_ctxs(state, venue.tape, MAIN),
        "twapStates": twaps.running_states(state, account.address, MAIN),
        "spotState": accounts.spot_clearinghouse_state(state, account),
        "spotAssetCtxs": spot_contexts(),
        "perpsAtOpenInterestCap": limits.at_open_interest_cap(state, MAIN),
    }
