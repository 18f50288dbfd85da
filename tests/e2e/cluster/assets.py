"""The programs of the cluster: found where an earlier run left them, or built from their Go modules.

`python -m tests.e2e.cluster.assets` needs nothing but Python and Go, so it can run before anything is set up. The
folder is named by the content of `build/`, so another version of anything is another folder, and a folder that exists
is complete: it was moved into place as a whole.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOURCES: Final = Path(__file__).parent / "build"
FOLDER_VARIABLE: Final = "PERPMAKER_KUBE_ASSETS"

CONTROL_PROGRAMS: Final = ("kube-apiserver", "kube-controller-manager", "kubectl")
NODE_PROGRAMS: Final = ("kube-scheduler", "kubelet", "kube-proxy")
PROGRAMS: Final = (*CONTROL_PROGRAMS, *NODE_PROGRAMS, "coredns", "pause")

_OLDEST_GO: Final = (1, 24)
_VERSION_PACKAGES: Final = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
_PROGRESS_EVERY_S: Final = 15.0

Say = Callable[[str], None]


class AssetsError(Exception):
    """The programs cannot be had; the text says what is missing and what to do."""


def content_hash(sources: Path = SOURCES) -> str:
    """Names what would be built: versions, checksums and our own Go files."""
    digest = hashlib.sha256()
    for path in sorted(sources.glob("*/*")):
        if path.suffix in {".go", ".mod", ".sum"}:
            digest.update(f"{path.relative_to(sources)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def folder() -> Path:
    """Where the programs are or will be: $PERPMAKER_KUBE_ASSETS, else a folder of the user's cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path.home() / ".cache/perpmaker/kube" / content_hash()


def missing(where: Path) -> list[str]:
    """Programs that are not there."""
    return [name for name in PROGRAMS if not os.access(where / name, os.X_OK)]


def find_or_build(say: Say, where: Path | None = None) -> Path:
    """Folder with every program. Building takes minutes, so a second caller waits for the first. Raises AssetsError."""
    target = where or folder()
    if not missing(target):
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not missing(target):
            return target
        _check_toolchain()
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            built = Path(scratch) / "bin"
            built.mkdir()
            _build(built, say)
            if target.exists():
                shutil.rmtree(target)
            built.rename(target)
    return target


def _check_toolchain() -> None:
    remedy = (
        f"install Go {'.'.join(map(str, _OLDEST_GO))} or newer and put it on PATH, or let {FOLDER_VARIABLE} name a"
        f" folder that has {', '.join(PROGRAMS)}"
    )
    go = shutil.which("go")
    if go is None:
        raise AssetsError(f"Kubernetes must be built once and there is no `go`: {remedy}")
    version = subprocess.run([go, "env", "GOVERSION"], check=True, capture_output=True, text=True).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)", version)
    if found and (int(found[1]), int(found[2])) < _OLDEST_GO:
        raise AssetsError(f"{go} is {version}, too old for Kubernetes: {remedy}")


def _build(into: Path, say: Say) -> None:
    began = time.monotonic()
    version = _go("kubernetes", "list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes")
    say(f"building Kubernetes {version} and CoreDNS into {into.parent.parent}: about five minutes, once")
    commands = [f"k8s.io/kubernetes/cmd/{name}" for name in (*CONTROL_PROGRAMS, *NODE_PROGRAMS)]
    _compile("kubernetes", into, commands, _version_flags(version), say, began)
    _compile("coredns", into / "coredns", ["."], "", say, began)
    _compile("pause", into / "pause", ["."], "", say, began)
    if left_out := missing(into):
        raise AssetsError(f"the build ended without {', '.join(left_out)}; this is a fault of the files in build/")
    say(f"built in {time.monotonic() - began:.0f} s")


def _version_flags(version: str) -> str:
    """Programs that do not know their version refuse to negotiate features."""
    major, minor, *_ = version.removeprefix("v").split(".")
    facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return " ".join(f"-X {package}.{fact}={value}" for package in _VERSION_PACKAGES for fact, value in facts.items())


def _environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false", "GOWORK": "off"}


def _go(module: str, *words: str) -> str:
    done = subprocess.run(
        ["go", *words], cwd=SOURCES / module, env=_environment(), check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise AssetsError(f"go {' '.join(words)} failed in {SOURCES / module}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout.strip()


def _compile(module: str, output: Path, packages: list[str], flags: str, say: Say, began: float) -> None:
    """One `go build`, told about as it goes: go prints a line for each package it compiles."""
    total = len(_go(module, "list", "-deps", *packages).splitlines())
    destination = f"{output}/" if output.is_dir() else str(output)
    argv = ["go", "build", "-v", "-ldflags", f"-s -w {flags}".strip(), "-o", destination, *packages]
    tail: list[str] = []
    told = time.monotonic()
    done = 0
    with (
        subprocess.Popen(
            argv,
            cwd=SOURCES / module,
            env=_environment(),
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
        _ended_with_us(process),
    ):
        assert process.stderr is not None
        for line in process.stderr:
            if "/" in line and " " not in line.strip():
                done += 1
            tail = [*tail, line][-40:]
            if time.monotonic() - told >= _PROGRESS_EVERY_S:
                told = time.monotonic()
                say(f"{told - began:5.0f} s  {module}: {done} of at most {total} packages")
    if process.returncode != 0:
        raise AssetsError(f"{module} does not build:\n{''.join(tail)}")
    say(f"{time.monotonic() - began:5.0f} s  {module}: built")


@contextmanager
def _ended_with_us(process: subprocess.Popen[str]) -> Iterator[None]:
    """Go starts compilers by the dozen; they must not outlive whoever waits for them."""
    try:
        yield
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        raise


def main() -> None:
    """Build what is missing and print where everything is."""

    def say(line: str) -> None:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        sys.stdout.write(f"{find_or_build(say)}\n")
    except AssetsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
