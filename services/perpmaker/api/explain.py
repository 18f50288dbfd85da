"""What a refused value breaks and how to mend it, in the trader's words, for every way a field can be refused."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

import annotated_types
from pydantic import BaseModel
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from perpmaker.api.schema import fields_by_alias, nested_model
from perpmaker.api.v1alpha1.base import Amount, SignedAmount


def explain(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    """Rule and remedy for an error that pydantic found in a document of `model`."""
    parent, field = _locate(error["loc"], model)
    context = error.get("ctx", {})
    match error["type"]:
        case "missing":
            return "required", f"add it: {_meaning(field)}"
        case "extra_forbidden":
            return "no such field", _unknown_field(str(error["loc"][-1]), fields_by_alias(parent) if parent else ())
        case "enum" | "literal_error":
            return f"one of {_plain(context['expected'])}", _choice(error["input"], context["expected"])
        case "greater_than_equal" | "less_than_equal":
            allowed = _range(field) or error["msg"]
            return allowed, f"choose a value {allowed}"
        case "int_type" | "int_from_float" | "int_parsing":
            allowed = _range(field)
            return "a whole number", f"write digits without quotes{', ' + allowed if allowed else ''}"
        case "bool_type" | "bool_parsing":
            return "true or false", "write true or false without quotes"
        case "model_type" | "dict_type" | "model_attributes_type":
            return "a mapping of fields", f"indent its fields below it: {_meaning(field)}"
        case "string_type" | "string_pattern_mismatch" | "string_too_long" if _holds(field, Amount):
            return _decimal(error["input"], signed=_holds(field, SignedAmount))
        case "string_type":
            return "text", "put the value in quotes"
        case "string_pattern_mismatch":
            return f"matches {context['pattern']}", _meaning(field)
        case "string_too_long":
            return f"at most {context['max_length']} characters", "shorten it"
        case "string_too_short":
            return "not empty", _meaning(field)
        case _:
            return error["msg"], _meaning(field)


def _locate(path: tuple[int | str, ...], model: type[BaseModel]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """The model a path ends in, and its field there when it has one."""
    parent: type[BaseModel] | None = model
    field: FieldInfo | None = None
    for index, step in enumerate(path):
        if isinstance(step, int):
            continue
        if parent is None:
            return None, None
        field = fields_by_alias(parent).get(step)
        if index < len(path) - 1:
            parent = nested_model(field)
    return parent, field


def _meaning(field: FieldInfo | None) -> str:
    return (field.description if field else None) or "see docs/reference/kinds.md"


def _unknown_field(written: str, known: Iterable[str]) -> str:
    names = list(known)
    by_lower = {name.lower(): name for name in names}
    close = difflib.get_close_matches(to_camel(written).lower(), by_lower, n=1, cutoff=0.6)
    if close:
        return f"did you mean {by_lower[close[0]]}?"
    return f"remove it; known here: {', '.join(names)}"


def _plain(expected: str) -> str:
    return expected.replace("'", "").replace(" or ", ", ")


def _choice(written: Any, expected: str) -> str:
    options = re.findall(r"'([^']*)'", expected)
    by_lower = {option.lower(): option for option in options}
    close = difflib.get_close_matches(str(written).lower(), by_lower, n=1, cutoff=0.6)
    return f"did you mean {by_lower[close[0]]}?" if close else "choose one of them"


def _range(field: FieldInfo | None) -> str:
    bounds = _bounds(field)
    if bounds["ge"] is not None and bounds["le"] is not None:
        return f"from {bounds['ge']} to {bounds['le']}"
    if bounds["ge"] is not None:
        return f"of at least {bounds['ge']}"
    return ""


def _bounds(field: FieldInfo | None) -> dict[str, Any]:
    bounds: dict[str, Any] = {"ge": None, "le": None}
    for item in field.metadata if field else ():
        if isinstance(item, annotated_types.Ge):
            bounds["ge"] = item.ge
        elif isinstance(item, annotated_types.Le):
            bounds["le"] = item.le
    return bounds


def _holds(field: FieldInfo | None, wanted: type) -> bool:
    if field is None:
        return False
    annotation = field.annotation
    candidates = (annotation, *getattr(annotation, "__args__", ()))
    return any(isinstance(candidate, type) and issubclass(candidate, wanted) for candidate in candidates)


def _decimal(written: Any, *, signed: bool) -> tuple[str, str]:
    pattern = SignedAmount.PATTERN if signed else Amount.PATTERN
    sign = "a minus where needed" if signed else "not negative"
    rule = f"a decimal in quotes: at most 10 digits before and 8 after the point, {sign}"
    if isinstance(written, int | float) and not isinstance(written, bool) and re.search(pattern, str(written)):
        return rule, f'put it in quotes: "{written}"'
    return rule, 'write it like "250" or "2.5"'
