"""Limits of how much one account may do in a day or in a busy minute.

Accounts in unified or portfolio mode have a number of actions a day. While congestion is declared an account may do at
most twice its share of yesterday's maker volume of what all may do in a minute, and never less than one action.
Source: Hyperliquid documentation, "Rate limits and user limits"; the texts and the minute are this venue's choice.
"""

from __future__ import annotations

from collections.abc import Iterable

from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.limits.rules import AddressRules

_DAY_MS = 86_400_000
_MINUTE_MS = 60_000


def spend(account: Account, actions: int, now_ms: int) -> int:
    """Count actions of today against an account. Returns how many there are now."""
    day = now_ms // _DAY_MS
    before = account.actions_today if account.actions_day == day else 0
    account.actions_day, account.actions_today = day, before + actions
    return account.actions_today


def refusal(
    account: Account, everybody: Iterable[Account], rules: AddressRules, now_ms: int, *, is_congested: bool
) -> str | None:
    """Count an action. Returns None, or why it is one too many (and not counted)."""
    if account.is_house or not rules.enforced:
        return None
    day, minute = now_ms // _DAY_MS, now_ms // _MINUTE_MS
    today = account.actions_today if account.actions_day == day else 0
    this_minute = account.actions_this_minute if account.actions_minute == minute else 0
    most = rules.unified_daily_actions
    if account.abstraction != "disabled" and today >= most:
        return action_texts.UNIFIED_DAY_SPENT.format(most=most)
    if is_congested:
        share = _share_of_minute(account, everybody, rules, day)
        if this_minute >= share:
            return action_texts.CONGESTED.format(most=share)
    account.actions_day, account.actions_today = day, today + 1
    account.actions_minute, account.actions_this_minute = minute, this_minute + 1
    return None


def _share_of_minute(account: Account, everybody: Iterable[Account], rules: AddressRules, day: int) -> int:
    own, total = _made_on(account, day - 1), sum(_made_on(other, day - 1) for other in everybody)
    return max(1, 2 * rules.congested_actions_per_minute * own // total) if total else 1


def _made_on(account: Account, day: int) -> int:
    return account.volume_by_day.get(day, (0, 0))[1]
