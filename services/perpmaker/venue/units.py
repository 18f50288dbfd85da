"""Exact decimals: every price, size and amount is an integer scaled by 1e8.

Text that is not a plain non-negative decimal of at most eight places never becomes a number here. Two
spellings go out: the canonical one that clients sign (`64000`) and the one responses show (`64000.0`).
"""

from __future__ import annotations

import re

E8 = 10**8
_PLAIN = re.compile(r"\A[0-9]+(?:\.([0-9]{1,8})0*)?\Z")


def parse_e8(text: str) -> int:
    """Read a plain decimal. Raises `ValueError` for signs, exponents and a non-zero ninth decimal."""
    if (match := _PLAIN.match(text)) is None:
        raise ValueError(f"not a plain decimal of at most 8 places: {text!r}")
    whole = text.partition(".")[0]
    return int(whole) * E8 + int((match.group(1) or "").ljust(8, "0"))


def canonical_e8(value: int) -> str:
    """The spelling that is signed: no exponent, no trailing zeros, no bare point."""
    sign, digits = ("-", -value) if value < 0 else ("", value)
    whole, fraction = divmod(digits, E8)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}." + f"{fraction:08d}".rstrip("0")


def shown_e8(value: int) -> str:
    """The spelling of responses: like the canonical one but with at least one decimal."""
    text = canonical_e8(value)
    return text if "." in text else text + ".0"


def notional_e8(px_e8: int, sz_e8: int) -> int:
    """Quote value of a size. Exact for legal prices and sizes, whose decimals add up to at most six."""
    return px_e8 * sz_e8 // E8


def truncate_e6(value: int) -> int:
    """Cut an amount to six decimals towards zero, as the exchange records fees and funding."""
    return value // 100 * 100 if value >= 0 else -(-value // 100 * 100)


def scaled(value: int, numerator: int, denominator: int) -> int:
    """`value * numerator / denominator`, truncated towards zero (plain `//` rounds down below zero)."""
    product = value * numerator
    return product // denominator if product >= 0 else -(-product // denominator)
