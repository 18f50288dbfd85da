"""Market data frames as typed structs; unknown keys are ignored, wrong types are errors.

Decimals stay text here and are read exactly by `decode.market`. Source: Hyperliquid docs, "Subscriptions".
"""

from __future__ import annotations

import msgspec
from msgspec import Struct


class LevelWire(Struct, frozen=True):
    """Price level."""

    px: str
    sz: str
    n: int


class BookWire(Struct, frozen=True):
    """`l2Book`: bids then asks, best first."""

    coin: str
    time: int
    levels: tuple[tuple[LevelWire, ...], tuple[LevelWire, ...]]


class BboWire(Struct, frozen=True):
    """`bbo`: bid then ask, null for an empty side."""

    coin: str
    time: int
    bbo: tuple[LevelWire | None, LevelWire | None]


class TradeWire(Struct, frozen=True):
    """Public trade; `side` is the aggressor's, `users` buyer then seller."""

    coin: str
    side: str
    px: str
    sz: str
    time: int
    tid: int
    users: tuple[str, str] = ("", "")


class ContextWire(Struct, frozen=True, rename="camel"):
    """Slow facts of a perpetual."""

    funding: str
    open_interest: str
    oracle_px: str
    mark_px: str


class AssetContextWire(Struct, frozen=True):
    """`activeAssetCtx`."""

    coin: str
    ctx: ContextWire


BOOK = msgspec.json.Decoder(BookWire)
BBO = msgspec.json.Decoder(BboWire)
TRADES = msgspec.json.Decoder(tuple[TradeWire, ...])
ASSET_CONTEXT = msgspec.json.Decoder(AssetContextWire)
