"""Single values as they come over the wire, in their canonical spelling. Each raises `ValueError` for anything else."""

from __future__ import annotations

import re

from perpmaker.venue.units import canonical_e8, parse_e8

_CLOID = re.compile(r"\A0x[0-9a-fA-F]{32}\Z")
_ADDRESS = re.compile(r"\A(?:0x)?[0-9a-fA-F]{40}\Z")
_U64 = 2**64


def address_of(text: str) -> str:
    """An address in lower case with prefix. An upper-case `0X` is not accepted."""
    if not _ADDRESS.match(text):
        raise ValueError(f"invalid address {text!r}")
    return "0x" + text.removeprefix("0x").lower()


def cloid_of(text: str) -> str:
    """A client order id in lower case."""
    if not _CLOID.match(text):
        raise ValueError(f"invalid cloid {text!r}")
    return text.lower()


def unsigned(value: int) -> int:
    """An unsigned integer of 64 bits."""
    if not 0 <= value < _U64:
        raise ValueError(f"integer out of range: {value}")
    return value


def decimal(text: str) -> str:
    """A plain decimal without padding."""
    return canonical_e8(parse_e8(text))
