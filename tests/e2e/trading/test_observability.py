"""What an installation tells of itself: the series that alerts are over, and logs that a machine reads."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Final

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.e2e.api import Json
from tests.e2e.house import House
from tests.e2e.netns import NetnsHttp
from tests.support.chart import CHART

from perpmaker.operator.names import METRICS_PORT, ROLE_LABEL

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

FOREIGN: Final = {"store"}
"""Roles whose program is somebody else's and logs as it does."""
ON_DELETION: Final = {"mm_operator_teardown_started_timestamp_seconds"}
"""Series that are there only while something is deleted."""


async def _pods(house: House) -> list[Json]:
    await house.quoting("eth")
    return await house.api.objects("Pod", house.namespace, label="app.kubernetes.io/part-of=perpmaker")


async def test_every_series_of_the_alerts_is_exported_by_some_pod(house: House) -> None:
    exported: set[str] = set()
    for pod in await _pods(house):
        if METRICS_PORT in {port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}:
            exported |= await asyncio.to_thread(_series, house, pod["metadata"]["name"])
    alerts = [
        rule
        for path in (CHART / "rules").glob("*.yaml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    ]
    for alert in alerts:
        wanted = set(re.findall(r"\bmm_[a-z0-9_]+", alert["expr"])) - ON_DELETION
        assert wanted <= exported, alert["alert"]


async def test_logs_are_one_json_object_a_line_with_time_level_event_and_component(house: House) -> None:
    for pod in await _pods(house):
        if pod["metadata"]["labels"][ROLE_LABEL] in FOREIGN:
            continue
        name = pod["metadata"]["name"]
        lines = (await house.api.logs(house.namespace, name, lines=5000)).splitlines()
        assert lines, name
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                pytest.fail(f"{name} logs what is no JSON: {line[:300]}")
            assert {"ts", "level", "event", "component"} <= set(entry), (name, line)


def _series(house: House, pod: str) -> set[str]:
    """Names of all samples of a pod's metrics endpoint."""
    connection = NetnsHttp(house.cluster.faults.pids(house.namespace, pod)[0], METRICS_PORT)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    assert answer.status == 200, pod
    return {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
