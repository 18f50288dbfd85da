"""Write kubernetes/go.mod for one version: `python pin.py 1.34.4`, then `go mod tidy` in that folder.

The module k8s.io/kubernetes looks for its siblings in its own `staging` folder, which a required module does not have.
Each is replaced by its release of the same day: v1.34.4 goes with v0.34.4.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "kubernetes"


def go_mod(version: str, upstream: str) -> str:
    """The text of go.mod; `upstream` is the one of k8s.io/kubernetes, `version` is like 1.34.4."""
    siblings = re.findall(r"^\s*(k8s\.io/[\w-]+) => \./staging", upstream, re.MULTILINE)
    go = re.search(r"^go (\d+\.\d+)(\S*)", upstream, re.MULTILINE)
    if go is None or not siblings:
        raise SystemExit(f"k8s.io/kubernetes v{version} has no go line or no staging modules: its layout has changed")
    release = "v0" + version.removeprefix("1")
    replaced = "".join(f"\t{module} => {module} {release}\n" for module in siblings)
    return (
        "module perpmaker.io/e2e/kubernetes\n\n"
        f"go {go[1]}{go[2]}\n\ngodebug default=go{go[1]}\n\n"
        f"require k8s.io/kubernetes v{version}\n\nreplace (\n{replaced})\n"
    )


def main() -> None:
    """Pin the version of the command line."""
    version = sys.argv[1]
    answer = subprocess.run(
        ["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{version}"], check=True, capture_output=True, text=True
    )
    upstream = Path(json.loads(answer.stdout)["GoMod"]).read_text(encoding="utf-8")
    (FOLDER / "go.mod").write_text(go_mod(version, upstream), encoding="utf-8")


if __name__ == "__main__":
    main()
