"""The same seed and the same actions make the same venue, whatever the hash seed and the version of Python."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tests.support.venue_history import TRADER, history

from perpmaker.venue.engine.digest import state_hash

ROOT = Path(__file__).resolve().parents[2]
OTHER = Path(os.environ.get("PERPMAKER_OTHER_PYTHON", ROOT / ".venv-other" / "bin" / "python"))


def digest_by(python: str, hash_seed: str, seed: int = 11) -> str:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT / 'services'}:{ROOT}"}
    done = subprocess.run(
        [python, "-m", "tests.support.venue_history", str(seed)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_hash_seed_of_the_process_changes_nothing() -> None:
    digests = {digest_by(sys.executable, hash_seed) for hash_seed in ("0", "1", "4242")}
    assert len(digests) == 1
    assert digest_by(sys.executable, "0", seed=12) not in digests


def test_another_version_of_python_makes_the_same_history() -> None:
    if not OTHER.exists():
        warnings.warn(f"NOT COMPARED: no second Python at {OTHER}; make other-python prepares one", stacklevel=1)
        pytest.skip("no second Python version; make other-python prepares one")
    version = "import sys; print(sys.version_info[:2])"
    said = subprocess.run([str(OTHER), "-c", version], capture_output=True, text=True, check=True).stdout.strip()
    assert said != str(sys.version_info[:2]), "the second Python must be of another version"
    assert digest_by(str(OTHER), "7") == digest_by(sys.executable, "9")


def test_the_digest_sees_every_kind_of_difference() -> None:
    venue = history(3, blocks=60)
    seen = {state_hash(venue)}
    account = venue.state.accounts[TRADER]
    changes = (
        lambda: setattr(account, "requests", account.requests + 1),
        lambda: account.leverage.__setitem__(0, 7),
        lambda: account.fills.extend(list(account.fills)[:1] or [account.address]),
        lambda: venue.state.delisted.add("SOL"),
        lambda: venue.admission.announced.add("0x1"),
        lambda: setattr(venue.state.gates, "post_only", True),
        lambda: setattr(venue.state.marks[0], "premium_samples", 99),
        lambda: venue.state.accounts.__setitem__("0x2", account),
    )
    for change in changes:
        change()
        digest = state_hash(venue)
        assert digest not in seen
        seen.add(digest)
