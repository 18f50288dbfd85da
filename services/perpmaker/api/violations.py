"""What is wrong with the trader's files, as values: where, what was found, which rule, and what to do about it."""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass

_SHOWN_CHARACTERS = 60
# A private key is 64 hex digits; one pasted into the wrong field must not travel into reports and logs.
_KEY_LIKE = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_URL_CREDENTIALS = re.compile(r"://[^/\s]*@")


class Severity(enum.StrEnum):
    """Whether a finding keeps the system from starting."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Violation:
    """One finding.

    `path` is the field in the spelling of the document ("spec.quoting.levels"), empty for the document as a whole;
    `line` counts from 1; `value` is what was found, shortened, with anything that looks like a secret hidden.
    """

    file: str
    line: int | None
    kind: str
    name: str
    path: str
    value: str
    rule: str
    remedy: str
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class Report:
    """Everything found in a set of files."""

    violations: tuple[Violation, ...]

    @property
    def errors(self) -> tuple[Violation, ...]:
        """Findings that keep the system from starting."""
        return tuple(v for v in self.violations if v.severity is Severity.ERROR)

    @property
    def ok(self) -> bool:
        """Whether there are no errors; warnings may remain."""
        return not self.errors


def show(value: object) -> str:
    """A value as people may see it: one line, short, without secrets."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    if _KEY_LIKE.search(text):
        return "(hidden: looks like a private key)"
    text = _URL_CREDENTIALS.sub("://(hidden)@", " ".join(text.split()))
    if isinstance(value, str):
        text = json.dumps(text, ensure_ascii=False)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"


def spell(path: tuple[str | int, ...]) -> str:
    """A path of keys and positions as text: spec.items[2].name."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
