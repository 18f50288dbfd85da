"""Exact decimals as integers scaled by 1e8: the only number type outside the quoter's model.

The exchange speaks decimal strings with at most eight decimals; everything here converts between those strings and
integers without ever passing through a float.
"""

from __future__ import annotations

import re

E8 = 100_000_000
"""Scale of every `*_e8` integer."""

_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?", re.ASCII)


class NotADecimalError(ValueError):
    """The text is not a plain decimal with at most eight non-zero decimals."""

    def __init__(self, text: str) -> None:
        super().__init__(f"not a plain decimal with at most 8 decimals: {text!r}")
        self.text = text


def parse_e8(text: str) -> int:
    """Read a plain decimal ("64310.5", "-0.001") as an integer scaled by 1e8.

    Trailing zeros beyond the eighth decimal are accepted; exponents, signs other than a leading minus, blanks and
    further digits are not. Raises NotADecimalError.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotADecimalError(text)
    sign, whole, fraction = match.groups()
    if fraction is None:
        value = int(whole) * E8
    elif len(fraction) <= 8:
        value = int(whole) * E8 + int(fraction) * 10 ** (8 - len(fraction))
    elif fraction[8:].strip("0"):
        raise NotADecimalError(text)
    else:
        value = int(whole) * E8 + int(fraction[:8])
    return -value if sign else value


def parse_rounded_e8(text: str) -> int:
    """Read a decimal that may carry float noise or more than eight decimals, truncating toward zero at the eighth.

    For reported statistics only (margin, equity, open interest); never for prices and sizes of orders.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise NotADecimalError(text)
    sign, whole, fraction = match.groups()
    value = int(whole) * E8 + int(((fraction or "") + "00000000")[:8])
    return -value if sign else value


def format_e8(value: int) -> str:
    """Write an integer scaled by 1e8 as the exchange signs it: no exponent, no trailing zeros, "0" for zero."""
    sign = "-" if value < 0 else ""
    whole, fraction = divmod(abs(value), E8)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:08d}".rstrip("0")


def mul_e8(a_e8: int, b_e8: int) -> int:
    """Product of two scaled integers, scaled by 1e8, truncated toward zero."""
    product = a_e8 * b_e8
    return product // E8 if product >= 0 else -(-product // E8)


def div_e8(a_e8: int, b_e8: int) -> int:
    """Quotient of two scaled integers, scaled by 1e8, truncated toward zero. Raises ZeroDivisionError."""
    quotient = abs(a_e8) * E8 // abs(b_e8)
    return quotient if (a_e8 < 0) == (b_e8 < 0) else -quotient


def mul_ppm(value: int, ppm: int) -> int:
    """Apply parts per million, truncated toward zero."""
    product = value * ppm
    return product // 1_000_000 if product >= 0 else -(-product // 1_000_000)
