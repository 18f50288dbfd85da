"""What is known of a running cluster, kept in its state folder: any later process can take it over or take it down."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from tests.e2e.cluster.layout import Layout
from tests.e2e.cluster.names import Daemon
from tests.e2e.cluster.processes import Process

FILE = "cluster.json"


@dataclass(frozen=True, slots=True)
class Running:
    """A daemon. `parent` is what entered the node's namespaces for it and waits there; None without a node."""

    process: Process
    parent: Process | None = None


@dataclass(slots=True)
class Record:
    """One cluster."""

    layout: Layout
    owner: Process | None = None
    """The test run the cluster belongs to and ends with; None for one started by hand."""
    guard: Process | None = None
    holder: Process | None = None
    first: Process | None = None
    daemons: dict[Daemon, Running] = field(default_factory=dict)

    @property
    def is_orphaned(self) -> bool:
        """Belongs to a test run that is no more."""
        return self.owner is not None and not self.owner.is_alive

    def save(self) -> None:
        """Write it, at once or not at all."""
        path = self.layout.path(FILE)
        partial = path.with_suffix(f".{os.getpid()}.partial")
        partial.write_bytes(msgspec.json.encode(self, enc_hook=_text))
        partial.replace(path)


def load(state: Path) -> Record | None:
    """The record of a state folder; None when no cluster is there."""
    try:
        content = (state / FILE).read_bytes()
    except FileNotFoundError:
        return None
    return msgspec.json.decode(content, type=Record, dec_hook=_parse)


def _text(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(type(value).__name__)


def _parse(kind: type, value: object) -> object:
    if issubclass(kind, Path):
        return kind(str(value))
    raise NotImplementedError(kind.__name__)
