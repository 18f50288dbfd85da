"""Become a child that cannot outlive the runner: `launch.py RUNNER_PID COMMAND…`, run as a file before the program.

On Linux the kernel is asked to kill this process when its parent dies, whatever the parent died of; the request
survives the exec into the real program. Elsewhere this is a plain exec. Imports only what a bare interpreter has.
"""

import os
import signal
import sys


def _die_with_parent(runner_pid: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes

    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, signal.SIGKILL)
    # The runner may have died between fork and prctl; then nobody would send the signal.
    if os.getppid() != runner_pid:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    _die_with_parent(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  the command comes from the runner itself
