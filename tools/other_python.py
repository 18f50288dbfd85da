"""Prepare a second Python version for the tests that compare two: `.venv-other`, with what the venue's core needs.

Takes the newest Python on this machine whose minor version is not this one's (3.11 or later), and the pinned packages
of requirements.lock. Says so and leaves with 0 when there is none: the tests then say so too.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv-other"
PACKAGES = ("msgspec", "numpy", "typing-extensions")
MINORS = (14, 13, 12, 11)
_ASK = "import sys; print(sys.version_info[1])"


def other_interpreter() -> str | None:
    """Path of a Python of another minor version, or None."""
    for minor in MINORS:
        if minor == sys.version_info.minor:
            continue
        for name in (
            f"python3.{minor}",
            *map(str, sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"))),
        ):
            try:
                said = subprocess.run([name, "-c", _ASK], capture_output=True, text=True, check=False)
            except OSError:
                continue
            if said.returncode == 0 and said.stdout.strip() == str(minor):
                return name
    return None


def pinned(lock: str) -> str:
    """The lines of the lock file, with their hashes, that name the packages."""
    blocks = re.findall(r"^[a-z0-9-]+==(?:.*\\\n)*.*$", lock, flags=re.MULTILINE)
    return "\n".join(block for block in blocks if block.split("==")[0] in PACKAGES) + "\n"


def main() -> None:
    if (VENV / "ready").exists():
        return
    found = other_interpreter()
    if found is None:
        print("no second Python (3.11 or later) on this machine: runs are compared on one version only")
        return
    subprocess.run([found, "-m", "venv", "--clear", str(VENV)], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(pinned((ROOT / "requirements.lock").read_text()))
        wanted.flush()
        pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", wanted.name], check=True)
    (VENV / "ready").touch()


if __name__ == "__main__":
    main()
