"""The reference page of both kinds, written from the same schema that an API server enforces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from perpmaker.api.schema import CRDS, Crd, object_schema
from perpmaker.api.v1alpha1 import API_VERSION, Amount, SignedAmount

_HEAD = f"""# The two kinds

<!-- Written by `perpmaker schema --docs`; edit services/perpmaker/api/v1alpha1 instead. -->

`{API_VERSION}`. A `TradingAccount` is one account at the exchange with its limits; a `MarketMaker` quotes one market on
it. `perpmaker validate -f FILE` tells everything that is wrong with a file at once.

*Decimal* is text in quotes, as the exchange writes numbers: at most ten digits before and eight after the point, no
exponent, not negative unless it says signed. `Bps` are basis points (1/100 of a percent), amounts are in the quote
currency (USDC). Unknown fields are errors.
"""


def kinds_page() -> str:
    """The page as Markdown."""
    return "\n".join([_HEAD, *(_section(crd) for crd in CRDS)])


def _section(crd: Crd) -> str:
    schema = object_schema(crd)
    lines = [f"## {crd.kind}", "", f"{schema['description']} Short name `{crd.short_name}`.", ""]
    lines += _table(schema["properties"]["spec"], "spec", with_default=True)
    lines += ["", "Rules across fields:", ""]
    lines += [f"- {message}" for message in _messages(schema)]
    lines += ["", "Status:", ""]
    lines += _table(schema["properties"]["status"], "status", with_default=False)
    return "\n".join([*lines, ""])


def _table(node: dict[str, Any], prefix: str, *, with_default: bool) -> list[str]:
    head = ["Field", "Type", "Default", "Meaning"] if with_default else ["Field", "Type", "Meaning"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for path, child, required in _fields(node, prefix):
        meaning = child.get("description", "")
        cells = [f"`{path}`", _type(child)]
        if with_default:
            default = _default(child, required)
            cells.append(default)
            meaning = meaning.removesuffix(f" Default {default.strip('`')}.")
        lines.append(f"| {' | '.join([*cells, meaning])} |")
    return lines


def _fields(node: dict[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, child in node.get("properties", {}).items():
        path = f"{prefix}.{name}"
        yield path, child, name in node.get("required", ())
        yield from _fields(child, path)
        if "items" in child:
            yield from _fields(child["items"], f"{path}[]")


def _type(node: dict[str, Any]) -> str:
    if "enum" in node:
        return ", ".join(node["enum"])
    if node.get("pattern") == Amount.PATTERN:
        return "decimal"
    if node.get("pattern") == SignedAmount.PATTERN:
        return "signed decimal"
    if node["type"] == "integer":
        if "maximum" in node:
            return f"integer, {node['minimum']} to {node['maximum']}"
        return "integer"
    if node["type"] == "string":
        limits = [f"at most {node['maxLength']} characters"] if "maxLength" in node and "pattern" not in node else []
        return ", ".join([node.get("format", "text").replace("date-time", "time"), *limits])
    return str(node["type"])


def _default(node: dict[str, Any], required: bool) -> str:
    if required:
        return "required"
    if "default" not in node or isinstance(node["default"], dict):
        return ""
    return f"`{json.dumps(node['default'])}`"


def _messages(node: dict[str, Any]) -> Iterator[str]:
    for rule in node.get("x-kubernetes-validations", ()):
        yield rule["message"]
    for child in node.get("properties", {}).values():
        yield from _messages(child)
