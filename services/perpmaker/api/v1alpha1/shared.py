"""Types that both kinds use: metadata, kill switch, conditions, references and policies."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, JsonValue

from perpmaker.api.v1alpha1.base import ApiModel, Int64, Rule, Time

MAX_NAME_LENGTH = 40
NAME_PATTERN = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
"""A DNS-1035 label: the names of Services, of which every object gets some, are no freer than this."""


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

    name: Annotated[str, Field(min_length=1)] = Field(
        description="Name of the object; lower-case letters, digits and '-', at most 40 characters."
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


NAME_RULES: tuple[Rule[Any], ...] = (
    Rule(
        fields=("metadata.name",),
        cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
        message=f"metadata.name must be at most {MAX_NAME_LENGTH} characters (names and labels of what runs for it "
        "are made from it)",
        remedy="choose a shorter name",
        holds=lambda obj: len(obj.metadata.name) <= MAX_NAME_LENGTH,
    ),
    Rule(
        fields=("metadata.name",),
        cel=f"self.metadata.name.matches('{NAME_PATTERN}')",
        message="metadata.name must start with a letter and have only lower-case letters, digits and '-' (Services "
        "are named after it)",
        remedy="choose a name such as eth or btc-testnet",
        holds=lambda obj: re.fullmatch(NAME_PATTERN, obj.metadata.name) is not None,
    ),
)
"""Rules on the name of every object, since its children are named after it."""


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
    observed_generation: Int64 | None = Field(None, description="Generation of the spec it was judged from, a count.")
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


class TeardownStep(StrEnum):
    """Where an orderly deletion stands."""

    DRAINING = "Draining"
    CANCELLING_ORDERS = "CancellingOrders"
    FLATTENING = "Flattening"
    DELETING_WORKLOAD = "DeletingWorkload"
    VERIFYING = "Verifying"
    DONE = "Done"


class Teardown(ApiModel):
    """Progress of an orderly deletion."""

    step: Annotated[TeardownStep, Field(strict=False)] | None = Field(None, description="Current step.")
    started_at: Time | None = Field(None, description="When it began.")
    attempts: int | None = Field(None, description="Tries of the current step, count.")
    last_error: Annotated[str, Field(max_length=1024)] | None = Field(None, description="Why the last try failed.")
