"""The archive that engines read: same input, same bytes; both manifests say the same."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tools.image.archive import ImageConfig, write_archive, write_layer

CONFIG = ImageConfig(entrypoint=("perpmaker",), user="65532:65532", env={"B": "2", "A": "1"}, labels={"l": "v"})


def _tree(folder: Path, mtime: int) -> Path:
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/tool").write_text("#!/bin/true\n")
    (folder / "usr/bin/tool").chmod(0o755)
    (folder / "usr/bin/link").symlink_to("tool")
    os.utime(folder / "usr/bin/tool", (mtime, mtime))
    return folder


def _written(folder: Path, mtime: int = 1) -> Path:
    folder.mkdir()
    layer = write_layer(_tree(folder / "tree", mtime), folder / "layer.tar")
    write_archive(folder / "image.tar", "localhost/tool:1", [layer], CONFIG)
    return folder / "image.tar"


def _json(archive: Path, name: str) -> Any:
    with tarfile.open(archive) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return json.load(file)


def test_files_of_another_time_and_another_place_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = _written(tmp_path / "a", mtime=1), _written(tmp_path / "b", mtime=2_000_000_000)
    assert first.read_bytes() == second.read_bytes()


def test_every_blob_is_named_by_its_content(tmp_path: Path) -> None:
    with tarfile.open(_written(tmp_path / "a")) as tar:
        blobs = [name for name in tar.getnames() if name.startswith("blobs/sha256/")]
        assert len(blobs) == 3
        for name in blobs:
            file = tar.extractfile(name)
            assert file is not None
            assert hashlib.sha256(file.read()).hexdigest() == name.rpartition("/")[2]


def test_both_manifests_lead_to_the_same_configuration_and_layers(tmp_path: Path) -> None:
    archive = _written(tmp_path / "a")
    (saved,) = _json(archive, "manifest.json")
    (entry,) = _json(archive, "index.json")["manifests"]
    manifest = _json(archive, f"blobs/{entry['digest'].replace(':', '/')}")
    assert f"blobs/{manifest['config']['digest'].replace(':', '/')}" == saved["Config"]
    assert [f"blobs/{layer['digest'].replace(':', '/')}" for layer in manifest["layers"]] == saved["Layers"]
    assert saved["RepoTags"] == [entry["annotations"]["io.containerd.image.name"]] == ["localhost/tool:1"]


def test_the_configuration_says_how_to_run_it(tmp_path: Path) -> None:
    archive = _written(tmp_path / "a")
    (saved,) = _json(archive, "manifest.json")
    config = _json(archive, saved["Config"])["config"]
    assert (config["Entrypoint"], config["User"], config["Env"]) == (["perpmaker"], "65532:65532", ["A=1", "B=2"])


def test_modes_and_links_survive_and_owners_do_not(tmp_path: Path) -> None:
    layer = write_layer(_tree(tmp_path / "tree", 1), tmp_path / "layer.tar")
    with tarfile.open(layer.path) as tar:
        tool, link = tar.getmember("usr/bin/tool"), tar.getmember("usr/bin/link")
    assert (tool.mode & 0o777, tool.uid, tool.gid, tool.uname) == (0o755, 0, 0, "")
    assert (link.issym(), link.linkname) == (True, "tool")


def test_an_archive_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    archive = _written(tmp_path / "a")
    before = archive.read_bytes()
    layer = write_layer(_tree(tmp_path / "tree", 1), tmp_path / "gone.tar")
    size = layer.size_bytes
    layer.path.write_bytes(b"short")
    with pytest.raises(OSError, match=r"unexpected end of data|short"):
        write_archive(archive, "localhost/tool:2", [_Lying(layer.path, layer.sha256, size)], CONFIG)  # type: ignore[list-item]
    assert archive.read_bytes() == before


class _Lying:
    """A layer whose file was cut after it was measured."""

    def __init__(self, path: Path, sha256: str, size_bytes: int) -> None:
        self.path, self.sha256, self.size_bytes = path, sha256, size_bytes
