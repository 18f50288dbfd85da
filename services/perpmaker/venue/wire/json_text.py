"""Reading JSON the way the exchange's server reads it, which is not quite the way a strict parser does.

What follows the first value is ignored. A key given twice is remembered, because a twice-given *known* key is
refused while an unknown one is not looked at.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn


class JsonObject(dict[str, Any]):
    """A JSON object that knows which of its keys were given more than once."""

    repeated: frozenset[str] = frozenset()


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = JsonObject(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        found.repeated = frozenset(name for name in names if names.count(name) > 1)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"expected value, not {name}")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def first_value(body: bytes) -> Any:
    """The first JSON value of a body, objects as `JsonObject`. Raises `ValueError` for what is no JSON."""
    text = body.decode()
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, _ = _DECODER.raw_decode(text, start)
    except RecursionError:
        raise ValueError("recursion limit exceeded") from None
    return value
