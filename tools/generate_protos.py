"""Generate the Python side of protos/ into a source root given as the only argument."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"


def generate(out: Path) -> None:
    """Write messages, type stubs and, for files with services, gRPC code below `out`."""
    files = sorted(path.relative_to(PROTOS) for path in PROTOS.rglob("*.proto"))
    with_services = [path for path in files if "\nservice " in (PROTOS / path).read_text()]
    _protoc(files, f"--python_out={out}", f"--mypy_out=quiet:{out}")
    _protoc(with_services, f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}")
    for path in files:
        for folder in (out / path).parents:
            if folder == out / "perpmaker":
                break
            (folder / "__init__.py").touch()


def _protoc(files: list[Path], *outputs: str) -> None:
    bin_folder = Path(sys.executable).parent
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTOS}", *outputs, *(str(path) for path in files)],
        check=True,
        env={"PATH": f"{bin_folder}:/usr/bin:/bin"},
    )


if __name__ == "__main__":
    generate(Path(sys.argv[1]).resolve())
