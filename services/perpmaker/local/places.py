"""Where a run keeps its files: a data directory that may outlive it, a private runtime directory that never does."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.common.config import Part

# A unix socket's path holds 107 bytes; the longest name below a runtime directory needs about 60.
_MAX_RUNTIME_DIR = 40


class PlaceError(Exception):
    """The data directory cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Directories of one run."""

    data: Path
    runtime: Path
    is_temporary: bool
    """The data directory was made for this run and may go with it."""
    _lock: IO[str]

    @property
    def logs(self) -> Path:
        """Log files, one for each process."""
        return self.data / "logs"

    def log(self, service: str) -> Path:
        """Log file of a process."""
        return self.logs / f"{service.replace('/', '-')}.log"

    def socket(self, number: int) -> str:
        """gRPC address of a unix socket of this run."""
        return f"unix:{self.runtime}/{number}.sock"

    def new_wallet(self, account: str) -> Path:
        """Empty directory for a simulated account's key: a new exchange does not know an earlier run's."""
        path = self.data / "wallets" / account
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True, mode=0o700)
        return path

    def secret(self, name: str, key: str) -> Path:
        """File with one entry of a Secret, for accounts on a real network."""
        return self.data / "secrets" / name / key

    def write_part(self, service: str, part: Part) -> Path:
        """Write a service's configuration; only its owner can read it, since a Redis URL may hold a password."""
        path = self.data / "parts" / f"{service.replace('/', '-')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(part.model_dump_json(indent=2))
        return path

    def remember_account(self, account: TradingAccount) -> None:
        """Note on which exchange an account's records are from. Raises PlaceError when it was another before."""
        path = self.data / "accounts" / f"{account.metadata.name}.json"
        now = {"network": account.spec.network.value, "address": account.spec.address}
        if path.exists():
            before = json.loads(path.read_text())
            if before != now:
                raise PlaceError(
                    f"{self.data} keeps records of account {account.metadata.name} on {_exchange(before)}, now it is on"
                    f" {_exchange(now)}; use another --data-dir, or rename the account"
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(now))

    def close(self, *, keep_data: bool) -> None:
        """Remove what must not stay; the data directory only when it is temporary and need not be looked at."""
        shutil.rmtree(self.runtime, ignore_errors=True)
        self._lock.close()
        if self.is_temporary and not keep_data:
            shutil.rmtree(self.data, ignore_errors=True)


def _exchange(facts: dict[str, str | None]) -> str:
    return " as ".join(text for text in (facts["network"], facts["address"]) if text)


def open_places(data_dir: Path | None) -> Places:
    """Make the directories of a run and lock them against a second runner. Raises PlaceError."""
    runtime = Path(tempfile.mkdtemp(prefix="pm-"))
    if len(str(runtime)) > _MAX_RUNTIME_DIR:
        runtime.rmdir()
        runtime = Path(tempfile.mkdtemp(prefix="pm-", dir="/tmp"))
    try:
        if data_dir is None:
            data = Path(tempfile.mkdtemp(prefix="perpmaker-"))
        else:
            data = data_dir.absolute()
            data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / "lock").open("w")
    except OSError as error:
        runtime.rmdir()
        raise PlaceError(
            f"--data-dir {data_dir} cannot be used: {error.strerror}; name a directory you can write"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        runtime.rmdir()
        raise PlaceError(
            f"another perpmaker up uses {data}; stop it, or name another directory with --data-dir"
        ) from None
    return Places(data=data, runtime=runtime, is_temporary=data_dir is None, _lock=lock)
