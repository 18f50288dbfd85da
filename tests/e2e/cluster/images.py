"""The two images the cluster itself needs, each one program and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.e2e.cluster.layout import Layout
from tests.e2e.cluster.settings import PAUSE_IMAGE
from tools.image.archive import ImageConfig, write_archive, write_layer

DNS_IMAGE = "localhost/coredns:1"


def pause(layout: Layout) -> Path:
    """Archive of what holds a pod's namespaces."""
    return _one_program(layout, "pause", PAUSE_IMAGE)


def coredns(layout: Layout) -> Path:
    """Archive of the cluster's DNS."""
    return _one_program(layout, "coredns", DNS_IMAGE)


def _one_program(layout: Layout, program: str, name: str) -> Path:
    folder = layout.path("images")
    tree = folder / program
    tree.mkdir(parents=True, exist_ok=True)
    shutil.copy(layout.assets / program, tree / program)
    layer = write_layer(tree, folder / f"{program}-layer.tar")
    archive = folder / f"{program}.tar"
    write_archive(archive, name, [layer], ImageConfig(entrypoint=(f"/{program}",), user="65535:65535"))
    return archive
