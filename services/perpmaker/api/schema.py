"""The two kinds as CustomResourceDefinitions: structural OpenAPI v3 schemas made from the models.

What a model says once (type, range, pattern, default, description, rules) is all the schema contains. Structural form
means: no references, no unions, no `additionalProperties` beside `properties`, a type at every node.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from perpmaker.api.v1alpha1 import GROUP, VERSION, MarketMaker, MarketMakerSpec, TradingAccount, TradingAccountSpec
from perpmaker.api.v1alpha1.base import ApiModel, ChangeRule, Rule
from perpmaker.api.v1alpha1.marketmaker import MarketMakerStatus
from perpmaker.api.v1alpha1.tradingaccount import TradingAccountStatus

Json: TypeAlias = Any
"""A JSON value."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; those not `wide` are always shown."""

    name: str
    type: str
    json_path: str
    description: str
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Crd:
    """What a CustomResourceDefinition says beside the schema."""

    model: type[ApiModel]
    spec: type[ApiModel]
    status: type[ApiModel]
    plural: str
    short_name: str
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Kind, as documents name it."""
        return self.model.__name__


_READY = ".status.conditions[?(@.type=='Ready')]"
_STATE = Column("State", "string", f"{_READY}.reason", "Why it is ready or not: the reason of condition Ready.")
_IS_READY = Column("Ready", "string", f"{_READY}.status", "Whether everything is as wanted.", wide=True)
_AGE = Column("Age", "date", ".metadata.creationTimestamp", "Time since it was created.")

CRDS: tuple[Crd, ...] = (
    Crd(
        model=TradingAccount,
        spec=TradingAccountSpec,
        status=TradingAccountStatus,
        plural="tradingaccounts",
        short_name="ta",
        columns=(
            Column("Network", "string", ".spec.network", "Exchange network."),
            _STATE,
            Column("Equity", "string", ".status.summary.equity", "Account value, USDC."),
            Column("Day P&L", "string", ".status.summary.dayPnl", "P&L since 00:00 UTC, USDC."),
            Column("Makers", "integer", ".status.marketMakers", "MarketMakers on the account."),
            Column("Kill switch", "string", ".status.killSwitch.state", "Armed or Tripped."),
            _IS_READY,
            Column("Address", "string", ".status.address", "Address the account trades as.", wide=True),
            _AGE,
        ),
        selectable=(".spec.network",),
    ),
    Crd(
        model=MarketMaker,
        spec=MarketMakerSpec,
        status=MarketMakerStatus,
        plural="marketmakers",
        short_name="mm",
        columns=(
            _STATE,
            Column("Market", "string", ".spec.market.symbol", "Market at the exchange."),
            Column("Mode", "string", ".spec.mode", "What the maker may do."),
            Column("Position", "string", ".status.summary.positionNotional", "Signed position value, USDC."),
            Column("Day P&L", "string", ".status.summary.dayPnl", "P&L since 00:00 UTC, USDC."),
            Column("Uptime", "string", ".status.summary.quoteUptime", "Share of the last hour with two-sided quotes."),
            Column("Applied", "integer", ".status.quoter.appliedGeneration", "Generation that the quoter uses."),
            Column("Account", "string", ".spec.accountRef.name", "TradingAccount it trades on.", wide=True),
            Column("Kill switch", "string", ".status.killSwitch.state", "Armed or Tripped.", wide=True),
            Column("Orders", "integer", ".status.summary.openOrders", "Live orders.", wide=True),
            _IS_READY,
            _AGE,
        ),
        selectable=(".spec.accountRef.name", ".spec.market.symbol"),
    ),
)

_KEPT = (
    "type",
    "format",
    "enum",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "maxItems",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
)


def custom_resource_definition(crd: Crd) -> dict[str, Json]:
    """The whole CustomResourceDefinition as an API server takes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{crd.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": crd.kind,
                "listKind": f"{crd.kind}List",
                "plural": crd.plural,
                "singular": crd.kind.lower(),
                "shortNames": [crd.short_name],
                "categories": ["perpmaker", "trading"],
            },
            "versions": [_version(crd)],
        },
    }


def _version(crd: Crd) -> dict[str, Json]:
    version: dict[str, Json] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
    }
    if crd.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in crd.selectable]
    version["additionalPrinterColumns"] = [
        {"name": c.name, "type": c.type, "jsonPath": c.json_path, "description": c.description}
        | ({"priority": 1} if c.wide else {})
        for c in crd.columns
    ]
    version["schema"] = {"openAPIV3Schema": object_schema(crd)}
    return version


def object_schema(crd: Crd) -> dict[str, Json]:
    """Schema of a whole object; an API server owns `apiVersion`, `kind` and `metadata`, so those stay open."""
    return {
        "type": "object",
        "description": crd.model.__doc__,
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": model_schema(crd.spec),
            "status": model_schema(crd.status),
        },
        "required": ["spec"],
        "x-kubernetes-validations": _validations(crd.model),
    }


def model_schema(model: type[ApiModel]) -> dict[str, Json]:
    """Structural schema of a model."""
    root = model.model_json_schema()
    return _structural(root, root.get("$defs", {}), model)


def _structural(node: Json, definitions: dict[str, Json], model: type[BaseModel] | None) -> dict[str, Json]:
    node = _resolved(node, definitions)
    out: dict[str, Json] = {key: node[key] for key in _KEPT if key in node}
    default = _without_none(node.get("default"))
    if "description" in node:
        # `kubectl explain` shows descriptions and not defaults.
        told = default is not None and not isinstance(default, dict)
        out["description"] = node["description"] + (f" Default {json.dumps(default)}." if told else "")
    if default is not None:
        out["default"] = default
    if "items" in node:
        out["items"] = _structural(node["items"], definitions, nested_model(model))
    if "properties" in node:
        fields = fields_by_alias(model) if model else {}
        out["properties"] = {
            name: _structural(child, definitions, nested_model(fields.get(name)))
            for name, child in node["properties"].items()
        }
        if "required" in node:
            out["required"] = node["required"]
    if model is not None and "properties" in node and issubclass(model, ApiModel) and (rules := _validations(model)):
        out["x-kubernetes-validations"] = rules
    return out


def _resolved(node: dict[str, Json], definitions: dict[str, Json]) -> dict[str, Json]:
    """The node with its reference followed and its "or null" dropped; what the field says beats what the type says."""
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        if len(choices) != 1:
            raise TypeError(f"not structural: {node['anyOf']}")
        node = {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}
    if "$ref" in node:
        target = definitions[node["$ref"].rpartition("/")[2]]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
        return _resolved(node, definitions)
    return node


def _without_none(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value


def _validations(model: type[ApiModel]) -> list[dict[str, str]]:
    rules: tuple[Rule[Any] | ChangeRule[Any], ...] = (*model.CHANGE_RULES, *model.RULES)
    return [{"rule": rule.cel, "message": rule.message} for rule in rules]


def fields_by_alias(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Fields of a model by their spelling in documents."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def nested_model(source: FieldInfo | type[BaseModel] | None) -> type[ApiModel] | None:
    """The model a field holds, also inside `X | None` and `tuple[X, ...]`; None for plain values."""
    if not isinstance(source, FieldInfo):
        return None
    return _model_in(source.annotation)


def _model_in(annotation: Any) -> type[ApiModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _model_in(argument)
        if found is not None:
            return found
    return None


def default_of(field: FieldInfo) -> Json:
    """Default of a field as a document would spell it; None for none."""
    if field.default is PydanticUndefined or field.default is None:
        return None
    if isinstance(field.default, BaseModel):
        return field.default.model_dump(mode="json", by_alias=True, exclude_none=True)
    return getattr(field.default, "value", field.default)


class _Dumper(yaml.SafeDumper):
    """Quotes what readers of older YAML take for booleans, and indents lists under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if text.lower() in {"y", "n"} else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def render(crd: Crd) -> str:
    """The CustomResourceDefinition as YAML text."""
    head = "# Written by `perpmaker schema`; edit services/perpmaker/api/v1alpha1 instead.\n"
    body = yaml.dump(custom_resource_definition(crd), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return head + body


def rendered_files() -> dict[str, str]:
    """File name to text, for every kind."""
    return {f"{crd.plural}.yaml": render(crd) for crd in CRDS}
