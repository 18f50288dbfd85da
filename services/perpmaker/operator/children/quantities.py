"""Kubernetes quantities by value: `1`, `1000m` and `1.0` are one amount in three spellings."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_SPELLING: Final = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d{1,2})|([numkMGTPE]|[KMGTPE]i))?$", re.ASCII)
_MAX_LENGTH: Final = 64

_SUFFIXES: Final[dict[str, Fraction]] = {
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", start=1)},
}


def parse_quantity(spelling: object) -> Fraction | None:
    """Value of a quantity as it stands in YAML or JSON (text or number); None when it is none."""
    if isinstance(spelling, bool) or not isinstance(spelling, str | int | float):
        return None
    text = str(spelling)
    found = _SPELLING.match(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        return None
    number, exponent, suffix = found.groups()
    value = Fraction(number)
    if exponent:
        value *= Fraction(10) ** int(exponent[1:])
    return value * _SUFFIXES[suffix] if suffix else value
