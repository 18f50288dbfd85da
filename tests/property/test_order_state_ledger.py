"""I14 to I17: the ledger is a fold of distinct entries."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given
from tests.support.order_state import MARKET, T0, e8

from perpmaker.common.decimals import mul_e8
from perpmaker.order_state.core.ledger import (
    Entry,
    FillEntry,
    FundingEntry,
    Ledger,
    OpeningEntry,
    Position,
    carried_over,
    forgotten,
)

LOT = e8("0.001")
TICK = e8("0.1")

fills = st.builds(
    FillEntry,
    market=st.sampled_from([MARKET, "ETH"]),
    tid=st.integers(1, 6),
    oid=st.integers(1, 3),
    is_buy=st.booleans(),
    px_e8=st.integers(1, 2_000_000).map(lambda n: n * TICK),
    sz_e8=st.integers(1, 50_000).map(lambda n: n * LOT),
    exchange_time_ms=st.integers(T0 + 1, T0 + 3),
    fee_quote_e8=st.integers(-(10**6), 10**9),
)
funding = st.builds(
    FundingEntry,
    market=st.sampled_from([MARKET, "ETH"]),
    amount_quote_e8=st.integers(-(10**9), 10**9),
    exchange_time_ms=st.integers(T0 + 1, T0 + 3),
)
entries = st.lists(fills | funding, max_size=40)


def distinct(stream: list[Entry]) -> list[Entry]:
    first: dict[str, Entry] = {}
    for entry in stream:
        first.setdefault(entry.key, entry)
    return list(first.values())


@given(entries)
def test_position_equals_the_sum_of_distinct_fills(stream: list[Entry]) -> None:
    """I14."""
    ledger = Ledger(stream)
    for market in (MARKET, "ETH"):
        mine = [e for e in distinct(stream) if isinstance(e, FillEntry) and e.market == market]
        assert ledger.position(market).sz_e8 == sum(f.sz_e8 if f.is_buy else -f.sz_e8 for f in mine)
        assert ledger.position(market).fills == len(mine)


@given(entries)
def test_cash_is_what_was_paid_and_received_fees_and_funding_included(stream: list[Entry]) -> None:
    """I17."""
    ledger = Ledger(stream)
    expected = 0
    for entry in distinct(stream):
        if isinstance(entry, FillEntry):
            value = mul_e8(entry.px_e8, entry.sz_e8)
            expected += (-value if entry.is_buy else value) - entry.fee_quote_e8
        elif isinstance(entry, FundingEntry):
            expected += entry.amount_quote_e8
    assert sum(position.cash_quote_e8 for position in ledger.positions.values()) == expected


@given(entries, st.integers(1, 4), st.randoms())
def test_replaying_a_stream_any_number_of_times_in_any_chunks_changes_nothing(stream, times, random) -> None:
    """I16."""
    ledger = Ledger(stream)
    once = dict(ledger.positions)
    again = stream * times
    random.shuffle(again)
    assert not any(ledger.add(entry) for entry in again)
    assert ledger.positions == once


@given(entries, st.randoms())
def test_totals_do_not_depend_on_the_order_of_arrival(stream, random) -> None:
    unique = distinct(stream)
    shuffled = list(unique)
    random.shuffle(shuffled)
    one, other = Ledger(unique), Ledger(shuffled)
    for market, position in one.positions.items():
        that = other.position(market)
        assert (position.sz_e8, position.cash_quote_e8, position.fees_quote_e8, position.volume_quote_e8) == (
            that.sz_e8,
            that.cash_quote_e8,
            that.fees_quote_e8,
            that.volume_quote_e8,
        )


@given(entries, st.integers(-1000, 1000))
def test_fills_up_to_the_opening_balance_are_part_of_it(stream, lots) -> None:
    opening = OpeningEntry(market=MARKET, sz_e8=lots * LOT, entry_px_e8=e8("100"), exchange_time_ms=T0 + 3)
    ledger = Ledger([opening, *stream])
    assert ledger.position(MARKET).sz_e8 == lots * LOT
    assert ledger.has_begun(MARKET)


@given(st.lists(fills.map(lambda f: f), min_size=1, max_size=20))
def test_the_entry_price_lies_between_the_prices_paid(stream) -> None:
    """I6."""
    ledger = Ledger(stream)
    for market, position in ledger.positions.items():
        prices = [f.px_e8 for f in distinct(stream) if f.market == market]
        if position.sz_e8:
            # Averaging truncates below the eighth decimal, once per fill.
            assert (
                min(prices) - len(prices) * e8("0.001")
                <= position.entry_px_e8
                <= max(prices) + len(prices) * e8("0.001")
            )
        else:
            assert position.entry_px_e8 == 0


@given(entries)
def test_an_exchange_that_is_gone_takes_the_position_and_leaves_what_was_realised(stream: list[Entry]) -> None:
    ledger = Ledger(stream)
    for position in list(ledger.positions.values()):
        entry = forgotten(position, T0 + 10)
        assert entry is not None
        assert ledger.add(entry)
        after = ledger.position(position.market)
        at_cost = position.cash_quote_e8 + mul_e8(position.sz_e8, position.entry_px_e8)
        assert (after.sz_e8, after.entry_px_e8, after.cash_quote_e8) == (0, 0, at_cost)
        assert (after.fills, after.volume_quote_e8) == (position.fills, position.volume_quote_e8)


@given(entries, st.integers(0, T0 + 20))
def test_an_exchange_is_forgotten_once_also_after_the_ledger_was_written_anew(stream: list[Entry], since: int) -> None:
    ledger = Ledger(stream)
    for position in list(ledger.positions.values()):
        entry = forgotten(position, since)
        if entry is not None:
            ledger.add(entry)
        assert forgotten(ledger.position(position.market), since) is None
        rebuilt = Ledger([carried_over(ledger.position(position.market))])
        assert forgotten(rebuilt.position(position.market), since) is None


def test_a_real_exchange_forgets_nothing() -> None:
    assert forgotten(Position(market=MARKET, sz_e8=e8("1")), 0) is None
