"""Fail when services/perpmaker/proto is not what protos/ generates, or when a contract breaks compatibility with main.

The breaking check compares with main, or, on main itself, with the commit before; a first commit has nothing to break.
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

from generate_protos import ROOT, generate


def stale_files() -> list[str]:
    """Generated files that are missing, left over or different."""
    committed = ROOT / "services" / "perpmaker" / "proto"
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / "perpmaker" / "proto"
        names = {
            str(path.relative_to(root))
            for root in (committed, fresh)
            for path in root.rglob("*")
            if path.suffix in {".py", ".pyi"}
        }
        return sorted(
            name
            for name in names
            if not (committed / name).is_file()
            or not (fresh / name).is_file()
            or not filecmp.cmp(committed / name, fresh / name, shallow=False)
        )


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout.strip()


def breaking_changes() -> str:
    """What buf finds incompatible with the contracts of main, as text; empty when nothing."""
    here, main_tip = _git("rev-parse", "HEAD"), _git("rev-parse", "--verify", "--quiet", "main")
    base = _git("rev-parse", "--verify", "--quiet", f"{here}~1") if here == main_tip else main_tip
    if not base or not _git("rev-parse", "--verify", "--quiet", f"{base}:protos"):
        return ""
    buf = Path(sys.executable).parent / "buf"
    done = subprocess.run(
        [str(buf), "breaking", "--against", f"{ROOT}/.git#ref={base}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def main() -> int:
    """Report both checks; 0 when both hold."""
    stale = stale_files()
    for name in stale:
        print(f"services/perpmaker/proto/{name} is not current; run: make proto")
    broken = breaking_changes()
    if broken:
        print(broken, end="")
    return 1 if stale or broken else 0


if __name__ == "__main__":
    sys.exit(main())
