"""Well-formed messages of the exchange, and ways to spoil them."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

NOW_MS = 1_760_000_000_000
ADDRESS = "0x" + "ab" * 20
CLOID = "0x00000000000000000000000000000001"

_ORDER = {
    "coin": "BTC",
    "side": "B",
    "limitPx": "64310.0",
    "sz": "0.01",
    "oid": 345678901234,
    "timestamp": NOW_MS,
    "origSz": "0.02",
    "cloid": CLOID,
}
_FILL = {
    "coin": "BTC",
    "px": "64310.0",
    "sz": "0.01",
    "side": "A",
    "time": NOW_MS + 5,
    "startPosition": "-0.02",
    "oid": 345678901234,
    "crossed": True,
    "fee": "-0.0964651",
    "tid": 118906512037719,
    "cloid": CLOID,
    "feeToken": "USDC",
}
_STATE = {
    "marginSummary": {"accountValue": "13109.482328", "totalMarginUsed": "4.967826"},
    "withdrawable": "13104.514502",
    "assetPositions": [
        {
            "type": "oneWay",
            "position": {
                "coin": "ETH",
                "szi": "-0.0335",
                "leverage": {"type": "isolated", "value": 20},
                "entryPx": "2986.3",
                "unrealizedPnl": "-0.0134",
                "liquidationPx": None,
            },
        }
    ],
    "time": NOW_MS,
}
_LEVEL = {"px": "64310.0", "sz": "1.25", "n": 4}
_ASK = {"px": "64311.0", "sz": "0.4", "n": 2}

ACCOUNT: tuple[dict[str, Any], ...] = (
    {"channel": "orderUpdates", "data": [{"order": _ORDER, "status": "open", "statusTimestamp": NOW_MS}] * 2},
    {"channel": "userFills", "data": {"user": ADDRESS, "fills": [_FILL, _FILL | {"tid": 7}]}},
    {"channel": "openOrders", "data": {"dex": "", "user": ADDRESS, "orders": [_ORDER]}},
    {"channel": "clearinghouseState", "data": {"dex": "", "user": ADDRESS, "clearinghouseState": _STATE}},
    {
        "channel": "activeAssetData",
        "data": {"coin": "BTC", "leverage": {"type": "cross", "value": 3}, "maxTradeSzs": ["1.0", "2.0"]},
    },
    {
        "channel": "userFundings",
        "data": {"fundings": [{"time": NOW_MS, "coin": "BTC", "usdc": "-1.5", "szi": "0.1", "fundingRate": "0.00001"}]},
    },
    {
        "channel": "userNonFundingLedgerUpdates",
        "data": {"nonFundingLedgerUpdates": [{"time": NOW_MS, "delta": {"type": "deposit", "usdc": "100.0"}}]},
    },
    {"channel": "user", "data": {"nonUserCancel": [{"coin": "BTC", "oid": 1}]}},
    {"channel": "subscriptionResponse", "data": {"method": "subscribe", "subscription": {"type": "userFills"}}},
    {"channel": "error", "data": "Invalid subscription"},
)
MARKET: tuple[dict[str, Any], ...] = (
    {"channel": "bbo", "data": {"coin": "BTC", "time": NOW_MS, "bbo": [_LEVEL, _ASK]}},
    {"channel": "l2Book", "data": {"coin": "BTC", "time": NOW_MS, "levels": [[_LEVEL], [_ASK]]}},
    {
        "channel": "trades",
        "data": [{"coin": "BTC", "side": "B", "px": "1.0", "sz": "1.0", "time": NOW_MS, "tid": 1, "users": ["a", "b"]}],
    },
    {
        "channel": "activeAssetCtx",
        "data": {
            "coin": "BTC",
            "ctx": {"funding": "0.0", "openInterest": "1.0", "oraclePx": "64310.0", "markPx": "64310.0"},
        },
    },
)
RESTING = {"status": "ok", "response": {"type": "order", "data": {"statuses": [{"resting": {"oid": 5}}] * 2}}}
POST: tuple[dict[str, Any], ...] = (
    {"channel": "post", "data": {"id": 1, "response": {"type": "action", "payload": RESTING}}},
    {"channel": "post", "data": {"id": 1, "response": {"type": "error", "payload": "429 too many requests"}}},
    {"channel": "error", "data": "too many pending post requests id=1"},
)
ANSWERS: tuple[dict[str, Any], ...] = (
    RESTING,
    {
        "status": "ok",
        "response": {
            "type": "order",
            "data": {"statuses": [{"filled": {"totalSz": "0.02", "avgPx": "1891.4", "oid": 7}}, {"error": "no"}]},
        },
    },
    {"status": "err", "response": "Invalid nonce: duplicate nonce 7"},
    {"status": "ok", "response": {"type": "default"}},
)

_TEXTS = ("", "NaN", "-", "1e5", "\u00b2\u00b2\u00b2", "9" * 5_000)
_NUMBERS = (-1, 0, 2**63, 2**64, 10**400, 1.5, 1e308)
ODD: tuple[Any, ...] = (None, True, *_TEXTS, *_NUMBERS, [], {}, [[]])

DEEP = b"[" * 100_000
HUGE = b'{"channel":"orderUpdates","data":"' + b"x" * 10_000_000 + b'"}'
RAW: tuple[bytes, ...] = (
    b"",
    b"null",
    b"Websocket connection established.",
    b"\xff\xfe\x00",
    b'{"channel":"\\ud800"}',
    b'{"channel":"orderUpdates","data":' + DEEP,
    b'{"channel":"l2Book","data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    DEEP,
    HUGE,
    b'{"channel":"userFills","channel":"bbo","data":NaN}',
    b'{"channel":"clearinghouseState","data":{"clearinghouseState":{"time":NaN}}}',
    b'{"channel":"post","data":{"id":1,"id":2,"response":{"type":"action","payload":Infinity}}}',
)


@st.composite
def spoiled(draw: st.DrawFn, valid: tuple[dict[str, Any], ...]) -> bytes:
    """A message with one value replaced or removed, cut off, repeated inside, or with a byte changed."""
    message = json.loads(json.dumps(draw(st.sampled_from(valid))))
    way = draw(st.sampled_from(("value", "remove", "cut", "byte", "key twice")))
    if way in ("value", "remove"):
        holder, key = draw(st.sampled_from(_places(message)))
        if way == "value":
            holder[key] = draw(st.sampled_from(ODD) | st.text(max_size=8) | st.integers())
        else:
            del holder[key]
        return json.dumps(message).encode()
    text = json.dumps(message).encode()
    at = draw(st.integers(0, len(text) - 1))
    match way:
        case "cut":
            return text[:at]
        case "byte":
            return text[:at] + bytes([draw(st.integers(0, 255))]) + text[at + 1 :]
        case _:
            return text.replace(b'"data": ', b'"data": 1, "data": ', 1)


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *_places(value[key]))]
