"""What every type of the API keeps: unknown fields are refused, values are exact, and each rule is written once.

A rule that spans fields exists as one `Rule` on the type it belongs to: the schema carries its CEL text, which a
Kubernetes API server evaluates, and `perpmaker validate` evaluates its Python predicate. Messages are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationInfo, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from perpmaker.common.decimals import parse_e8

GROUP = "perpmaker.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

WHOLE_BPS = 10_000
"""The whole of a price, in basis points."""

DEFER_RULES = "defer_rules"
"""Key of the validation context that leaves rules to the caller, so that all violations can be told at once."""

M_contra = TypeVar("M_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Rule(Generic[M_contra]):
    """A condition over fields of one object.

    `fields` are the fields it reads, relative to the object and in the spelling of the document; a violation is
    reported at the first. `cel` and `holds` say the same thing in two languages.
    """

    fields: tuple[str, ...]
    cel: str
    message: str
    remedy: str
    holds: Callable[[M_contra], bool]


@dataclass(frozen=True, slots=True)
class ChangeRule(Generic[M_contra]):
    """A condition over the old and the new version of one object; evaluated when an object is updated."""

    field: str
    cel: str
    message: str
    remedy: str
    holds: Callable[[M_contra, M_contra], bool]


class ApiModel(BaseModel):
    """Base of every object in the API: immutable, strict about types, camelCase in documents."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=False
    )

    RULES: ClassVar[tuple[Rule[Any], ...]] = ()
    CHANGE_RULES: ClassVar[tuple[ChangeRule[Any], ...]] = ()

    @model_validator(mode="after")
    def _rules_hold(self, info: ValidationInfo) -> Self:
        if info.context and info.context.get(DEFER_RULES):
            return self
        broken = [rule.message for rule in self.RULES if not rule.holds(self)]
        if broken:
            raise PydanticCustomError("rule", "{messages}", {"messages": "; ".join(broken)})
        return self


class Amount(str):
    """A decimal with at most eight decimals, kept as the text the exchange would read; never negative.

    At most ten digits before the point, so that every amount scaled by 1e8 fits a signed 64-bit integer.
    """

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?$"
    MAX_LENGTH: ClassVar[int] = 19

    @property
    def e8(self) -> int:
        """Exact value scaled by 1e8."""
        return parse_e8(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(pattern=cls.PATTERN, max_length=cls.MAX_LENGTH, strict=True)
        return core_schema.no_info_after_validator_function(cls, text)


class SignedAmount(Amount):
    """An amount that may be negative."""

    __slots__ = ()
    PATTERN: ClassVar[str] = r"^-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,8})?$"
    MAX_LENGTH: ClassVar[int] = 20


Int32 = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Int64 = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
EthAddress = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$", max_length=42)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253)]
