"""Reading JSON the way the exchange's server reads it, which is not quite the way a strict parser does.

What follows the first value is ignored. A key given twice is remembered, because a twice-given *known* key is
refused while an unknown one is not looked at.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

MAX_DEPTH = 128
"""How deep values may be nested, as in the server's own parser. A parser that recurses needs such a bound."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")
_OPENING = b"[{"


def is_too_deep(body: bytes) -> bool:
    """Whether a text nests deeper than any request may."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in _OPENING else -1
        if depth > MAX_DEPTH:
            return True
    return False


class JsonObject(dict[str, Any]):
    """A JSON object that knows which of its keys were given more than once."""

    repeated: frozenset[str] = frozenset()


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    found = JsonObject(pairs)
    if len(found) != len(pairs):
        given = Counter(name for name, _ in pairs)
        found.repeated = frozenset(name for name, times in given.items() if times > 1)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"expected value, not {name}")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)


def first_value(body: bytes) -> Any:
    """The first JSON value of a body, objects as `JsonObject`. Raises `ValueError` for what is no JSON."""
    return first_with_text(body)[0]


def first_with_text(body: bytes) -> tuple[Any, str]:
    """The first JSON value of a body and the text it was read from. Raises `ValueError` for what is no JSON."""
    if is_too_deep(body):  # before the parser, which a raised recursion limit would let overflow its stack
        raise ValueError("recursion limit exceeded")
    text = body.decode()
    start = len(text) - len(text.lstrip(" \t\r\n"))
    value, end = _DECODER.raw_decode(text, start)
    return value, text[start:end]


def repeated_key(value: Any) -> str | None:
    """A key that some object in this value was given twice, or None."""
    waiting = [value]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, JsonObject):
            if inner.repeated:
                return min(inner.repeated)
            waiting += inner.values()
        elif isinstance(inner, list):
            waiting += inner
    return None
