"""Tick, lot and minimum value, on the edges where the tick changes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpmaker.common.decimals import E8, format_e8, parse_e8
from perpmaker.hyperliquid.rules import InstrumentRules

BTC = InstrumentRules("BTC", 0, sz_decimals=5, max_leverage=40)
ETH = InstrumentRules("ETH", 1, sz_decimals=4, max_leverage=25)
MEME = InstrumentRules("MEME", 2, sz_decimals=0, max_leverage=3)


def documented_rule(px_e8: int, sz_decimals: int) -> bool:
    """The exchange's rule in decimal arithmetic: an integer, or five figures and six minus size decimals."""
    px = Decimal(format_e8(px_e8))
    if px <= 0:
        return False
    if px == px.to_integral_value():
        return True
    _, digits, exponent = px.normalize().as_tuple()
    assert isinstance(exponent, int)
    return len(digits) <= 5 and -exponent <= 6 - sz_decimals


@given(px_e8=st.integers(min_value=1, max_value=200_000 * E8), rules=st.sampled_from([BTC, ETH, MEME]))
def test_valid_prices_are_those_of_the_documented_rule(px_e8: int, rules: InstrumentRules) -> None:
    assert rules.is_valid_price(px_e8) == documented_rule(px_e8, rules.sz_decimals)


@given(px_e8=st.integers(min_value=10**6, max_value=200_000 * E8), rules=st.sampled_from([BTC, ETH, MEME]))
def test_rounding_brackets_the_price_with_valid_neighbours(px_e8: int, rules: InstrumentRules) -> None:
    low, high = rules.round_down(px_e8), rules.round_up(px_e8)
    assert low <= px_e8 <= high
    assert rules.is_valid_price(high)
    assert low == 0 or rules.is_valid_price(low)
    assert rules.tick_below(high) <= low
    assert rules.tick_above(px_e8) > px_e8


@pytest.mark.parametrize(
    ("rules", "px", "tick"),
    [
        (BTC, "64310", "1"),
        (BTC, "9999.5", "0.1"),
        (BTC, "123456", "1"),
        (ETH, "2440.1", "0.1"),
        (ETH, "999.99", "0.01"),
        (MEME, "0.012345", "0.000001"),
        (MEME, "1.2345", "0.0001"),
    ],
)
def test_the_tick_depends_on_the_price(rules: InstrumentRules, px: str, tick: str) -> None:
    assert format_e8(rules.tick_e8(parse_e8(px))) == tick


def test_rounding_up_reaches_the_next_power_of_ten() -> None:
    assert format_e8(ETH.round_up(parse_e8("9999.97"))) == "10000"


@given(px_e8=st.integers(min_value=10**5, max_value=200_000 * E8), rules=st.sampled_from([BTC, ETH, MEME]))
def test_the_smallest_size_is_just_worth_the_minimum(px_e8: int, rules: InstrumentRules) -> None:
    size = rules.smallest_size(px_e8)
    assert size % rules.lot_e8 == 0
    assert px_e8 * size >= rules.min_notional_e8 * E8
    assert size == rules.lot_e8 or px_e8 * (size - rules.lot_e8) < rules.min_notional_e8 * E8


@pytest.mark.parametrize(
    ("px", "sz", "closes", "violation"),
    [
        ("64310", "0.001", False, None),
        ("64310", "0", False, "size_not_positive"),
        ("64310", "0.000001", False, "size_off_lot"),
        ("0", "0.001", False, "price_not_positive"),
        ("64310.5", "0.001", False, "price_off_tick"),
        ("64310", "0.00001", False, "below_min_notional"),
        ("64310", "0.00001", True, None),
    ],
)
def test_the_first_broken_rule_is_named(px: str, sz: str, closes: bool, violation: str | None) -> None:
    assert BTC.violation(parse_e8(px), parse_e8(sz), closes_position=closes) == violation
