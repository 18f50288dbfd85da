"""The process that holds the key leaves no copy of its memory behind."""

from __future__ import annotations

import ctypes
import resource
import sys

from perpmaker.common import logs

_PR_SET_DUMPABLE = 4

_log = logs.get(__name__)


def shield() -> None:
    """Forbid core dumps of this process, and others of the same user to read its memory.

    A system that cannot do one of both is told of in the log: it is no reason to leave orders without their gateway.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (OSError, ValueError) as error:
        _log.warning("custody.core_dumps_possible", reason=str(error))
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        _log.warning("custody.memory_readable", errno=ctypes.get_errno())


def is_shielded() -> bool:
    """Whether both hold now."""
    no_core = resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    if sys.platform != "linux":
        return no_core
    return no_core and ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 0
