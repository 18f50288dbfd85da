"""An account's state, fees, limits and room to trade as the exchange spells them.

An address the venue has never seen reads as an empty account, never as an error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from perpmaker.venue.answer_rules import AnswerRules
from perpmaker.venue.engine import margin
from perpmaker.venue.engine.accounts import Account, Deposit, Position
from perpmaker.venue.engine.limits import address
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, scaled, shown_e8
from perpmaker.venue.views.dexes import MAIN
from perpmaker.venue.views.markets import max_px_shown


def account_or_empty(state: State, user: str) -> Account:
    return state.accounts.get(user) or Account(user)


def deposited_e8(account: Account) -> int:
    """What was ever brought in from outside, in quote units."""
    return sum(entry.quote_e8 for entry in account.ledger if isinstance(entry, Deposit))


def clearinghouse_state(
    state: State, account: Account, dex: str = MAIN, rules: AnswerRules | None = None
) -> dict[str, Any]:
    """Money and positions of an account on one dex."""
    value = margin.equity_e8(state, account)
    used = margin.position_margin_e8(state, account)
    total = sum(abs(margin.signed_value_e8(state, account, asset)) for asset in account.positions)
    held = _resting_margin_e8(state, account) if rules is not None and rules.resting_orders_hold_margin else 0
    summary = {
        "accountValue": shown_e8(value),
        "totalNtlPos": shown_e8(total),
        "totalRawUsd": shown_e8(account.raw_e8),
        "totalMarginUsed": shown_e8(used),
    }
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": shown_e8(margin.maintenance_margin_e8(state, account)),
        "withdrawable": shown_e8(max(value - used - held, 0)),
        "assetPositions": [
            {"type": "oneWay", "position": _position(state, account, state.market(asset), position)}
            for asset, position in sorted(account.positions.items())
            if position.szi_e8 and state.market(asset).dex.name == dex
        ],
        "time": state.now_ms,
    }


def _resting_margin_e8(state: State, account: Account) -> int:
    """Initial margin of resting orders at their own prices, the larger side of each market."""
    return sum(
        max(exposure.buy_quote_e8, exposure.sell_quote_e8) // margin.leverage_of(account, state.market(asset))
        for asset, exposure in account.exposures.items()
    )


def _position(state: State, account: Account, market: Market, position: Position) -> dict[str, Any]:
    signed = margin.signed_value_e8(state, account, market.asset)
    leverage = margin.leverage_of(account, market)
    pnl = signed - position.cost_quote_e8
    entry_margin = abs(position.cost_quote_e8) // leverage
    liquidation = margin.liquidation_px_e8(state, account, market)
    return {
        "coin": market.coin,
        "szi": shown_e8(position.szi_e8),
        "leverage": {"type": "cross", "value": leverage},
        "entryPx": max_px_shown(position.entry_px_e8, market.px_decimals),
        "positionValue": shown_e8(abs(signed)),
        "unrealizedPnl": shown_e8(pnl),
        "returnOnEquity": shown_e8(scaled(pnl, E8, entry_margin)) if entry_margin else "0.0",
        "liquidationPx": None if liquidation is None else shown_e8(liquidation),
        "marginUsed": shown_e8(abs(signed) // leverage),
        "maxLeverage": market.max_leverage,
        "cumFunding": {
            "allTime": shown_e8(position.funding_all_time_e8),
            "sinceOpen": shown_e8(position.funding_since_open_e8),
            "sinceChange": shown_e8(position.funding_since_change_e8),
        },
    }


def active_asset_data(state: State, account: Account, market: Market) -> dict[str, Any]:
    """Pairs are (buy, sell): margin still available, and the largest size it pays for at mark."""
    leverage = margin.leverage_of(account, market)
    room = margin.headroom_e8(state, account, market)
    mark = state.mark_px_e8(market.asset)
    return {
        "user": account.address,
        "coin": market.coin,
        "leverage": {"type": "cross", "value": leverage},
        "maxTradeSzs": [shown_e8(market.floor_sz(notional * E8 // mark)) for notional in room],
        "availableToTrade": [shown_e8(notional // leverage) for notional in room],
        "markPx": shown_e8(mark),
    }


def user_rate_limit(state: State, account: Account) -> dict[str, Any]:
    return {
        "cumVlm": shown_e8(account.volume_e8),
        "nRequestsUsed": address.used_by(account),
        "nRequestsCap": address.cap_of(account, state.rules.limits.address),
        "nRequestsSurplus": address.surplus_of(account),
    }


def spot_clearinghouse_state(state: State, account: Account) -> dict[str, Any]:
    """Tokens held outside any dex; those of which there is nothing are left out."""
    tokens = dict.fromkeys(dex.token for dex in state.dexes)
    held = [(token, account.spot_e8.get(token.index, 0)) for token in tokens]
    return {
        "balances": [
            {"coin": token.name, "token": token.index, "total": shown_e8(total), "hold": "0.0", "entryNtl": "0.0"}
            for token, total in held
            if total
        ]
    }


def sub_accounts(state: State, account: Account) -> list[dict[str, Any]] | None:
    """The sub-accounts of a master with what they hold; null when there is none."""
    if not account.sub_accounts:
        return None
    owned = [state.accounts[sub] for sub in account.sub_accounts]
    return [
        {
            "name": sub.name,
            "subAccountUser": sub.address,
            "master": account.address,
            "clearinghouseState": clearinghouse_state(state, sub),
            "spotState": spot_clearinghouse_state(state, sub),
        }
        for sub in owned
    ]


def user_fees(state: State, account: Account) -> dict[str, Any]:
    cross, add = (shown_e8(rate * 100) for rate in (state.rules.taker_fee_e6, state.rules.maker_fee_e6))
    today = datetime.fromtimestamp(state.now_ms / 1000, UTC).strftime("%Y-%m-%d")
    taken = sum(f.px_e8 * f.sz_e8 // E8 for f in account.fills if f.crossed)
    made = sum(f.px_e8 * f.sz_e8 // E8 for f in account.fills if not f.crossed)
    everything = shown_e8(sum(state.volume_quote_e8.values()))
    return {
        "dailyUserVlm": [
            {"date": today, "userCross": shown_e8(taken), "userAdd": shown_e8(made), "exchange": everything}
        ],
        "feeSchedule": {
            "cross": cross,
            "add": add,
            "spotCross": "0.0007",
            "spotAdd": "0.0004",
            "tiers": {"vip": [], "mm": []},
            "referralDiscount": "0.0",
            "stakingDiscountTiers": [{"bpsOfMaxSupply": "0.0", "discount": "0.0"}],
        },
        "userCrossRate": cross,
        "userAddRate": add,
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }
