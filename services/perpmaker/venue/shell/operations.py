"""What the control port understands besides switches and operations of the engine."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from perpmaker.venue.faults.engine_ops import AnyEngineOp
from perpmaker.venue.faults.families import FAMILIES
from perpmaker.venue.faults.operation import Amount
from perpmaker.venue.faults.switches import TABLE, AnySwitch, name_of
from perpmaker.venue.shell.connection import ABNORMAL


class _Op(msgspec.Struct, tag_field="op", forbid_unknown_fields=True):
    pass


class Disconnect(_Op, tag="disconnect"):
    """Cut WebSocket connections: those of one address, or all of them."""

    address: Annotated[str | None, Meta(description="cut connections that listen or act for it")] = None
    all: Annotated[bool, Meta(description="cut every connection")] = False
    code: Annotated[int, Meta(description="close code; 1006 cuts without a close frame")] = ABNORMAL
    for_ms: Annotated[int, Meta(description="refuse every new connection for so long", ge=0)] = 0
    rest: Annotated[bool, Meta(description="with for_ms: cut REST requests too")] = False


class TradeOp(_Op, tag="trade"):
    """Send a market order of a house account; answers once it is executed."""

    coin: Annotated[str, Meta(description="market")]
    side: Annotated[Literal["B", "A"], Meta(description="B buys, A sells")]
    sz: Annotated[Amount, Meta(description="size in units of the coin")]


class RateLimit(_Op, tag="rate_limit"):
    """Use up the weight that a network address may ask over HTTP; it refills as always."""

    ip: Annotated[str | None, Meta(description="network address; null for all that asked so far")] = None


class Clear(_Op, tag="clear"):
    """Disarm switches: all, those of one name, or one by its number. Without either, schedules end too."""

    name: Annotated[str | None, Meta(description="name of the switch")] = None
    number: Annotated[int | None, Meta(description="number that arming it answered")] = None


class Faults(_Op, tag="faults"):
    """What is armed, how often each kind of switch has struck since the start, and what schedules asked for in vain."""


class ScheduleOp(_Op, tag="schedule"):
    """Carry out a schedule of faults from now on: a plan, or random ones."""

    plan: Annotated[
        dict[str, Any] | None,
        Meta(description="{seed, faults: [{at_ms, every_ms, until_ms, probability, for_ms, do}]}"),
    ] = None
    random: Annotated[str | None, Meta(description="random:SEED or random:SEED:INTENSITY")] = None


class Advance(_Op, tag="advance"):
    """Let virtual time pass, block by block."""

    ms: Annotated[int, Meta(description="milliseconds of venue time", ge=1, le=86_400_000)]


class DumpState(_Op, tag="dump_state"):
    """Everything: accounts, positions, open orders, books, broken invariants, a digest of it all."""


class StateHash(_Op, tag="state_hash"):
    """A digest of everything the venue is; it goes into the journal too."""


class Help(_Op, tag="help"):
    """Every operation: what it does, and the JSON schema of its request."""


ShellOp = Disconnect | RateLimit | TradeOp | Clear | Faults | ScheduleOp | Advance | DumpState | StateHash | Help
AnyOperation = ShellOp | AnyEngineOp | AnySwitch
DECODER: msgspec.json.Decoder[AnyOperation] = msgspec.json.Decoder(AnyOperation)
KINDS: dict[str, type[msgspec.Struct]] = {name_of(kind): kind for kind in get_args(AnyOperation)}


def describe_operations() -> dict[str, Any]:
    """Every operation by name: what it does, the JSON schema of its request; of those that mean trouble also of which
    families it is, and of switches where they act and for which hazard they stand."""
    rows = {name_of(row.kind): {"actsOn": row.layer.value, "hazard": row.hazard} for row in TABLE}
    families = {name: {"families": sorted(kinds)} for name, kinds in FAMILIES.items()}
    return {name: _describe(kind) | rows.get(name, {}) | families.get(name, {}) for name, kind in KINDS.items()}


def _describe(kind: type[msgspec.Struct]) -> dict[str, Any]:
    (schema,) = msgspec.json.schema_components([kind], ref_template="{name}")[1].values()
    return {"does": schema.pop("description"), "schema": schema}


def readable_operations() -> str:
    """The same list for people."""
    lines = []
    for name, told in describe_operations().items():
        hazard = f" [{told['hazard']}]" if "hazard" in told else ""
        lines.append(f"{name}{hazard}\n    {' '.join(told['does'].split())}")
        required = told["schema"].get("required", [])
        for field, schema in told["schema"]["properties"].items():
            if field != "op":
                given = msgspec.json.encode(schema.get("default")).decode()
                need = "required" if field in required else f"default {given}"
                lines.append(f"      {field}: {schema.get('description', '')} ({need})")
    return "\n".join(lines)
