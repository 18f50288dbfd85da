"""The chart as tests see it: rendered objects by set of values, and the pods inside them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/perpmaker"
NAMESPACE = "perpmaker"
CASES = sorted(path.name.removesuffix("-values.yaml") for path in (CHART / "ci").glob("*-values.yaml"))
"""Names of the sets of values that the chart is tried with."""

FOREIGN_KINDS = {"Issuer", "Certificate", "PodMonitor", "ServiceMonitor", "PrometheusRule"}
"""Kinds of cert-manager and of the Prometheus operator."""
OWN_KINDS = {"TradingAccount", "MarketMaker"}
PEERING_KINDS = {"KopfPeering", "ClusterKopfPeering"}

Manifest = dict[str, Any]


def values_of(case: str) -> dict[str, Any]:
    """Values of a case."""
    values: dict[str, Any] = yaml.safe_load((CHART / f"ci/{case}-values.yaml").read_text()) or {}
    return values


@functools.cache
def _chart() -> helm_python.Chart:
    return helm_python.Chart.load(CHART)


def render(values: dict[str, Any], *, release: str = "perpmaker", upgrade: bool = False) -> dict[str, str]:
    """Text by template. Raises HelmValuesError and HelmRenderError."""
    return _chart().render(values, name=release, namespace=NAMESPACE, is_upgrade=upgrade, is_install=not upgrade)


def objects_in(rendered: dict[str, str]) -> list[Manifest]:
    """Every object of a rendering."""
    found = []
    for template, text in rendered.items():
        if template.endswith(".yaml"):
            found += [document for document in yaml.safe_load_all(text) if document is not None]
    return found


@functools.cache
def _objects(case: str) -> tuple[Manifest, ...]:
    return tuple(objects_in(render(values_of(case))))


def objects(case: str, kind: str | None = None, name: str | None = None) -> list[Manifest]:
    """Objects of a case, all or those of one kind or name. They are shared: do not change them."""
    return [
        item
        for item in _objects(case)
        if (kind is None or item["kind"] == kind) and (name is None or item["metadata"]["name"] == name)
    ]


def one(case: str, kind: str, name: str) -> Manifest:
    """The only object of that kind and name."""
    (found,) = objects(case, kind, name)
    return found


def pods(items: list[Manifest]) -> Iterator[tuple[str, str, Manifest]]:
    """Name of the owner, namespace, and template of every pod that the objects run."""
    for item in items:
        if item["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield item["metadata"]["name"], item["metadata"]["namespace"], item["spec"]["template"]


def identity(item: Manifest) -> tuple[str, str, str, str]:
    """What makes an object one of its kind."""
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace", ""), metadata["name"]
