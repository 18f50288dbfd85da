"""Files as traders have them: several documents, folders, broken YAML, objects that do not fit each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.api import BREACHES, account_document, changed, maker_document, write

from perpmaker.api.load import load
from perpmaker.api.violations import Severity


def test_objects_of_several_documents_and_folders_are_loaded_once(tmp_path: Path) -> None:
    file = write(tmp_path, account_document(), maker_document())
    write(tmp_path, maker_document("btc", "BTC"), name="more.yml")
    (tmp_path / "notes.txt").write_text("not: read")
    loaded = load([tmp_path, file])
    assert loaded.report.violations == ()
    assert [a.metadata.name for a in loaded.accounts] == ["main"]
    assert [m.metadata.name for m in loaded.makers] == ["btc", "eth"]


def test_violations_of_all_objects_and_files_are_reported_together(tmp_path: Path) -> None:
    for index, breach in enumerate(BREACHES):
        write(tmp_path, changed(breach.document, {"metadata.labels": {"n": str(index)}}), name=f"{index:02}.yaml")
    messages = {violation.rule for violation in load([tmp_path]).report.violations}
    assert {breach.message for breach in BREACHES} <= messages


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("spec:\n  a: [1\nb: 2\n", 3),
        ("a: b: c\n", 1),
        ("a: 'x\n", 2),
        ("\tb: 1\n", 1),
        ("a: !!python/name:os.system x\n", 1),
    ],
)
def test_broken_yaml_is_reported_with_its_line(text: str, line: int, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    (violation,) = load([tmp_path]).report.violations
    assert (violation.rule, violation.line) == ("valid YAML", line)


def test_documents_before_the_broken_one_are_still_checked(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("apiVersion: perpmaker.io/v1alpha1\nkind: TradingAccount\n---\n[")
    assert {"valid YAML", "required"} == {v.rule for v in load([tmp_path]).report.violations}


def test_a_key_written_twice_is_reported(tmp_path: Path) -> None:
    file = write(tmp_path, account_document(), maker_document())
    file.write_text(file.read_text().replace("maxNotional: '5000'", "maxNotional: '5000'\n    maxNotional: '6000'"))
    (violation,) = load([file]).report.violations
    assert (violation.path, violation.rule) == ("maxNotional", "each key once in a mapping")


@pytest.mark.parametrize(
    ("content", "path"),
    [
        ("kind: MarketMaker\n", "apiVersion"),
        ("apiVersion: perpmaker.io/v2\nkind: MarketMaker\n", "apiVersion"),
        ("apiVersion: perpmaker.io/v1alpha1\nkind: Maker\n", "kind"),
        ("apiVersion: perpmaker.io/v1alpha1\n", "kind"),
        ("just text\n", ""),
    ],
)
def test_an_object_that_is_none_of_ours_is_reported(content: str, path: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(content)
    (violation,) = load([tmp_path]).report.violations
    assert violation.path == path


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff\n")
    rules = [v.rule for v in load([tmp_path / "none.yaml", tmp_path / "latin.yaml"]).report.violations]
    assert rules == ["a readable file (No such file or directory)", "UTF-8 text (byte 3 is not)"]


def test_a_folder_without_files_and_a_file_without_objects_are_reported(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n")
    assert not load([tmp_path / "folder"]).report.ok
    assert not load([tmp_path / "empty.yaml"]).report.ok


def test_a_name_used_twice_is_reported(tmp_path: Path) -> None:
    file = write(tmp_path, account_document(), account_document(), maker_document())
    (violation,) = load([file]).report.violations
    assert (violation.path, violation.line) == ("metadata.name", 14)
    assert f"{file}:4" in violation.rule


def test_the_same_name_in_another_namespace_is_another_object(tmp_path: Path) -> None:
    other = changed(account_document(), {"metadata.namespace": "other"})
    assert load([write(tmp_path, account_document(), other)]).report.violations == ()


def test_a_maker_of_an_unknown_account_is_reported_with_the_known_ones(tmp_path: Path) -> None:
    file = write(tmp_path, account_document("one"), account_document("two"), maker_document())
    (violation,) = load([file]).report.violations
    assert violation.path == "spec.accountRef.name"
    assert violation.remedy.endswith("one of those there: one, two")


def test_an_account_that_is_itself_wrong_is_not_called_missing(tmp_path: Path) -> None:
    file = write(tmp_path, changed(account_document(), {"spec.network": "Moon"}), maker_document())
    assert [v.path for v in load([file]).report.violations] == ["spec.network"]


def test_two_makers_of_one_market_on_one_account_are_reported(tmp_path: Path) -> None:
    file = write(tmp_path, account_document(), maker_document("a"), maker_document("b"))
    (violation,) = load([file]).report.violations
    assert (violation.path, violation.name) == ("spec.market.symbol", "b")


def test_more_inventory_than_the_account_allows_is_a_warning(tmp_path: Path) -> None:
    account = changed(account_document(), {"spec.risk.maxGrossNotional": "9999.5"})
    loaded = load([write(tmp_path, account, maker_document("a", "A"), maker_document("b", "B"))])
    (violation,) = loaded.report.violations
    assert (violation.severity, violation.path) == (Severity.WARNING, "spec.risk.maxGrossNotional")
    assert violation.rule.endswith("10000")
    assert loaded.report.ok


def test_a_ladder_wider_than_the_price_band_is_a_warning(tmp_path: Path) -> None:
    maker = changed(maker_document(), {"spec.quoting.levels": 5, "spec.quoting.levelSpacingBps": "30"})
    loaded = load([write(tmp_path, account_document(), maker)])
    (violation,) = loaded.report.violations
    assert (violation.severity, violation.path) == (Severity.WARNING, "spec.risk.priceBandBps")


def test_dates_in_labels_stay_text(tmp_path: Path) -> None:
    file = write(tmp_path, account_document())
    file.write_text(file.read_text().replace("name: main", "name: main\n  labels: {since: 2026-01-01}"))
    loaded = load([file])
    assert loaded.accounts[0].metadata.labels == {"since": "2026-01-01"}
