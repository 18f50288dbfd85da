"""Wire types of the exchange's answers to actions. Source: Hyperliquid docs, "Exchange endpoint"."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct


class RestingStatus(Struct, frozen=True, omit_defaults=True):
    """The order rests in the book."""

    oid: int
    cloid: str | None = None


class FilledStatus(Struct, frozen=True, omit_defaults=True, rename="camel"):
    """The order executed at once, in whole or in part."""

    total_sz: str
    avg_px: str
    oid: int
    cloid: str | None = None


class ItemStatus(Struct, frozen=True, omit_defaults=True):
    """One entry of `statuses` in object form; exactly one field is set."""

    resting: RestingStatus | None = None
    filled: FilledStatus | None = None
    error: str | None = None


class StatusesData(Struct, frozen=True):
    """Per-item results; bare strings are `success`, `waitingForFill`, `waitingForTrigger`."""

    statuses: tuple[ItemStatus | str, ...]


class OkResponse(Struct, frozen=True, omit_defaults=True):
    """Answer of an accepted action: its type and, for batches, per-item statuses."""

    type: str
    data: StatusesData | msgspec.Raw | None = None


class ExchangeAnswer(Struct, frozen=True):
    """Top-level answer: status "ok" with a response object, or "err" with a text."""

    status: Literal["ok", "err"]
    response: msgspec.Raw
