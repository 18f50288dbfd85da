"""Kubernetes Events: the reasons we give, and a queue that posts them without ever holding anybody up.

Events are for people who look now; the server forgets them within an hour or so. The condition is the record.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

from perpmaker.common import logs
from perpmaker.operator.interfaces import EventType, KubeError, Manifest
from perpmaker.operator.kube.resources import EVENT
from perpmaker.operator.metrics import EVENTS_DROPPED
from perpmaker.operator.names import MANAGER

QUIET_S: Final = 600.0
"""The same words about the same object are not repeated within this time."""
QUEUE_SIZE: Final = 256
MESSAGE_MAX: Final = 1024
"""Longer messages are refused by the API server."""
TRIES: Final = 3
RETRY_S: Final = 1.0

_log = logs.get(__name__)


class Reason(StrEnum):
    """Every reason that an Event of ours can have."""

    CREATED = "Created"
    APPLIED = "Applied"
    CONFIG_APPLIED = "ConfigApplied"
    ROLLOUT_STARTED = "RolloutStarted"
    ROLLOUT_FINISHED = "RolloutFinished"
    PAUSED = "Paused"
    RESUMED = "Resumed"
    REARMED = "Rearmed"
    CREDENTIALS_ROTATED = "CredentialsRotated"
    DRIFT_REPAIRED = "DriftRepaired"
    TEARDOWN_STARTED = "TeardownStarted"
    ORDERS_CANCELLED = "OrdersCancelled"
    FLATTENED = "Flattened"
    TEARDOWN_FINISHED = "TeardownFinished"

    INVALID = "Invalid"
    NAME_CONFLICT = "NameConflict"
    ACCOUNT_NOT_READY = "AccountNotReady"
    NETWORK_MISMATCH = "NetworkMismatch"
    WORKLOAD_FAILING = "WorkloadFailing"
    CONFIG_REJECTED = "ConfigRejected"
    NOT_QUOTING = "NotQuoting"
    KILL_SWITCH_TRIPPED = "KillSwitchTripped"
    REARM_REFUSED = "RearmRefused"
    CANCEL_FAILED = "CancelFailed"
    FLATTEN_INCOMPLETE = "FlattenIncomplete"
    CANNOT_CANCEL_GATEWAY_GONE = "CannotCancelGatewayGone"
    IN_USE = "InUse"
    RECONCILE_ERROR = "ReconcileError"


class Poster(Protocol):
    """Where Events go."""

    async def post_event(self, namespace: str, event: Manifest) -> None:
        """Create an Event. Raises KubeError."""
        ...


@dataclass(frozen=True, slots=True)
class _Said:
    uid: str
    reason: str
    digest: bytes


class EventTeller:
    """Implements `Teller` with a bounded queue; `run` posts from it."""

    def __init__(
        self,
        poster: Poster,
        *,
        instance: str,
        clock: Callable[[], float] = time.monotonic,
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        """`instance` names this copy of the operator."""
        self._poster = poster
        self._instance = instance
        self._clock = clock
        self._queue: asyncio.Queue[tuple[_Said, str, Manifest]] = asyncio.Queue(queue_size)
        self._said: dict[_Said, float] = {}

    def tell(self, about: Manifest, type_: EventType, reason: str, message: str) -> None:
        """Post an Event soon, unless the same was said in the last ten minutes; never blocks, never raises."""
        metadata = about["metadata"]
        said = _Said(metadata.get("uid", ""), reason, hashlib.blake2s(message.encode()).digest())
        now = self._clock()
        if now - self._said.get(said, -QUIET_S) < QUIET_S:
            return
        self._said = {old: at for old, at in self._said.items() if now - at < QUIET_S}
        namespace = metadata.get("namespace", "default")
        event = build(about, type_, reason, message, self._instance, datetime.now(UTC))
        try:
            self._queue.put_nowait((said, namespace, event))
        except asyncio.QueueFull:
            EVENTS_DROPPED.labels("queue_full").inc()
            return
        self._said[said] = now

    async def run(self) -> None:
        """Post Events until cancelled."""
        while True:
            said, namespace, event = await self._queue.get()
            try:
                await self._post(namespace, event)
            except KubeError as error:
                EVENTS_DROPPED.labels("refused" if error.status else "unreachable").inc()
                _log.warning("event.not_posted", reason=event["reason"], error=str(error))
                # Not said after all: the next one with these words is new again.
                self._said.pop(said, None)
            finally:
                self._queue.task_done()

    async def flush(self, timeout_s: float) -> None:
        """Wait until everything that was told has been posted or given up, for a limited time."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._queue.join()
        except TimeoutError:
            _log.warning("event.left_behind", count=self._queue.qsize())

    async def _post(self, namespace: str, event: Manifest) -> None:
        for left in reversed(range(TRIES)):
            try:
                return await self._poster.post_event(namespace, event)
            except KubeError as error:
                # The name is unique, so a conflict can only be our own Event that arrived before its answer was lost.
                if error.status == 409:
                    return None
                if not left or 400 <= error.status < 429:
                    raise
            await asyncio.sleep(RETRY_S)
        return None


def build(about: Manifest, type_: EventType, reason: str, message: str, instance: str, now: datetime) -> Manifest:
    """A core/v1 Event about an object."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace", "default")
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": f"{metadata['name']}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "namespace": namespace,
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        },
        "type": type_.value,
        "reason": reason,
        "message": message if len(message) <= MESSAGE_MAX else message[: MESSAGE_MAX - 3] + "...",
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
        "reportingInstance": instance,
        "firstTimestamp": stamp,
        "lastTimestamp": stamp,
        "count": 1,
    }
