"""Puts the image together; what did not change since an earlier run is taken from the cache."""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tools.image import contents
from tools.image.archive import ImageConfig, Layer, open_layer, write_archive, write_layer

CACHE: Final = Path.home() / ".cache/perpmaker/image"
DEFAULT_NAME: Final = "localhost/perpmaker:dev"

_SLOW_LAYERS: Final = ("system", "interpreter", "packages")
_LABELS: Final = {
    "org.opencontainers.image.title": "perpmaker",
    "org.opencontainers.image.licenses": "Apache-2.0",
}


@dataclass(frozen=True, slots=True)
class Assembled:
    """An image archive and how it came about."""

    path: Path
    name: str
    digest: str
    layers: tuple[Layer, ...]
    took_s: float

    def told(self) -> str:
        """For people: what was written, how large each layer is, how long it took."""
        sizes = [f"  {layer.size_bytes / 1e6:6.1f} MB  {layer.path.stem}" for layer in self.layers]
        total = sum(layer.size_bytes for layer in self.layers) / 1e6
        head = f"{self.path}: {self.name}, {total:.0f} MB unpacked, {self.digest[:19]}, in {self.took_s:.1f} s"
        return "\n".join((head, *sizes))


def assemble(out: Path, name: str = DEFAULT_NAME, cache: Path = CACHE) -> Assembled:
    """Write the archive of the working tree as it is. Raises contents.ImageError."""
    began = time.monotonic()
    facts = _project()
    slow = cache / _slow_key()
    if not slow.is_dir():
        _make_slow_layers(slow)
    quick = cache / _quick_key(facts["version"])
    if not quick.is_dir():
        _into_place(quick, lambda folder: _make_perpmaker(folder, facts["version"]))
    layers = tuple(
        open_layer(path) for path in (*(slow / f"{one}.tar" for one in _SLOW_LAYERS), quick / "perpmaker.tar")
    )
    config = ImageConfig(
        entrypoint=("perpmaker",),
        user=f"{contents.UID}:{contents.UID}",
        env=contents.ENV,
        labels={
            **_LABELS,
            "org.opencontainers.image.version": facts["version"],
            "org.opencontainers.image.description": facts["description"],
        },
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    digest = write_archive(out, name, layers, config)
    _forget_old(cache, keep={slow, quick})
    return Assembled(out, name, digest, layers, time.monotonic() - began)


def unpacked(into: Path, *, base: bool) -> None:
    """Write layers as folders, for a Dockerfile to copy one by one: all but perpmaker, or perpmaker alone."""
    into.mkdir(parents=True, exist_ok=True)
    if base:
        _make_slow_folders(into)
    else:
        contents.perpmaker(into / "perpmaker", _project()["version"])


def _project() -> dict[str, str]:
    with (contents.ROOT / "pyproject.toml").open("rb") as file:
        project: dict[str, str] = tomllib.load(file)["project"]
    return project


def _slow_key() -> str:
    python = Path(sys.base_prefix) / "bin" / contents.PYTHON
    tools = sorted(Path(__file__).parent.glob("*.py"))
    return "base-" + _hash(
        (sys.version.encode(), platform.machine().encode(), python.read_bytes()),
        (contents.LOCK, *tools),
    )


def _quick_key(version: str) -> str:
    sources = sorted(path for path in contents.PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    tools = sorted(Path(__file__).parent.glob("*.py"))
    return "perpmaker-" + _hash((version.encode(), sys.version.encode()), (*sources, *tools))


def _hash(facts: Iterable[bytes], files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(hashlib.sha256(fact).digest())
    for path in files:
        digest.update(f"{path.relative_to(contents.ROOT)}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:20]


def _make_slow_layers(target: Path) -> None:
    def fill(folder: Path) -> None:
        _make_slow_folders(folder / "tree")
        for layer in _SLOW_LAYERS:
            write_layer(folder / "tree" / layer, folder / f"{layer}.tar")
        shutil.rmtree(folder / "tree")

    _into_place(target, fill)


def _make_slow_folders(into: Path) -> None:
    contents.interpreter(into / "interpreter")
    contents.packages(into / "packages")
    contents.system(into / "system", into / "interpreter", into / "packages")


def _make_perpmaker(folder: Path, version: str) -> None:
    contents.perpmaker(folder / "tree", version)
    write_layer(folder / "tree", folder / "perpmaker.tar")
    shutil.rmtree(folder / "tree")


def _into_place(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder beside the target and move it there, so that a target that exists is whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
        folder = Path(scratch) / "made"
        folder.mkdir()
        fill(folder)
        try:
            folder.rename(target)
        except OSError:
            # Somebody else was quicker with the same content.
            if not target.is_dir():
                raise


def _forget_old(cache: Path, keep: set[Path], keep_newest: int = 4) -> None:
    for prefix in ("base-", "perpmaker-"):
        folders = sorted(cache.glob(f"{prefix}*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for folder in folders[keep_newest:]:
            if folder not in keep:
                shutil.rmtree(folder, ignore_errors=True)
