"""Where the exchange says what a row shows: a page of its documentation, a measurement, or nobody.

A row of these tables cannot be made without one, so every row tells how sure it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

PAGES = frozenset(
    {
        "Asset IDs",
        "Contract specifications",
        "Error responses",
        "Exchange endpoint",
        "Info endpoint",
        "Margining",
        "Nonces and API wallets",
        "Order types",
        "Perpetuals",
        "Rate limits and user limits",
        "Signing",
        "Tick and lot size",
        "Timeouts and heartbeats",
        "WebSocket",
    }
)
"""Pages of the exchange's public documentation that rows may name."""


@dataclass(frozen=True, slots=True)
class Section:
    """`documented` is of high confidence, `measured` of medium, `own` is the venue's own choice of words or number."""

    kind: Literal["documented", "measured", "own"]
    words: str

    def __str__(self) -> str:
        return self.words if self.kind == "documented" else f"{self.kind}: {self.words}"


def documented(page: str, heading: str) -> Section:
    """A heading of a page of the documentation. Raises `ValueError` for a page there is not."""
    if page not in PAGES or not heading:
        raise ValueError(f"no such section: {page}: {heading}")
    return Section("documented", f"{page}: {heading}")


def measured(on_what: str) -> Section:
    """Seen by independent observers: on which network or by which client, and on what."""
    return Section("measured", on_what)


def own(why: str) -> Section:
    """Refused or limited alike on the exchange, in words or by a number that nobody has published."""
    return Section("own", why)


def constants_of(module: ModuleType) -> list[str]:
    """The texts a module names, templates as they are."""
    return [value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)]


def unnamed(templates: Sequence[str], texts: Iterable[str]) -> list[str]:
    """Templates of the product that no row's text is made from."""
    shown = {template_of(templates, text) for text in texts}
    return [template for template in templates if template not in shown]


def template_of(templates: Iterable[str], text: str) -> str | None:
    """The template a text is made from, the most particular one where several would do."""
    return max((template for template in templates if _is_said_by(template, text)), key=len, default=None)


def _is_said_by(template: str, text: str) -> bool:
    parts = [re.escape(part) for part in re.split(r"\{\w+\}", template)]
    return re.match(".+".join(parts), text) is not None
