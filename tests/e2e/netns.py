"""Sockets that live in another network namespace: how a test on the host talks to a pod's own loopback.

A socket belongs to the namespace of the thread that made it and keeps it for life, whatever thread uses it later.
"""

from __future__ import annotations

import ctypes
import http.client
import os
import socket
import threading
from collections.abc import Callable
from typing import TypeVar

Made = TypeVar("Made")

_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)


def within(pid: int, make: Callable[[], Made]) -> Made:
    """Run something short with the network of a process (as the host numbers it). Raises OSError."""
    outcome: list[Made | OSError] = []

    def run() -> None:
        try:
            namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            try:
                if _LIBC.setns(namespace, _CLONE_NEWNET) != 0:
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number))
            finally:
                os.close(namespace)
            outcome.append(make())
        except OSError as error:
            outcome.append(error)

    # The namespace is the thread's; the thread ends here and takes it along.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    (result,) = outcome
    if isinstance(result, OSError):
        raise result
    return result


def dial(pid: int, host: str, port: int, timeout_s: float) -> socket.socket:
    """Connect from inside the network namespace of a process (as the host numbers it). Raises OSError."""
    return within(pid, lambda: socket.create_connection((host, port), timeout=timeout_s))


class NetnsHttp(http.client.HTTPConnection):
    """HTTP to a port as seen from inside a process's network namespace."""

    def __init__(self, pid: int, port: int, timeout_s: float = 3.0) -> None:
        super().__init__("127.0.0.1", port, timeout=timeout_s)
        self._pid = pid
        self._timeout_s = timeout_s

    def connect(self) -> None:
        """See HTTPConnection."""
        self.sock = dial(self._pid, self.host, self.port, self._timeout_s)
