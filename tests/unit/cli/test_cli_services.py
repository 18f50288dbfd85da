"""The commands that are processes: what they can be told, and what a wrong configuration leads to."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

from perpmaker.cli.main import app
from perpmaker.venue.options import VenueOptions


def test_every_option_of_the_venue_can_be_chosen() -> None:
    help_text = CliRunner().invoke(app, ["venue", "--help"], env={"COLUMNS": "200"}).stdout
    for field in fields(VenueOptions):
        assert f"--{field.name.removesuffix('_usdc').removesuffix('_usd').replace('_', '-')} " in help_text


def test_a_venue_with_an_unknown_market_does_not_start() -> None:
    result = CliRunner().invoke(app, ["venue", "--markets", "BTC,NOPE"])
    assert result.exit_code == 2
    assert "unknown market 'NOPE'" in result.stderr


@pytest.mark.parametrize("command", ["gateway", "order-state", "risk", "quoter"])
def test_a_service_without_its_file_is_bad_input(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command, "--config", str(tmp_path / "none.json")])
    assert result.exit_code == 2


@pytest.mark.parametrize("command", ["gateway", "order-state", "risk", "quoter"])
def test_a_service_tells_every_problem_of_its_file(command: str, tmp_path: Path) -> None:
    config = tmp_path / "part.json"
    config.write_text('{"surprise": 1}')
    result = CliRunner().invoke(app, [command, "--config", str(config)])
    assert result.exit_code == 2
    for problem in ("surprise: Extra inputs are not permitted", "account: Field required"):
        assert problem in result.stderr
