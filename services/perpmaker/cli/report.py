"""The report on the trader's files: a table for people, plain lines for pipes, JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from perpmaker.api.check import Kind
from perpmaker.api.load import Loaded
from perpmaker.api.violations import Severity, Violation


def as_json(loaded: Loaded) -> str:
    """The report as one JSON object."""
    sound: tuple[Kind, ...] = (*loaded.accounts, *loaded.makers)
    objects = [{"kind": o.kind, "name": o.metadata.name, "namespace": o.metadata.namespace} for o in sound]
    violations = [asdict(violation) for violation in loaded.report.violations]
    return json.dumps({"ok": loaded.report.ok, "objects": objects, "violations": violations}, ensure_ascii=False)


def verdict(loaded: Loaded) -> str:
    """One line that says how it ended."""
    errors = len(loaded.report.errors)
    warnings = len(loaded.report.violations) - errors
    told = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in (
            (len(loaded.accounts), "account"),
            (len(loaded.makers), "market maker"),
            (errors, "error"),
            (warnings, "warning"),
        )
        if count or word == "error"
    ]
    return f"{'ok' if loaded.report.ok else 'not usable'}: {', '.join(told)}"


def plain(violation: Violation) -> str:
    """One violation as four lines."""
    return "\n".join(
        (
            f"{_place(violation)}: {violation.severity}: {_subject(violation)}".rstrip(": "),
            f"    found:  {violation.value or '-'}",
            f"    rule:   {violation.rule}",
            f"    remedy: {violation.remedy}",
        )
    )


def show(loaded: Loaded, *, err: bool = False) -> None:
    """Write the report and the verdict to standard output, or to standard error."""
    import sys

    violations = loaded.report.violations
    if violations and (sys.stderr if err else sys.stdout).isatty():
        _table(violations, err=err)
    else:
        for violation in violations:
            typer.echo(plain(violation), err=err)
    typer.echo(verdict(loaded), err=err)


def _table(violations: tuple[Violation, ...], *, err: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(show_lines=True)
    for heading in ("Where", "Field", "Found", "Rule", "What to do"):
        table.add_column(heading, overflow="fold")
    for v in violations:
        colour = "red" if v.severity is Severity.ERROR else "yellow"
        cells = (_subject(v), v.value or "-", v.rule, v.remedy)
        # Text keeps square brackets of values from being read as markup.
        table.add_row(Text(_place(v), style=colour), *(Text(cell) for cell in cells))
    Console(stderr=err).print(table)


def _place(violation: Violation) -> str:
    return violation.file if violation.line is None else f"{violation.file}:{violation.line}"


def _subject(violation: Violation) -> str:
    whose = "/".join(part for part in (violation.kind, violation.name) if part)
    return " ".join(part for part in (whose, violation.path) if part)
