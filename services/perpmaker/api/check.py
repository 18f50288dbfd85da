"""All that is wrong with one object, found in one pass: fields first, then every rule whose fields can be read.

A wrong field never hides a broken rule elsewhere: rules are evaluated on whatever part of the object is sound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from pydantic import TypeAdapter, ValidationError

from perpmaker.api.documents import Document
from perpmaker.api.explain import explain
from perpmaker.api.schema import fields_by_alias, nested_model
from perpmaker.api.v1alpha1 import API_VERSION, MarketMaker, TradingAccount
from perpmaker.api.v1alpha1.base import DEFER_RULES, ApiModel
from perpmaker.api.violations import Violation, show, spell

Path: TypeAlias = tuple[str | int, ...]
Kind: TypeAlias = TradingAccount | MarketMaker

KINDS: dict[str, type[TradingAccount] | type[MarketMaker]] = {
    "TradingAccount": TradingAccount,
    "MarketMaker": MarketMaker,
}

ABSENT = "(absent)"


def kind_violations(document: Document) -> list[Violation]:
    """Why the document is none of our kinds; empty when it is one."""
    content = document.content
    if not isinstance(content, dict):
        return [
            violation(document, (), show(content), "a mapping with apiVersion, kind, metadata, spec", "start it so")
        ]
    found = []
    if content.get("apiVersion") != API_VERSION:
        found.append(
            violation(
                document,
                ("apiVersion",),
                show(content["apiVersion"]) if "apiVersion" in content else ABSENT,
                API_VERSION,
                f"write apiVersion: {API_VERSION}, or keep other objects out of these files",
            )
        )
    if content.get("kind") not in list(KINDS):
        found.append(
            violation(
                document,
                ("kind",),
                show(content["kind"]) if "kind" in content else ABSENT,
                f"one of {', '.join(KINDS)}",
                "write one of them, or keep other objects out of these files",
            )
        )
    return found


def check(document: Document) -> tuple[Kind | None, list[Violation]]:
    """Validate a document of one of our kinds; the object is None when anything is wrong with it."""
    model = KINDS[document.content["kind"]]
    empty: list[Path] = []
    content = _without_empty(document.content, (), empty)
    found = [violation(document, path, "(empty)", "a value", "give it a value, or remove the line") for path in empty]
    broken: list[Path] = list(empty)
    sound: ApiModel
    try:
        sound = model.model_validate(content, context={DEFER_RULES: True})
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path = item["loc"]
            broken.append(path)
            if path in empty:
                continue
            rule, remedy = explain(item, model)
            value = ABSENT if item["type"] == "missing" else show(item["input"])
            found.append(violation(document, path, value, rule, remedy))
        sound = _as_far_as_sound(model, content)
    for path, part in _parts(sound, ()):
        for rule_ in part.RULES:
            reads = [(*path, *field.split(".")) for field in rule_.fields]
            if any(read[: len(bad)] == bad for read in reads for bad in broken) or rule_.holds(part):
                continue
            values = ", ".join(
                (f"{field}=" if len(reads) > 1 else "") + _written(part, field) for field in rule_.fields
            )
            found.append(violation(document, reads[0], values, rule_.message, rule_.remedy))
    return (sound if isinstance(sound, model) and not found else None), found


def refused_changes(old: ApiModel, new: ApiModel, path: Path = ()) -> list[tuple[str, str]]:
    """Field and message of every immutable field that differs between two versions of an object."""
    refused = [
        (spell((*path, rule.field) if rule.field else path), rule.message)
        for rule in new.CHANGE_RULES
        if not rule.holds(old, new)
    ]
    for alias, field in fields_by_alias(type(new)).items():
        if nested_model(field) is None:
            continue
        name = _attribute(type(new), alias)
        before, after = getattr(old, name), getattr(new, name)
        if isinstance(before, ApiModel) and isinstance(after, ApiModel):
            refused += refused_changes(before, after, (*path, alias))
    return refused


def violation(document: Document, path: Path, value: str, rule: str, remedy: str) -> Violation:
    """A violation at a field of a document."""
    content = document.content if isinstance(document.content, dict) else {}
    metadata = content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return Violation(
        file=document.file,
        line=document.line_of(path),
        kind=str(content.get("kind", "")),
        name=str(name or ""),
        path=spell(path),
        value=value,
        rule=rule,
        remedy=remedy,
    )


def _without_empty(value: Any, path: Path, empty: list[Path]) -> Any:
    """The content without keys that have no value; their paths go to `empty`. Metadata and pods may have some."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        here = (*path, key)
        if key == "pod" or here == ("metadata",):
            # API servers write `creationTimestamp: null`.
            kept[key] = {k: v for k, v in item.items() if v is not None} if isinstance(item, dict) else item
        elif item is None:
            empty.append(here)
        else:
            kept[key] = _without_empty(item, here, empty)
    return kept


def _as_far_as_sound(model: type[ApiModel], content: dict[str, Any]) -> ApiModel:
    """The object with the fields that are valid; the others are absent, or have their default."""
    values: dict[str, Any] = {}
    for alias, field in fields_by_alias(model).items():
        if alias not in content:
            continue
        nested = nested_model(field)
        if nested is not None and isinstance(content[alias], dict):
            values[alias] = _as_far_as_sound(nested, content[alias])
            continue
        adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or object)
        try:
            values[alias] = adapter.validate_python(content[alias])
        except ValidationError:
            continue
    return model.model_construct(None, **values)


def _parts(part: ApiModel, path: Path) -> Iterator[tuple[Path, ApiModel]]:
    """The object and every object inside it, with the path of each."""
    yield path, part
    for alias in fields_by_alias(type(part)):
        inner = getattr(part, _attribute(type(part), alias), None)
        if isinstance(inner, ApiModel):
            yield from _parts(inner, (*path, alias))


def _attribute(model: type[ApiModel], alias: str) -> str:
    return next(name for name, field in model.model_fields.items() if (field.alias or name) == alias)


def _written(part: ApiModel, field: str) -> str:
    value: Any = part
    for step in field.split("."):
        value = getattr(value, _attribute(type(value), step), None)
    if value is None:
        return ABSENT
    if isinstance(value, ApiModel):
        return show(value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    return show(getattr(value, "value", value))
