"""Types that both kinds use: metadata, kill switch, conditions, references and policies."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue

from perpmaker.api.v1alpha1.base import ApiModel, Int64, Rule, Time

MAX_NAME_LENGTH = 40
NAME_PATTERN = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"


class BreachAction(StrEnum):
    """What happens when a limit is reached."""

    HALT = "Halt"
    REDUCE_ONLY = "ReduceOnly"


class DeletionPolicy(StrEnum):
    """What happens to orders and position when the object is deleted."""

    CANCEL_ORDERS = "CancelOrders"
    FLATTEN = "Flatten"
    ORPHAN = "Orphan"


class KillState(StrEnum):
    """Whether the kill latch has fired."""

    ARMED = "Armed"
    TRIPPED = "Tripped"


class TripScope(StrEnum):
    """How far a trip of the kill latch reaches."""

    MARKET = "Market"
    ACCOUNT = "Account"


class ConditionStatus(StrEnum):
    """Truth of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


# Python enums arrive as plain text from YAML and JSON; only the members' texts are accepted.
Breach = Annotated[BreachAction, Field(strict=False)]
Deletion = Annotated[DeletionPolicy, Field(strict=False)]

PodOverrides = Annotated[
    dict[str, JsonValue],
    Field(json_schema_extra={"x-kubernetes-preserve-unknown-fields": True}),
]


class ObjectMeta(ApiModel):
    """Identity of an object; everything but name, namespace, labels and annotations is set by an API server."""

    name: Annotated[str, Field(min_length=1, pattern=NAME_PATTERN)] = Field(
        description="Name of the object; lower-case letters, digits, '-' and '.', at most 40 characters."
    )
    namespace: str | None = Field(None, description="Namespace; references stay inside it.")
    labels: dict[str, str] = Field({}, description="Labels.")
    annotations: dict[str, str] = Field({}, description="Annotations.")
    uid: str | None = None
    resource_version: str | None = None
    generation: int = 1
    generate_name: str | None = None
    self_link: str | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    finalizers: list[str] | None = None
    owner_references: list[dict[str, Any]] | None = None
    managed_fields: list[dict[str, Any]] | None = None


def name_rule(derived: str) -> Rule[Any]:
    """Rule that keeps names short enough for what is derived from them."""
    return Rule(
        fields=("metadata.name",),
        cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
        message=f"metadata.name must be at most {MAX_NAME_LENGTH} characters{derived}",
        remedy="choose a shorter name",
        holds=lambda obj: len(obj.metadata.name) <= MAX_NAME_LENGTH,
    )


class KillSwitch(ApiModel):
    """Manual kill switch, and the acknowledgement that lets trading go on after a trip."""

    engaged: bool = Field(False, description="While true, nothing is quoted and the book is kept empty.")
    acknowledged_trip: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9-]*$")] | None = Field(
        None,
        description="Id of the trip that a person has looked at; releases the latch only if it names the current trip.",
    )


class Condition(ApiModel):
    """One observed aspect of the object, in the usual Kubernetes form."""

    type: Annotated[
        str,
        Field(
            max_length=316,
            pattern=r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        ),
    ] = Field(description="Aspect, e.g. Ready.")
    status: Annotated[ConditionStatus, Field(strict=False)] = Field(description="Whether it holds.")
    observed_generation: Int64 | None = Field(None, description="Generation of the spec it was judged from.")
    last_transition_time: Time = Field(description="When status last changed.")
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ] = Field(description="One word for the cause.")
    message: Annotated[str, Field(max_length=32768)] = Field(description="Facts for people.")


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        strict=False,
        max_length=16,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


class KillSwitchStatus(ApiModel):
    """State of the kill latch, as the risk service reports it."""

    state: Annotated[KillState, Field(strict=False)] | None = Field(None, description="Armed or Tripped.")
    scope: Annotated[TripScope, Field(strict=False)] | None = Field(None, description="What the trip stopped.")
    trip_id: str | None = Field(None, alias="tripID", description="Id to write into spec.killSwitch.acknowledgedTrip.")
    reason: str | None = Field(None, description="One word for the cause.")
    message: str | None = Field(None, description="Facts for people.")
    tripped_at: Time | None = Field(None, description="When it tripped.")
    last_rearmed_trip: str | None = Field(None, description="Id of the trip that was acknowledged last.")
