"""Alerts: each is over series that the code exports, and says what it is about."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from tests.support.chart import CHART, ROOT, one

RULES = sorted((CHART / "rules").glob("*.yaml"))
SUFFIXES = ("", "_total", "_bucket", "_sum", "_count", "_created")


def _alerts() -> list[dict[str, Any]]:
    return [rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]


def _exported() -> set[str]:
    """Names of all series in the source, as Prometheus sees them."""
    code = "\n".join(path.read_text() for path in (ROOT / "services/perpmaker").rglob("*.py"))
    return {f"{name}{suffix}" for name in re.findall(r'"(mm_[a-z0-9_]+)"', code) for suffix in SUFFIXES}


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_is_over_series_that_exist(alert: dict[str, Any]) -> None:
    used = set(re.findall(r"\bmm_[a-z0-9_]+", alert["expr"]))
    assert used
    assert used <= _exported()


@pytest.mark.parametrize("alert", _alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert set(alert) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert set(alert["annotations"]) == {"summary", "description"}
    assert alert["annotations"]["description"].rstrip().endswith(".")


def test_alerts_have_names_of_their_own() -> None:
    names = [alert["alert"] for alert in _alerts()]
    assert len(names) == len(set(names))
    assert all(name.startswith("Perpmaker") for name in names)


def test_the_rule_object_holds_all_of_them() -> None:
    groups = one("monitoring", "PrometheusRule", "perpmaker")["spec"]["groups"]
    assert [rule for group in groups for rule in group["rules"]] == [
        rule for path in RULES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    ]


def test_labels_that_rules_join_by_are_put_on_by_the_monitor() -> None:
    labels = one("monitoring", "PodMonitor", "perpmaker")["spec"]["podTargetLabels"]
    joined = {re.sub(r"[./-]", "_", label) for label in labels}
    used = {label for alert in _alerts() for label in re.findall(r"\bperpmaker_io_\w+", str(alert))}
    assert used <= joined


def test_every_pod_is_scraped_once() -> None:
    monitor = one("monitoring", "PodMonitor", "perpmaker")["spec"]
    assert monitor["selector"]["matchExpressions"] == [
        {"key": "app.kubernetes.io/component", "operator": "NotIn", "values": ["operator"]}
    ]
    service = one("monitoring", "Service", "perpmaker-operator")
    selector = one("monitoring", "ServiceMonitor", "perpmaker-operator")["spec"]["selector"]["matchLabels"]
    assert selector.items() <= service["metadata"]["labels"].items()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)")
@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_prometheus_accepts_the_rules(path: Any) -> None:
    subprocess.run(["promtool", "check", "rules", str(path)], check=True, capture_output=True, timeout=30)
