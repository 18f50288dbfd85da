"""What is in the image, as folders that become layers: system, interpreter, packages, perpmaker.

They are ordered by how seldom they change. The Dockerfile copies the same folders, so that an image is the same image
whichever way it was made.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LOCK: Final = ROOT / "requirements.image.lock"
PACKAGE: Final = ROOT / "services/perpmaker"

UID: Final = 65532
PYTHON: Final = f"python{sys.version_info.major}.{sys.version_info.minor}"
SITE_PACKAGES: Final = f"usr/local/lib/{PYTHON}/site-packages"

ENV: Final = {
    "PATH": "/usr/local/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108 - the only folder that a pod with a read-only root has to write to, if any
    "LD_LIBRARY_PATH": "/usr/local/lib",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}

# What only a desk or a developer needs, and with it two dozen libraries of the X window system.
_UNUSED_STDLIB: Final = (
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "site-packages", "venv", "curses"),
    *("_tkinter.*", "_curses*", "readline.*", "_test*.so", "_ctypes_test.*", "_xxtestfuzz.*", "xxlimited*", "nis.*"),
    *("ossaudiodev.*", "_gdbm.*", "_dbm.*", "config-*", "__pycache__", "*.a"),
)
_SOURCES_OF_EXTENSIONS: Final = ("*.c", "*.h", "*.pyx", "*.pxd", "*.pxi", "*.pyi")
_TEST_FOLDERS: Final = {"test", "tests", "SelfTest"}
# Loaded by name at run time, so that no program lists them.
_RESOLVER_LIBRARIES: Final = ("libnss_dns.so.2", "libnss_files.so.2", "libresolv.so.2")
_ENTRY: Final = f"""#!/usr/local/bin/{PYTHON} -sP
from perpmaker.cli.main import app

app()
"""


class ImageError(Exception):
    """The image cannot be assembled; the text says why and what to do."""


def interpreter(into: Path) -> None:
    """This machine's CPython under /usr/local, without what only developers use."""
    prefix = Path(sys.base_prefix)
    (into / "usr/local/bin").mkdir(parents=True)
    shutil.copy(prefix / "bin" / PYTHON, into / "usr/local/bin" / PYTHON)
    (into / "usr/local/bin/python3").symlink_to(PYTHON)
    library = into / "usr/local/lib"
    ignored = shutil.ignore_patterns(*_UNUSED_STDLIB)
    shutil.copytree(prefix / "lib" / PYTHON, library / PYTHON, ignore=ignored, symlinks=True)
    shared = sysconfig.get_config_var("INSTSONAME")
    if sysconfig.get_config_var("Py_ENABLE_SHARED") and shared:
        shutil.copy(prefix / "lib" / shared, library / shared)
    _without_debug_symbols([path for path in library.rglob("*.so*") if _is_elf(path)])
    (into / SITE_PACKAGES).mkdir()
    _compile(library / PYTHON)


def packages(into: Path) -> None:
    """The locked wheels, each checked by its hash; nothing is built from source."""
    site = into / SITE_PACKAGES
    site.mkdir(parents=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    wheels_only = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(site), "-r", str(LOCK)]
    installer = (
        [uv, "pip", "install", "--python", sys.executable, "--link-mode", "copy"]
        if uv
        else [sys.executable, "-m", "pip", "install", "--no-compile", "--root-user-action", "ignore"]
    )
    done = subprocess.run([*installer, "--quiet", *wheels_only], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ImageError(f"{LOCK.name} cannot be installed; `make lock` renews it:\n{done.stderr.strip()[-2000:]}")
    for folder in [path for path in site.rglob("*") if path.name in _TEST_FOLDERS and path.is_dir()]:
        shutil.rmtree(folder, ignore_errors=True)
    for pattern in _SOURCES_OF_EXTENSIONS:
        for source in list(site.rglob(pattern)):
            source.unlink()
    # Console scripts name the Python that installed them; the image has one command.
    shutil.rmtree(site / "bin", ignore_errors=True)
    for leftover in (".lock", ".gitignore"):
        (site / leftover).unlink(missing_ok=True)
    _neutralise_records(site)
    _compile(site)


def perpmaker(into: Path, version: str) -> None:
    """The package and its command."""
    site = into / SITE_PACKAGES
    shutil.copytree(PACKAGE, site / "perpmaker", ignore=shutil.ignore_patterns("__pycache__"))
    metadata = site / f"perpmaker-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: perpmaker\nVersion: {version}\n")
    (metadata / "INSTALLER").write_text("image\n")
    command = into / "usr/local/bin/perpmaker"
    command.parent.mkdir(parents=True)
    command.write_text(_ENTRY)
    command.chmod(0o755)
    _compile(site)


def system(into: Path, *users: Path) -> None:
    """The C libraries that the other folders need, certificates, time zones, an account to run as, and /tmp."""
    for library in sorted(shared_libraries(users)):
        _copy_as_named(library, into)
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    if not certificates.is_file():
        raise ImageError(f"{certificates} is not there: install the package ca-certificates")
    _copy_as_named(certificates, into)
    zones = Path("/usr/share/zoneinfo")
    if zones.is_dir():
        ignored = shutil.ignore_patterns("right", "posix", "*.list", "*.tab", "leap*", "tzdata.zi", "localtime")
        shutil.copytree(zones, into / "usr/share/zoneinfo", ignore=ignored)
    etc = into / "etc"
    (etc / "passwd").write_text(f"root:x:0:0:root:/:/none\nperpmaker:x:{UID}:{UID}:perpmaker:/tmp:/none\n")
    (etc / "group").write_text(f"root:x:0:\nperpmaker:x:{UID}:\n")
    (etc / "nsswitch.conf").write_text("hosts: files dns\n")
    (into / "tmp").mkdir()
    (into / "tmp").chmod(0o1777)


def shared_libraries(trees: Iterable[Path]) -> set[Path]:
    """Libraries of this machine that programs and extension modules below the trees load, by the names they ask for.

    Raises ImageError when one is asked for that is nowhere.
    """
    binaries = [path for tree in trees for path in sorted(tree.rglob("*")) if _is_elf(path)]
    inside = [str(tree) for tree in trees]
    needed: set[Path] = set()
    # Some modules find their neighbours only while their package is loaded; those lie in the same tree.
    neighbours = {path.name for path in binaries}
    for binary in binaries:
        listed = subprocess.run(["ldd", str(binary)], check=False, capture_output=True, text=True).stdout
        for name, found in re.findall(r"^\s*(\S+)(?: => (.*?))?(?: \(0x[0-9a-f]+\))?$", listed, re.MULTILINE):
            path = found or name
            if path == "not found":
                if name not in neighbours:
                    raise ImageError(f"{binary} needs {name}, which this machine does not have")
            elif path.startswith("/") and not path.startswith(tuple(inside)) and Path(path).name not in neighbours:
                needed.add(Path(path))
    libc_folder = next((path.parent for path in needed if path.name.startswith("libc.so")), Path("/lib"))
    return needed | {libc_folder / name for name in _RESOLVER_LIBRARIES if (libc_folder / name).is_file()}


def _is_elf(path: Path) -> bool:
    if path.is_symlink() or not path.is_file() or not (".so" in path.name or os.access(path, os.X_OK)):
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _without_debug_symbols(binaries: list[Path]) -> None:
    """A Python built from source carries 20 MB of them; wheels are left as they came."""
    strip = shutil.which("strip")
    if strip and binaries:
        subprocess.run([strip, "--strip-debug", *map(str, binaries)], check=True, capture_output=True)


def _copy_as_named(path: Path, into: Path) -> None:
    """Copy the file a path leads to, and give it that path."""
    target = into / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, target)


def _neutralise_records(site: Path) -> None:
    """Drop what differs from one installation to the next of the same wheels."""
    for metadata in site.glob("*.dist-info"):
        for name in ("RECORD", "direct_url.json", "uv_cache.json", "REQUESTED", "INSTALLER"):
            (metadata / name).unlink(missing_ok=True)


def _compile(folder: Path) -> None:
    """Byte code that is believed without looking at the source: the image's files never change and have no time."""
    compileall.compile_dir(
        folder,
        quiet=2,
        workers=0,
        stripdir=str(folder),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
