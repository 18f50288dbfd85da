"""`perpmaker up` with input it cannot use: one clear sentence with a remedy, exit code 2, nothing left running."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.api import ADDRESS, account_document, changed, maker_document, write

REAL = {
    "spec.network": "Testnet",
    "spec.address": ADDRESS,
    "spec.apiWallet": {"secretRef": {"name": "wallet", "key": "key"}},
}


def up(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "perpmaker.cli", "up", "--json", *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def documents(folder: Path, account: dict[str, Any] | None = None) -> Path:
    return write(folder, changed(account_document(), account or {}), maker_document())


def failure(run: subprocess.CompletedProcess[str]) -> str:
    """Reason in the last JSON line."""
    last = json.loads(run.stdout.splitlines()[-1])
    assert last["event"] == "failed", run.stdout
    return str(last["reason"])


def test_an_unknown_field_starts_nothing(tmp_path: Path) -> None:
    run = up("-f", documents(tmp_path, {"spec.colour": "blue"}))
    assert run.returncode == 2
    assert "spec.colour" in run.stderr
    assert run.stdout == ""


def test_a_real_network_without_data_dir_says_where_the_key_belongs(tmp_path: Path) -> None:
    run = up("-f", documents(tmp_path, REAL))
    assert run.returncode == 2
    assert "--data-dir DIR" in failure(run)
    assert "DIR/secrets/wallet/key" in failure(run)


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    run = up("-f", documents(tmp_path, REAL), "--data-dir", tmp_path / "data")
    assert run.returncode == 2
    assert str(tmp_path / "data" / "secrets" / "wallet" / "key") in failure(run)


def test_an_account_that_moved_to_another_exchange_needs_another_data_dir(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert up("-f", documents(tmp_path, REAL), "--data-dir", data).returncode == 2
    run = up("-f", documents(tmp_path, {**REAL, "spec.network": "Mainnet"}), "--data-dir", data)
    assert run.returncode == 2
    assert "use another --data-dir" in failure(run)


def test_a_data_dir_in_use_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run = up("-f", documents(tmp_path), "--data-dir", data)
    assert run.returncode == 2
    assert "another perpmaker up uses" in run.stderr


def test_a_redis_that_does_not_answer_is_said_before_anything_is_placed(tmp_path: Path) -> None:
    run = up("-f", documents(tmp_path), "--redis-url", f"unix://{tmp_path}/nobody.sock")
    assert run.returncode == 2
    assert "no Redis answers" in failure(run)
