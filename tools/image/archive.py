"""An image archive that `docker load` and `ctr images import` both read, written from folders.

The archive is an OCI layout that also carries the manifest of `docker save`. Owners, times and order are fixed, so the
same input gives the same bytes and the same digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_CONFIG_TYPE: Final = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE: Final = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
_EPOCH: Final = "1970-01-01T00:00:00Z"
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One tar file of the image."""

    path: Path
    sha256: str

    @property
    def size_bytes(self) -> int:
        """Size of the tar file."""
        return self.path.stat().st_size


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How the image is run."""

    entrypoint: tuple[str, ...]
    user: str
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"


def architecture() -> str:
    """This machine's architecture as images name it. Raises KeyError on one that has no name here."""
    return _ARCHITECTURES[platform.machine()]


def write_layer(folder: Path, out: Path) -> Layer:
    """Everything in the folder as one layer, owned by root and without a time."""

    def neutral(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.mtime = entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    # GNU tar's format keeps long names in one way only; pax headers would hold the time of access.
    with tarfile.open(out, "w", format=tarfile.GNU_FORMAT) as tar:
        for path in sorted(folder.iterdir()):
            tar.add(path, path.name, filter=neutral)
    return open_layer(out)


def open_layer(path: Path) -> Layer:
    """A layer that was written before."""
    with path.open("rb") as file:
        return Layer(path, hashlib.file_digest(file, "sha256").hexdigest())


def write_archive(out: Path, name: str, layers: Sequence[Layer], config: ImageConfig) -> str:
    """Write the archive, whole or not at all, and return the image's digest; `name` is REPOSITORY:TAG."""
    config_blob = _json(_config_document(layers, config))
    manifest_blob = _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST_TYPE,
            "config": _descriptor(_CONFIG_TYPE, config_blob),
            "layers": [
                {"mediaType": _LAYER_TYPE, "digest": f"sha256:{layer.sha256}", "size": layer.size_bytes}
                for layer in layers
            ],
        }
    )
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {
        "schemaVersion": 2,
        "manifests": [{**_descriptor(_MANIFEST_TYPE, manifest_blob), "annotations": names}],
    }
    saved = [
        {"Config": _blob(config_blob), "RepoTags": [name], "Layers": [f"blobs/sha256/{one.sha256}" for one in layers]}
    ]
    partial = out.with_name(f".{out.name}.partial")
    with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        _add(tar, "index.json", _json(index))
        _add(tar, "manifest.json", _json(saved))
        for blob in (config_blob, manifest_blob):
            _add(tar, _blob(blob), blob)
        for digest, layer in {layer.sha256: layer for layer in layers}.items():
            entry = tarfile.TarInfo(f"blobs/sha256/{digest}")
            entry.size = layer.size_bytes
            with layer.path.open("rb") as file:
                tar.addfile(entry, file)
    shutil.move(partial, out)
    return f"sha256:{hashlib.sha256(manifest_blob).hexdigest()}"


def _config_document(layers: Sequence[Layer], config: ImageConfig) -> dict[str, Any]:
    return {
        "architecture": architecture(),
        "os": "linux",
        "created": _EPOCH,
        "config": {
            "Entrypoint": list(config.entrypoint),
            "User": config.user,
            "Env": [f"{name}={value}" for name, value in sorted(config.env.items())],
            "Labels": dict(config.labels),
            "WorkingDir": config.working_dir,
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.sha256}" for layer in layers]},
        "history": [{"created": _EPOCH, "created_by": layer.path.stem} for layer in layers],
    }


def _json(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(media_type: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def _blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))
