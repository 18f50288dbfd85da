"""The budget of requests an account has over its life.

One request for each unit of quote traded, on top of a base; cancels have more. An account beyond its budget is let
through once in a while, so it can trade its way back. Source: Hyperliquid documentation, "Rate limits and user limits".
"""

from __future__ import annotations

from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.limits.rules import AddressRules
from perpmaker.venue.units import E8


def cap_of(account: Account, rules: AddressRules) -> int:
    """Requests its volume allows an account."""
    return rules.base_requests + account.volume_e8 // E8


def cancel_cap_of(account: Account, rules: AddressRules) -> int:
    """Where cancels end too: further out, so that a limited maker can still leave the book."""
    cap = cap_of(account, rules)
    return min(cap + rules.extra_cancels, 2 * cap)


def used_by(account: Account) -> int:
    """Requests that count against the cap: those made, without those bought."""
    return max(0, account.requests - account.requests_reserved)


def surplus_of(account: Account) -> int:
    """Bought requests that are still unused."""
    return max(0, account.requests_reserved - account.requests)


def charge(
    account: Account, rules: AddressRules, items: int, now_ms: int, *, is_cancel: bool, is_trial: bool = False
) -> str | None:
    """Count an action of so many items. Returns None, or the exchange's text when it is refused (and not counted).

    A trial only says what would be answered.
    """
    waits = False
    if rules.enforced and not account.is_house:
        limit = cancel_cap_of(account, rules) if is_cancel else cap_of(account, rules)
        wanted = max(0, account.requests + items - account.requests_reserved)
        waits = wanted > limit
        if waits and account.requests_over_ms is not None and now_ms - account.requests_over_ms < rules.spacing_ms:
            return _over_budget(account, wanted, limit)
    if not is_trial:
        account.requests += items
        account.requests_over_ms = now_ms if waits else account.requests_over_ms
    return None


def exhaust(account: Account, rules: AddressRules, now_ms: int) -> None:
    """Use up an account's budget, cancels included, and its next passage."""
    account.requests = max(account.requests, cancel_cap_of(account, rules) + account.requests_reserved)
    account.requests_over_ms = now_ms


def charge_expired(account: Account, rules: AddressRules, items: int) -> None:
    """Count an action that came after its expiry."""
    account.requests += rules.expired_cost * items


def _over_budget(account: Account, wanted: int, limit: int) -> str:
    cents = account.volume_e8 * 100 // E8
    volume = f"{cents // 100}.{cents % 100:02d}"
    return action_texts.OVER_BUDGET.format(used=wanted, cap=limit, volume=volume)
