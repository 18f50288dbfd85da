"""`validate`, `schema` and `up` from the outside: exit codes, reports, and nothing started from bad input."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.api import BREACHES, account_document, changed, maker_document, write
from typer.testing import CliRunner, Result

from perpmaker.cli.durations import parse_duration_s
from perpmaker.cli.main import app

ROOT = Path(__file__).parents[3]


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_good_files_are_called_ok_with_exit_code_0(tmp_path: Path) -> None:
    result = _run("validate", "-f", write(tmp_path, account_document(), maker_document()))
    assert (result.exit_code, result.stdout) == (0, "ok: 1 account, 1 market maker, 0 errors\n")


def test_bad_files_are_reported_whole_with_exit_code_2(tmp_path: Path) -> None:
    file = write(tmp_path, *(breach.document for breach in BREACHES))
    result = _run("validate", "-f", file)
    assert result.exit_code == 2
    for breach in BREACHES:
        assert f"{breach.path}\n" in result.stdout
        assert f"rule:   {breach.message}\n" in result.stdout


def test_a_plain_violation_says_where_what_why_and_what_to_do(tmp_path: Path) -> None:
    file = write(tmp_path, account_document(), changed(maker_document(), {"spec.quoting.levels": 99}))
    assert _run("validate", "-f", file).stdout.splitlines() == [
        f"{file}:22: error: MarketMaker/eth spec.quoting.levels",
        "    found:  99",
        "    rule:   from 1 to 10",
        "    remedy: choose a value from 1 to 10",
        "not usable: 1 account, 1 error",
    ]


def test_the_json_report_is_one_object_with_every_violation(tmp_path: Path) -> None:
    file = write(tmp_path, account_document(), changed(maker_document(), {"spec.mode": "On"}))
    result = _run("validate", "--json", "-f", file)
    report = json.loads(result.stdout)
    assert (result.exit_code, report["ok"]) == (2, False)
    assert report["objects"] == [{"kind": "TradingAccount", "name": "main", "namespace": None}]
    assert report["violations"][0]["path"] == "spec.mode"
    assert report["violations"][0]["severity"] == "error"


def test_a_warning_alone_is_not_a_failure(tmp_path: Path) -> None:
    account = changed(account_document(), {"spec.risk.maxGrossNotional": "100"})
    result = _run("validate", "-f", write(tmp_path, account, maker_document()))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (
        0,
        "ok: 1 account, 1 market maker, 0 errors, 1 warning",
    )


def test_files_after_the_first_need_no_option_of_their_own(tmp_path: Path) -> None:
    one = write(tmp_path, account_document(), name="1.yaml")
    two = write(tmp_path, maker_document(), name="2.yaml")
    assert _run("validate", "-f", one, two).exit_code == 0


def test_in_a_terminal_the_report_is_a_table(tmp_path: Path) -> None:
    file = write(tmp_path, changed(account_document(), {"spec.network": "[Moon]"}))
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "160", "TERM": "dumb"}
    command = [sys.executable, "-m", "perpmaker.cli", "validate", "-f", str(file)]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment, cwd=ROOT / "services") as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # the terminal is gone with its last writer
            pass
        assert process.wait(timeout=30) == 2
    os.close(ours)
    assert "What to do" in shown.decode()
    assert '"[Moon]"' in shown.decode()


def test_validate_without_files_is_bad_input() -> None:
    assert _run("validate").exit_code == 2


def test_up_with_bad_files_starts_nothing_and_reports(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    result = _run("up", "-f", write(tmp_path, BREACHES[-1].document), "--data-dir", folder)
    assert result.exit_code == 2
    assert BREACHES[-1].message in result.stderr
    assert not folder.exists()


def test_up_without_a_maker_is_bad_input(tmp_path: Path) -> None:
    result = _run("up", "-f", write(tmp_path, account_document()))
    assert result.exit_code == 2
    assert "no MarketMaker" in result.stderr


def test_up_with_a_duration_that_is_none_is_bad_input(tmp_path: Path) -> None:
    result = _run("up", "--for", "soon", "-f", write(tmp_path, account_document(), maker_document()))
    assert result.exit_code == 2
    assert "60s" in result.stderr


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("60s", 60), ("5m", 300), ("1h30m", 5400), ("250ms", 0.25), ("1.5m", 90), ("0", 0)],
)
def test_durations_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 m", "1d", "inf", "nan", "1e3", "5m!"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="60s"):
        parse_duration_s(text)


def test_schema_writes_files_that_check_then_accepts(tmp_path: Path) -> None:
    assert _run("schema", "--out", tmp_path, "--check").exit_code == 1
    assert _run("schema", "--out", tmp_path).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["marketmakers.yaml", "tradingaccounts.yaml"]
    assert _run("schema", "--out", tmp_path, "--check").exit_code == 0


def test_schema_check_names_the_file_that_is_out_of_date(tmp_path: Path) -> None:
    _run("schema", "--out", tmp_path)
    stale = tmp_path / "marketmakers.yaml"
    stale.write_text(stale.read_text() + "#\n")
    result = _run("schema", "--out", tmp_path, "--check")
    assert (result.exit_code, result.stdout) == (1, f"out of date: {stale}\n")


def test_the_version_is_the_distribution_s() -> None:
    result = _run("--version")
    assert (result.exit_code, result.stdout.strip()) == (0, "0.1.0")


def test_help_loads_neither_services_nor_schema() -> None:
    code = (
        "import sys, contextlib\n"
        "from perpmaker.cli.main import app\n"
        "with contextlib.suppress(SystemExit): app(['--help'])\n"
        "heavy = {'grpc', 'pydantic', 'numpy', 'aiohttp', 'coincurve'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "services", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
