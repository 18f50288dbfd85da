"""The trader's files as validated objects, together with a report of everything that is wrong, all at once.

Nothing is started from files whose report has errors; warnings are worth reading and do not stop anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perpmaker.api.check import Kind, check, kind_violations, violation
from perpmaker.api.documents import Document, find_files, read_documents
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.api.violations import Report, Severity, Violation, show
from perpmaker.common.decimals import format_e8

_DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Objects without errors, in the order of the files, and the report."""

    accounts: tuple[TradingAccount, ...]
    makers: tuple[MarketMaker, ...]
    report: Report


@dataclass(frozen=True, slots=True)
class _Entry:
    """A document of one of our kinds, and its object when it is sound."""

    document: Document
    object: Kind | None

    @property
    def kind(self) -> str:
        return str(self.document.content["kind"])

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name; the name is empty when it cannot be read."""
        namespace = self.text("metadata", "namespace") or _DEFAULT_NAMESPACE
        return namespace, self.text("metadata", "name")

    def text(self, *path: str) -> str:
        """A text field as written; empty when it is absent or no text."""
        value: Any = self.document.content
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, str) else ""


def load(paths: Iterable[Path]) -> Loaded:
    """Read files and folders (not their subfolders) and validate every object in them and between them."""
    files, violations = find_files(paths)
    entries: list[_Entry] = []
    readable = 0
    for file in files:
        documents, unreadable = read_documents(file)
        violations += unreadable
        readable += len(documents)
        for document in documents:
            foreign = kind_violations(document)
            if foreign:
                violations += foreign
                continue
            object_, found = check(document)
            violations += found
            entries.append(_Entry(document, object_))
    if not readable and not violations:
        violations += [_empty(file) for file in files]
    violations += _between(entries)
    order = {str(file): index for index, file in enumerate(files)}
    return Loaded(
        accounts=tuple(e.object for e in entries if isinstance(e.object, TradingAccount)),
        makers=tuple(e.object for e in entries if isinstance(e.object, MarketMaker)),
        report=Report(tuple(sorted(violations, key=lambda v: (order.get(v.file, -1), v.line or 0)))),
    )


def _between(entries: list[_Entry]) -> Iterator[Violation]:
    accounts = [e for e in entries if e.kind == "TradingAccount"]
    makers = [e for e in entries if e.kind == "MarketMaker"]
    for same_kind in (accounts, makers):
        yield from _names_written_twice(same_kind)
    yield from _missing_accounts(accounts, makers)
    yield from _markets_quoted_twice(makers)
    yield from _more_inventory_than_the_account_allows(accounts, makers)
    yield from _ladders_outside_the_price_band(makers)


def _names_written_twice(entries: list[_Entry]) -> Iterator[Violation]:
    first: dict[tuple[str, str], _Entry] = {}
    for entry in entries:
        if not entry.key[1]:
            continue
        other = first.setdefault(entry.key, entry)
        if other is not entry:
            yield violation(
                entry.document,
                ("metadata", "name"),
                show(entry.key[1]),
                f"one {entry.kind} of each name (also in {_place(other)})",
                "rename or remove one of the two",
            )


def _missing_accounts(accounts: list[_Entry], makers: list[_Entry]) -> Iterator[Violation]:
    known = {account.key for account in accounts}
    for maker in makers:
        wanted = maker.text("spec", "accountRef", "name")
        if wanted and (maker.key[0], wanted) not in known:
            names = ", ".join(name for namespace, name in sorted(known) if namespace == maker.key[0]) or "none"
            yield violation(
                maker.document,
                ("spec", "accountRef", "name"),
                show(wanted),
                "names a TradingAccount in the same namespace",
                f"add that TradingAccount to the files given, or name one of those there: {names}",
            )


def _markets_quoted_twice(makers: list[_Entry]) -> Iterator[Violation]:
    first: dict[tuple[str, str, str], _Entry] = {}
    for maker in makers:
        account, symbol = maker.text("spec", "accountRef", "name"), maker.text("spec", "market", "symbol")
        if not account or not symbol:
            continue
        other = first.setdefault((maker.key[0], account, symbol), maker)
        if other is not maker and other.key != maker.key:
            yield violation(
                maker.document,
                ("spec", "market", "symbol"),
                show(symbol),
                f"one MarketMaker per account and market ({other.key[1]} in {_place(other)} quotes it already)",
                "remove one of the two, or give it another account",
            )


def _more_inventory_than_the_account_allows(accounts: list[_Entry], makers: list[_Entry]) -> Iterator[Violation]:
    total_e8: defaultdict[tuple[str, str], int] = defaultdict(int)
    for maker in makers:
        if isinstance(maker.object, MarketMaker):
            total_e8[maker.key[0], maker.object.spec.account_ref.name] += maker.object.spec.inventory.max_notional.e8
    for account in accounts:
        if not isinstance(account.object, TradingAccount):
            continue
        limit_e8 = account.object.spec.risk.max_gross_notional.e8
        if total_e8[account.key] > limit_e8:
            yield _warning(
                violation(
                    account.document,
                    ("spec", "risk", "maxGrossNotional"),
                    show(format_e8(limit_e8)),
                    f"at least the sum of its MarketMakers' inventory.maxNotional, {format_e8(total_e8[account.key])}",
                    "raise it, or lower maxNotional; otherwise the account's limit stops some markets early",
                )
            )


def _ladders_outside_the_price_band(makers: list[_Entry]) -> Iterator[Violation]:
    for maker in makers:
        if not isinstance(maker.object, MarketMaker):
            continue
        quoting, band = maker.object.spec.quoting, maker.object.spec.risk.price_band_bps
        outermost_e8 = quoting.min_half_spread_bps.e8 + (quoting.levels - 1) * quoting.level_spacing_bps.e8
        if outermost_e8 > band.e8:
            yield _warning(
                violation(
                    maker.document,
                    ("spec", "risk", "priceBandBps"),
                    show(band),
                    f"at least the distance of the outermost level at the narrowest, {format_e8(outermost_e8)} bps",
                    "raise it, or lower quoting.levels or quoting.levelSpacingBps; levels outside are never sent",
                )
            )


def _warning(found: Violation) -> Violation:
    return replace(found, severity=Severity.WARNING)


def _place(entry: _Entry) -> str:
    return f"{entry.document.file}:{entry.document.line_of(('metadata', 'name'))}"


def _empty(file: Path) -> Violation:
    return Violation(
        file=str(file),
        line=None,
        kind="",
        name="",
        path="",
        value="(empty)",
        rule="at least one object",
        remedy="write a TradingAccount and a MarketMaker; deploy/examples has some",
    )
