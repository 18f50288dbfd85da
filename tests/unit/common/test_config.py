"""Configuration parts: all violations at once, unknown keys refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from perpmaker.common.config import ConfigError, Part, load_part


class Sample(Part):
    size: int
    name: str = "x"


def test_every_violation_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text('{"size": "many", "colour": 1}')
    with pytest.raises(ConfigError) as caught:
        load_part(path, Sample)
    assert {problem.split(":")[0] for problem in caught.value.problems} == {"size", "colour"}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json: cannot be read: No such file"):
        load_part(tmp_path / "none.json", Sample)


def test_a_good_part_is_frozen(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text('{"size": 3}')
    part = load_part(path, Sample)
    with pytest.raises(ValueError, match="frozen"):
        part.size = 4  # type: ignore[misc]
