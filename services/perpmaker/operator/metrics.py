"""What the operator measures about itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

RECONCILE_BUCKETS_S: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

RECONCILES: Final = Counter(
    "mm_operator_reconcile_total", "Looks at an object, by result: ok, error, step, torn_down.", ["kind", "result"]
)
RECONCILE_SECONDS: Final = Histogram(
    "mm_operator_reconcile_seconds", "Duration of one look at an object.", ["kind"], buckets=RECONCILE_BUCKETS_S
)
WAKEUPS: Final = Counter("mm_operator_wakeups_total", "Requests to look at an object, by what asked.", ["source"])
KUBE_REQUESTS: Final = Counter(
    "mm_operator_kube_requests_total",
    "Requests to the API server; code 0 means that it did not answer.",
    ["verb", "resource", "code"],
)
DRIFT_REPAIRS: Final = Counter(
    "mm_operator_drift_repairs_total", "Children put right after somebody else changed or deleted them.", ["kind"]
)
LAST_SUCCESS: Final = Gauge(
    "mm_operator_last_success_timestamp_seconds", "When an object of this kind was last reconciled well.", ["kind"]
)
TEARDOWN_STARTED: Final = Gauge(
    "mm_operator_teardown_started_timestamp_seconds",
    "Since when an object has been waiting to be torn down.",
    ["kind", "namespace", "name"],
)
LEADER: Final = Gauge(
    "mm_operator_leader", "1 when this copy works, 0 while it has not joined the others or waits for one."
)
WATCH_FAILURES: Final = Counter(
    "mm_operator_watch_failures_total",
    "Listings and watches that ended in an error, by what ended them.",
    ["resource", "reason"],
)
EVENTS_DROPPED: Final = Counter(
    "mm_operator_events_dropped_total", "Kubernetes Events that could not be posted, by why.", ["reason"]
)

_STATUSES: Final = ("True", "False", "Unknown")


class Conditions(Collector):
    """The conditions of every object as series, made when they are asked for: a series that is kept costs far more
    memory than the condition, and there are thirty for each object.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[tuple[str, str], ...]] = {}

    def note(self, kind: str, namespace: str, name: str, conditions: Iterable[Mapping[str, Any]]) -> None:
        """The conditions of an object as they are in its status."""
        self._known[kind, namespace, name] = tuple((item["type"], item["status"]) for item in conditions)

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """The object is gone."""
        self._known.pop((kind, namespace, name), None)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See Collector; runs in the thread that serves the endpoint."""
        family = GaugeMetricFamily(
            "mm_operator_condition",
            "1 for the status that a condition has.",
            labels=["kind", "namespace", "name", "type", "status"],
        )
        for owner, conditions in tuple(self._known.items()):
            for type_, now in conditions:
                for status in _STATUSES:
                    family.add_metric([*owner, type_, status], 1 if status == now else 0)
        yield family


CONDITIONS: Final = Conditions()
REGISTRY.register(CONDITIONS)
