"""The chart's CustomResourceDefinitions on a cluster, and the end of what is defined by them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.e2e.api import Api, Json
from tests.e2e.cluster.cluster import Cluster

CRD_FILES: Final = sorted((Path(__file__).parents[2] / "charts/perpmaker/crds").glob("*.yaml"))

KINDS: Final = ("MarketMaker", "TradingAccount")
_WITHOUT_FINALIZERS: Final[Json] = {"metadata": {"finalizers": None}}


def define(cluster: Cluster) -> Cluster:
    """Install every definition of the chart, or bring it up to date, and wait until it is served."""
    files = [f"--filename={file}" for file in CRD_FILES]
    cluster.kubectl("apply", "--server-side", "--validate=strict", *files)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)
    return cluster


async def let_go(api: Api, namespace: str | None = None, kinds: tuple[str, ...] = KINDS) -> None:
    """Let objects go whose operator is gone: those of a namespace, or of all. A definition does not end before them."""
    for kind in kinds:
        for item in await api.objects(kind, namespace):
            meta = item["metadata"]
            if meta.get("finalizers"):
                await api.merge(kind, meta["name"], _WITHOUT_FINALIZERS, meta["namespace"])
