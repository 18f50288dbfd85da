"""What the user asked of `perpmaker up`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class UpOptions:
    """Options of one run."""

    files: tuple[Path, ...]
    """Documents or directories of documents."""
    for_s: float | None = None
    """How long to quote, from the moment every quoter is ready; until told to stop when None."""
    data_dir: Path | None = None
    """Where store, logs and keys are kept; a temporary directory when None."""
    json_lines: bool = False
    """One JSON object per line on stdout instead of the view."""
    seed: int = 1
    """Seed of the simulated exchange."""
    redis_url: str | None = None
    """An existing Redis-protocol server instead of the embedded one."""
    rehearse: bool = False
    """Make things go wrong now and then, to show the recovery."""
    log_level: str | None = None
    """Level of every service; what the objects say when None."""
