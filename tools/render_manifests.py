"""Write what is made from the chart and for it: deploy/manifests, deploy/crds, and the kinds inside the values' schema.

`render_manifests.py` writes; `render_manifests.py --check` writes nothing and fails when a file is not current.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import helm_python
import yaml

from perpmaker.api.schema import CRDS, model_schema

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts/perpmaker"
DEPLOY = ROOT / "deploy"
RELEASE = "perpmaker"
NAMESPACE = "perpmaker"
VALUES: dict[str, Any] = {
    # A Secret in a file that everybody has is none; deploy/README.md says how to make it.
    "store": {"credentials": {"create": False}},
    # A hook of Helm.
    "uninstall": {"enabled": False},
}
"""Values of the raw manifests."""
HEAD = "# Rendered from charts/perpmaker by `make manifests`; edit the chart instead.\n"
GENERATED_DEFINITIONS = {"TradingAccount": "tradingAccountSpec", "MarketMaker": "marketMakerSpec"}


def main() -> int:
    """Write or compare; 1 when files differ from what would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    wanted = wanted_files()
    stale = [path for path in generated_paths() if path not in wanted]
    changed = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    if check:
        for path in sorted([*stale, *changed]):
            print(f"not current: {path.relative_to(ROOT)}; run: make manifests")
        return 1 if stale or changed else 0
    for path in stale:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[path])
        print(f"written: {path.relative_to(ROOT)}")
    return 0


def wanted_files() -> dict[Path, str]:
    """Every generated file with its content."""
    return {CHART / "values.schema.json": values_schema(), **crd_copies(), **manifests()}


def generated_paths() -> list[Path]:
    """Files in the folders that hold nothing but generated ones."""
    inside = (path for folder in ("manifests", "crds") for path in (DEPLOY / folder).glob("*.yaml"))
    return sorted(path for path in inside if path.name != "kustomization.yaml")


def values_schema() -> str:
    """The schema of the values, with the specs of both kinds as the models say them."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for crd in CRDS:
        spec = _strict(model_schema(crd.spec))
        if crd.kind == "MarketMaker":
            # The chart fills it in.
            spec["required"] = [name for name in spec["required"] if name != "accountRef"]
        schema["$defs"][GENERATED_DEFINITIONS[crd.kind]] = spec
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _strict(node: dict[str, Any]) -> dict[str, Any]:
    """A structural schema as plain JSON Schema that refuses unknown fields and fills nothing in."""
    kept = {key: value for key, value in node.items() if not key.startswith("x-kubernetes-") and key != "default"}
    if "properties" in node:
        kept["properties"] = {name: _strict(child) for name, child in node["properties"].items()}
        kept["additionalProperties"] = False
    if "items" in node:
        kept["items"] = _strict(node["items"])
    return kept


def crd_copies() -> dict[Path, str]:
    """The CustomResourceDefinitions, as they are."""
    return {DEPLOY / "crds" / source.name: source.read_text() for source in sorted((CHART / "crds").glob("*.yaml"))}


def manifests() -> dict[Path, str]:
    """The rendered chart, one file per template; without objects that only Helm understands."""
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(VALUES, name=RELEASE, namespace=NAMESPACE)
    files = {DEPLOY / "manifests" / "namespace.yaml": HEAD + _dump([_namespace()])}
    for template, text in rendered.items():
        objects = [document for document in yaml.safe_load_all(text) if document] if template.endswith(".yaml") else []
        if objects:
            name = template.split("/templates/")[1].removesuffix(".yaml").replace("/", "-")
            files[DEPLOY / "manifests" / f"{name}.yaml"] = HEAD + _dump([_without_helm(item) for item in objects])
    return files


def _namespace() -> dict[str, Any]:
    enforced = {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", "latest"))
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": enforced}}


def _without_helm(manifest: Any) -> Any:
    """The object without labels that claim Helm manages it."""
    if isinstance(manifest, dict):
        return {
            key: "kubectl" if key == "app.kubernetes.io/managed-by" and value == "Helm" else _without_helm(value)
            for key, value in manifest.items()
            if key != "helm.sh/chart"
        }
    if isinstance(manifest, list):
        return [_without_helm(item) for item in manifest]
    return manifest


class _Dumper(yaml.SafeDumper):
    """Multi-line text as a block, lists indented under their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else "'" if text.lower() in {"y", "n"} else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _dump(objects: list[Any]) -> str:
    return yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=110, explicit_start=len(objects) > 1)


if __name__ == "__main__":
    sys.exit(main())
