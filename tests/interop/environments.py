"""Environments of the clients, made once per content of their pins and kept under `build/interop`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.interop.clients import HERE, Client

BUILD = HERE.parent.parent / "build" / "interop"
_TIMEOUT_S = 1_200
_NODE = (20, 19)


class MissingToolError(Exception):
    """The machine lacks what a client's environment is made with; the text names it."""


def commands_of(client: Client) -> tuple[list[list[str]], dict[str, str]]:
    """The commands that run a client's scripts and the variables they add.

    The environment is made first if its pins have changed since it was last made. Raises `MissingToolError`, and
    `CalledProcessError` when a package cannot be installed.
    """
    if client.language == "python":
        python = _made(client, _make_python) / "bin" / "python"
        return [[str(python), str(script)] for script in client.scripts], {"PYTHONPATH": str(HERE / "common")}
    _need_node()
    home = _made(client, _make_node)
    # A script finds its packages from where it lies.
    for source in (*client.scripts, HERE / "common" / "steps.mjs"):
        shutil.copy(source, home / source.name)
    return [["node", str(home / script.name)] for script in client.scripts], {}


def _made(client: Client, make: Callable[[Client, Path], None]) -> Path:
    digest = hashlib.sha256(sys.version.encode())
    for pin in client.pins:
        digest.update(pin.read_bytes())
    home = BUILD / f"{client.folder}-{digest.hexdigest()[:12]}"
    if not home.exists():
        unfinished = home.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        make(client, unfinished)
        unfinished.rename(home)
    return home


def _make_python(client: Client, home: Path) -> None:
    _run([sys.executable, "-m", "venv", "--without-pip", str(home)])
    uv = Path(sys.executable).parent / "uv"
    (requirements,) = client.pins
    python = str(home / "bin" / "python")
    _run([str(uv), "pip", "install", "--quiet", "--require-hashes", "--python", python, "-r", str(requirements)])


def _make_node(client: Client, home: Path) -> None:
    for pin in client.pins:
        shutil.copy(pin, home / pin.name)
    _run(["npm", "ci", "--silent", "--no-audit", "--no-fund"], cwd=home)


def _need_node() -> None:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise MissingToolError("node and npm are not installed")
    version = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if tuple(int(part) for part in version.removeprefix("v").split(".")[:2]) < _NODE:
        raise MissingToolError(f"node {version} is older than {'.'.join(map(str, _NODE))}")


def _run(command: list[str], cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, cwd=cwd, timeout=_TIMEOUT_S, env=os.environ | {"NO_COLOR": "1"})
