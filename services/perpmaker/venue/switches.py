"""Switches on the command line: `NAME=VALUE,...` for the flags and whole numbers of a set of rules."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Rules = TypeVar("Rules", bound=DataclassInstance)


def describe(rules: DataclassInstance) -> dict[str, int | bool]:
    """Every switch of a set of rules and its value."""
    values = {field.name: getattr(rules, field.name) for field in fields(rules)}
    return {name: value for name, value in values.items() if isinstance(value, int)}


def with_switches(rules: Rules, text: str) -> Rules:
    """The rules with switches changed, flags given as 0 or 1. Raises `ValueError` that lists the names."""
    defaults = describe(rules)
    chosen: dict[str, int | bool] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = part.partition("=")
        if name not in defaults:
            raise ValueError(f"unknown switch {name!r}; known: {', '.join(defaults)}")
        if not value.isdigit() or (isinstance(defaults[name], bool) and value not in ("0", "1")):
            raise ValueError(f"{name} must be {'0 or 1' if isinstance(defaults[name], bool) else 'a whole number'}")
        chosen[name] = value == "1" if isinstance(defaults[name], bool) else int(value)
    return replace(rules, **chosen)
