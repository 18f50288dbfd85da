"""Exact decimals: what the exchange writes is what we hold, and what we hold is what it signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpmaker.common.decimals import (
    E8,
    NotADecimalError,
    div_e8,
    format_e8,
    mul_e8,
    mul_ppm,
    parse_e8,
    parse_rounded_e8,
)


@given(st.integers(min_value=-(10**17), max_value=10**17))
def test_every_scaled_integer_survives_the_wire(value: int) -> None:
    assert parse_e8(format_e8(value)) == value


@pytest.mark.parametrize(
    ("text", "wire"),
    [("64000.0", "64000"), ("0.00100", "0.001"), ("0.0", "0"), ("1.000000000000", "1"), ("-0.0000001", "-0.0000001")],
)
def test_padded_decimals_become_canonical(text: str, wire: str) -> None:
    assert format_e8(parse_e8(text)) == wire


@pytest.mark.parametrize("text", ["1e5", "", ".5", "5.", "+1", " 1", "0x1", "NaN", "1.123456789", "١"])
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(NotADecimalError):
        parse_e8(text)


def test_reported_statistics_may_carry_float_noise() -> None:
    assert parse_rounded_e8("605822.25579999990") == 60582225579999


def test_products_and_quotients_truncate_toward_zero() -> None:
    assert mul_e8(-15 * E8 // 10, 1) == -1
    assert mul_e8(15 * E8 // 10, 1) == 1
    assert div_e8(-1 * E8, 3 * E8) == -33333333
    assert mul_ppm(-3, 500_000) == -1
