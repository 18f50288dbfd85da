"""The lines of a journal: JSON objects, one a line, told apart by `k`.

The first line is `Begin`; then everything that reached the engine, in order. A torn last line is what a crash leaves
and is ignored. Field `n` numbers submissions, so that an answer names the one it belongs to.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Raw

FORMAT = 1


class _Entry(msgspec.Struct, tag_field="k", forbid_unknown_fields=True):
    pass


class Begin(_Entry, tag="begin"):
    """Options of the venue; `format` is the version of this schema."""

    format: int
    options: dict[str, Any]


class Step(_Entry, tag="step"):
    """A block was built at this time."""

    t: int


class Act(_Entry, tag="act"):
    """A client's action: the body of its request, and the addresses its signature recovers to."""

    n: int
    body: Raw
    signers: tuple[str, ...]


class House(_Entry, tag="house"):
    """An action of a house account that no participant sent: the control plane's, or a fault's."""

    n: int
    address: str
    kind: Literal["PlaceOrders", "CancelOrders"]
    action: Raw


class Operation(_Entry, tag="op"):
    """An operation of the control plane, and its result or refusal. Only some of them reach the engine."""

    op: Raw
    result: Raw


class Seen(_Entry, tag="seen"):
    """Addresses that somebody asked about since the last block."""

    addresses: list[str]


class Answered(_Entry, tag="answer"):
    """What submission `n` was answered."""

    n: int
    answer: Raw


class Hash(_Entry, tag="hash"):
    """Digest of the venue after this many blocks. The last line of a venue that was stopped in order has `end`."""

    height: int
    hash: str
    end: bool = False


class Broken(_Entry, tag="broken"):
    """The block after this height could not be built, or broke the books. Nothing follows."""

    height: int
    error: str


Entry = Begin | Step | Act | House | Operation | Seen | Answered | Hash | Broken
DECODER: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)
ENCODER = msgspec.json.Encoder()
