"""Client order ids that say whose order it is, which session placed it and for what.

Sixteen bytes, big-endian:

    byte  0      version (0xA1)
    bytes 1-4    tag: first four bytes of blake2s(account + NUL + market)
    bytes 5-8    session epoch
    bytes 9-12   sequence within the session, never reused
    byte  13     bit 7: side (0 buy, 1 sell); bits 0-6: ladder level
    bytes 14-15  checksum: first two bytes of blake2s over bytes 0-13

An order at the exchange whose cloid does not decode, or decodes to another tag, is foreign.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass

_VERSION = 0xA1
_BODY = struct.Struct(">BIIIB")
MAX_LEVEL = 0x7F
MAX_SEQUENCE = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Cloid:
    """What a client order id says."""

    tag: int
    epoch: int
    sequence: int
    is_buy: bool
    level: int


def market_tag(account: str, market: str) -> int:
    """Tag of an account and market, 32 bits."""
    digest = hashlib.blake2s(f"{account}\0{market}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big")


def _checksum(body: bytes) -> bytes:
    return hashlib.blake2s(body, digest_size=2).digest()


def mint(tag: int, epoch: int, sequence: int, *, is_buy: bool, level: int) -> str:
    """Make the client order id as the exchange spells it: "0x" and 32 lower-case hex digits.

    Raises ValueError when a part does not fit its field.
    """
    if not 0 <= level <= MAX_LEVEL:
        raise ValueError(f"level {level} is outside 0..{MAX_LEVEL}")
    for name, value in (("tag", tag), ("epoch", epoch), ("sequence", sequence)):
        if not 0 <= value <= MAX_SEQUENCE:
            raise ValueError(f"{name} {value} does not fit 32 bits")
    body = _BODY.pack(_VERSION, tag, epoch, sequence, level if is_buy else level | 0x80)
    return "0x" + (body + _checksum(body)).hex()


def decode(text: str) -> Cloid | None:
    """Read a client order id; None when it is not one of ours (any account, any market)."""
    if len(text) != 34 or not text.startswith("0x"):
        return None
    try:
        raw = bytes.fromhex(text[2:])
    except ValueError:
        return None
    body, check = raw[:14], raw[14:]
    if body[0] != _VERSION or _checksum(body) != check:
        return None
    _, tag, epoch, sequence, side_level = _BODY.unpack(body)
    return Cloid(tag=tag, epoch=epoch, sequence=sequence, is_buy=side_level < 0x80, level=side_level & 0x7F)
