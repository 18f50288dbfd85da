"""What `perpmaker transfer` refuses before it asks anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from perpmaker.cli.main import app

SIMULATED = ("--api-url", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (("--amount", "-1", *SIMULATED), "more than nothing"),
        (("--amount", "0", *SIMULATED), "more than nothing"),
        (("--amount", "1e3", *SIMULATED), "1e3"),
        (("--amount", "1"), "name one of --network and --api-url"),
        (("--amount", "1", "--network", "testnet", *SIMULATED), "name one of --network and --api-url"),
        (("--amount", "1", "--sub-account", "mine", *SIMULATED), "'mine' is no address"),
    ],
)
def test_bad_input_asks_nobody(told: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    options = ["transfer", *told, "--to", "perp", "--key-file", str(tmp_path / "owner.key")]
    result = CliRunner().invoke(app, options, env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert problem in result.stderr


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    key_file = tmp_path / "owner.key"
    key_file.write_text("01" * 32)
    key_file.chmod(0o644)
    options = ["transfer", "--amount", "1", "--to", "perp", "--key-file", str(key_file), *SIMULATED]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert f"chmod 600 {key_file}" in result.stderr
