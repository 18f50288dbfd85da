"""Three virtual minutes of the soak, as a process of its own: its log and its memory are nobody else's."""

from __future__ import annotations

import subprocess
import sys


def test_a_gateway_keeps_its_promises_through_minutes_of_random_faults() -> None:
    command = [sys.executable, "-m", "tests.soak", "--minutes", "3", "--seed", "5", "--intensity", "4"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok    nothing is lost without a gap" in done.stdout
