"""P&L of the UTC day: what the ledger's P&L has changed by since the day began, and its best value.

The ledger's P&L is cash plus position at the mark, without beginning or end. What changed while nobody looked counts to
the day on which it is noticed.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec


class Day(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One day of one market (or of the account), money in quote units of 1e-8."""

    date: str
    """ISO date, UTC."""
    base_e8: int
    """Ledger P&L at which the day began."""
    pnl_e8: int = 0
    """P&L of the day so far."""
    peak_e8: int = 0
    """Best P&L of the day, at least zero."""
    fills: int = 0
    """Fills the ledger held when last seen."""


def utc_date(now_ms: int) -> str:
    """ISO date of a time in milliseconds."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date().isoformat()


def observe(day: Day | None, date: str, ledger_pnl_e8: int, fills: int) -> Day:
    """Advance to a newly seen ledger P&L, rolling over when the date is later.

    A ledger with fewer fills than before was rebuilt from what the exchange still serves: its P&L has another origin,
    so the day goes on from where it was.
    """
    if day is None:
        return Day(date=date, base_e8=ledger_pnl_e8, fills=fills)
    base_e8, peak_e8 = day.base_e8, day.peak_e8
    if fills < day.fills:
        base_e8 = ledger_pnl_e8 - day.pnl_e8
    if date > day.date:
        base_e8, peak_e8 = base_e8 + day.pnl_e8, 0
    pnl_e8 = ledger_pnl_e8 - base_e8
    return Day(
        date=max(date, day.date),
        base_e8=base_e8,
        pnl_e8=pnl_e8,
        peak_e8=max(peak_e8, pnl_e8),
        fills=fills,
    )


def observe_total(day: Day | None, date: str, total_pnl_e8: int) -> Day:
    """Advance the account's day, whose P&L is the sum of the markets' days and so begins at zero by itself."""
    same_day = day is not None and date <= day.date
    peak_e8 = day.peak_e8 if day is not None and same_day else 0
    return Day(
        date=day.date if day is not None and same_day else date,
        base_e8=0,
        pnl_e8=total_pnl_e8,
        peak_e8=max(0, peak_e8, total_pnl_e8),
    )


def encode_days(days: dict[str, Day]) -> bytes:
    """Write as JSON."""
    return msgspec.json.encode(days)


def decode_days(raw: bytes) -> dict[str, Day]:
    """Read what `encode_days` wrote; an unreadable text is no day at all, since the day is only an aid to memory."""
    try:
        return msgspec.json.decode(raw, type=dict[str, Day])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
