"""Typed configuration at the boundary: one JSON file per service, unknown keys refused, all violations told at once."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import pydantic


class Part(pydantic.BaseModel):
    """Base of every configuration model: frozen, strict about unknown keys."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class ConfigError(Exception):
    """The configuration file cannot be used; the text lists every violation with its field."""

    def __init__(self, path: Path, problems: tuple[str, ...]) -> None:
        super().__init__(f"{path}: " + "; ".join(problems))
        self.path = path
        self.problems = problems


P = TypeVar("P", bound=Part)


def load_part(path: Path, model: type[P]) -> P:
    """Read and validate a service's part. Raises ConfigError."""
    try:
        text = path.read_text()
    except OSError as error:
        raise ConfigError(path, (f"cannot be read: {error.strerror}",)) from error
    return parse_part(path, text, model)


def parse_part(source: Path, text: str, model: type[P]) -> P:
    """Validate a part given as JSON text; `source` names it in errors. Raises ConfigError."""
    try:
        return model.model_validate_json(text)
    except pydantic.ValidationError as error:
        problems = tuple(
            f"{'.'.join(str(step) for step in item['loc']) or '(document)'}: {item['msg']}" for item in error.errors()
        )
        raise ConfigError(source, problems) from error
