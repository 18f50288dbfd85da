"""The spot market as far as clients of perpetuals ask for it: tokens, and one pair that nobody trades.

Clients resolve all names at once and refuse an exchange whose spot universe is empty, so the pair is listed. It has
a last price and no book. Source: Hyperliquid documentation, "Info endpoint" (spot).
"""

from __future__ import annotations

from typing import Any

from perpmaker.venue.engine.listings import Token
from perpmaker.venue.engine.state import State

_PURR = Token(2, "PURR", "0xc1fb593aeffbeb02f85e0308e9956a90")
_PAIR = "PURR/USDC"
_LAST_PX = "0.2"
_SUPPLY = "1000000000.0"


def spot_meta(state: State) -> dict[str, Any]:
    """The tokens that dexes are margined in, the one that is listed, and its pair."""
    tokens = {dex.token.index: dex.token for dex in state.dexes} | {_PURR.index: _PURR}
    return {
        "tokens": [_token(token) for _, token in sorted(tokens.items())],
        "universe": [{"tokens": [_PURR.index, 0], "name": _PAIR, "index": 0, "isCanonical": True}],
    }


def _token(token: Token) -> dict[str, Any]:
    return {
        "name": token.name,
        "szDecimals": 0 if token is _PURR else 8,
        "weiDecimals": 5 if token is _PURR else 8,
        "index": token.index,
        "tokenId": token.token_id,
        "isCanonical": token.index == 0 or token is _PURR,
        "evmContract": None,
        "fullName": None,
        "deployerTradingFeeShare": "0.0",
    }


def spot_contexts() -> list[dict[str, Any]]:
    """Contexts in the order of the universe."""
    return [
        {
            "prevDayPx": _LAST_PX,
            "dayNtlVlm": "0.0",
            "markPx": _LAST_PX,
            "midPx": None,
            "circulatingSupply": _SUPPLY,
            "coin": _PAIR,
            "totalSupply": _SUPPLY,
            "dayBaseVlm": "0.0",
        }
    ]
