"""The process that holds the key leaves no core dump and lets nobody of the same user look into it."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
from perpmaker.gateway import custody
custody.shield()
print(custody.is_shielded())
"""


def test_shield_holds_in_a_process_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "True"
