"""The part of a pod that a trader may choose, typed as Kubernetes types it.

An unknown field is refused here, with its path, because the API server answers one only with an internal error.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from perpmaker.api.v1alpha1 import GROUP
from perpmaker.operator.children.quantities import parse_quantity

_NAME: Final = r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)"
_DOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY: Final = re.compile(rf"^({_DOMAIN}/)?{_NAME}$")
_LABEL_VALUE: Final = re.compile(rf"^{_NAME}?$")
_SUBDOMAIN: Final = re.compile(rf"^{_DOMAIN}$")

_OWN_DOMAINS: Final = (GROUP, "app.kubernetes.io")
_OWN_LABELS: Final = ("pod-template-hash", "controller-revision-hash")
_PROFILE_DOMAINS: Final = (
    "container.apparmor.security.beta.kubernetes.io",
    "container.seccomp.security.alpha.kubernetes.io",
    "seccomp.security.alpha.kubernetes.io",
)
"""Annotations that loosen what a container is confined to."""


def _key(text: str) -> str:
    if not _KEY.match(text) or len(text.rpartition("/")[0]) > 253:
        raise PydanticCustomError(
            "key", "is no key; write NAME or DOMAIN/NAME with letters, digits, '-', '_' and '.', at most 63 in NAME"
        )
    return text


def _label_value(text: str) -> str:
    if not _LABEL_VALUE.match(text):
        raise PydanticCustomError(
            "label_value", "is no label value; use at most 63 letters, digits, '-', '_' and '.', none of '-_.' outside"
        )
    return text


def _subdomain(text: str) -> str:
    if not _SUBDOMAIN.match(text) or len(text) > 253:
        raise PydanticCustomError("name", "is no object name; use lower-case letters, digits, '-' and '.'")
    return text


def _free_label(key: str) -> str:
    if key in _OWN_LABELS or key.rpartition("/")[0].endswith(_OWN_DOMAINS):
        raise PydanticCustomError("reserved", "belongs to the operator or to Kubernetes; choose another key")
    return key


def _free_annotation(key: str) -> str:
    domain = key.rpartition("/")[0]
    if domain.endswith(_OWN_DOMAINS):
        raise PydanticCustomError("reserved", "belongs to the operator; choose another key")
    if domain in _PROFILE_DOMAINS:
        raise PydanticCustomError("confinement", "changes what the pod is confined to, which is fixed; remove it")
    return key


def _quantity(value: object) -> str:
    number = parse_quantity(value)
    if number is None:
        raise PydanticCustomError("quantity", 'is no quantity; write it like "500m", "2" or "256Mi"')
    if number < 0:
        raise PydanticCustomError("quantity", "must not be negative")
    return str(value)


Key: TypeAlias = Annotated[str, AfterValidator(_key)]
LabelKey: TypeAlias = Annotated[str, AfterValidator(_key), AfterValidator(_free_label)]
AnnotationKey: TypeAlias = Annotated[str, AfterValidator(_key), AfterValidator(_free_annotation)]
LabelValue: TypeAlias = Annotated[str, AfterValidator(_label_value)]
Name: TypeAlias = Annotated[str, AfterValidator(_subdomain)]
Quantity: TypeAlias = Annotated[str, BeforeValidator(_quantity)]
Text: TypeAlias = Annotated[str, Field(min_length=1)]
Effect: TypeAlias = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
Policy: TypeAlias = Literal["Honor", "Ignore"]


class _Model(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", strict=True, frozen=True)


class Resources(_Model):
    """What a container gets."""

    requests: dict[Key, Quantity] | None = None
    limits: dict[Key, Quantity] | None = None

    @model_validator(mode="after")
    def _requests_fit(self) -> Self:
        for name, limit in (self.limits or {}).items():
            most, wanted = parse_quantity(limit), parse_quantity((self.requests or {}).get(name, "0"))
            if most is not None and wanted is not None and wanted > most:
                raise PydanticCustomError(
                    "request", "requests.{name} exceeds limits.{name}; lower the request", {"name": name}
                )
        return self


class Toleration(_Model):
    """A taint that is accepted."""

    key: Key | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: LabelValue | None = None
    effect: Effect | None = None
    toleration_seconds: int | None = None


class LabelExpression(_Model):
    """One requirement on labels."""

    key: Key
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    values: list[LabelValue] | None = None


class LabelSelector(_Model):
    """A choice of objects by labels."""

    match_labels: dict[Key, LabelValue] | None = None
    match_expressions: list[LabelExpression] | None = None


class NodeExpression(_Model):
    """One requirement on a node."""

    key: Key
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    values: list[str] | None = None


class NodeTerm(_Model):
    """Requirements on a node, all of which must hold."""

    match_expressions: list[NodeExpression] | None = None
    match_fields: list[NodeExpression] | None = None


class NodeSelector(_Model):
    """Terms, one of which must hold."""

    node_selector_terms: Annotated[list[NodeTerm], Field(min_length=1)]


Weight: TypeAlias = Annotated[int, Field(ge=1, le=100)]


class PreferredNode(_Model):
    """A wish about the node."""

    weight: Weight
    preference: NodeTerm


class NodeAffinity(_Model):
    """Which nodes."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredNode] | None = None


class PodTerm(_Model):
    """Near or far from which pods."""

    topology_key: Key
    label_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    namespaces: list[Name] | None = None


class PreferredPod(_Model):
    """A wish about other pods."""

    weight: Weight
    pod_affinity_term: PodTerm


class PodAffinity(_Model):
    """Near or far from other pods."""

    required_during_scheduling_ignored_during_execution: list[PodTerm] | None = None
    preferred_during_scheduling_ignored_during_execution: list[PreferredPod] | None = None


class Affinity(_Model):
    """Where the pod runs."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class SpreadConstraint(_Model):
    """How evenly pods are spread."""

    max_skew: Annotated[int, Field(ge=1)]
    topology_key: Key
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    label_selector: LabelSelector | None = None
    min_domains: Annotated[int, Field(ge=1)] | None = None
    node_affinity_policy: Policy | None = None
    node_taints_policy: Policy | None = None


class Overrides(_Model):
    """Everything that may be chosen about a pod."""

    resources: Resources | None = None
    node_selector: dict[Key, LabelValue] | None = None
    tolerations: list[Toleration] | None = None
    affinity: Affinity | None = None
    topology_spread_constraints: list[SpreadConstraint] | None = None
    priority_class_name: Name | None = None
    labels: dict[LabelKey, LabelValue] | None = None
    annotations: dict[AnnotationKey, str] | None = None


ALLOWED: Final = tuple(to_camel(name) for name in Overrides.model_fields)


def as_manifest(model: BaseModel) -> dict[str, Any]:
    """The model as Kubernetes writes it: camelCase, nothing that is absent or an empty list."""
    kept: dict[str, Any] = _without_empty_lists(model.model_dump(by_alias=True, exclude_none=True))
    return kept


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_empty_lists(item) for key, item in value.items() if item != []}
    if isinstance(value, list):
        return [_without_empty_lists(item) for item in value]
    return value
