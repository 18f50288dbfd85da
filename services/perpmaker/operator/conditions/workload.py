"""Whether what should run does, from its Deployment or StatefulSet and its newest pod.

A process counts as available once it has started. Whether it may trade is told by itself and has conditions of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from perpmaker.operator import names
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.times import age_s, to_ms

_PULL: Final = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
_LAST_WORDS: Final = 300
_RESTARTS_ARE_A_LOOP: Final = 3
_STAYS_UP_S: Final = 10.0
"""A process that failed sooner than this after its start counts as running when it has lived so long."""
_MOUNTING_S: Final = 20.0
"""Volumes that take longer than this are missing something."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Whether a workload runs, why not, and what is known of its pod."""

    reason: Reason
    message: str
    pod_name: str = ""
    image: str = ""
    config_hash: str = ""
    is_running: bool = False
    """A container runs that can be asked, even if it is not the newest version."""
    exists: bool = True

    @property
    def is_available(self) -> bool:
        """Whether the wanted version runs."""
        return self.reason is Reason.AVAILABLE


def newest_pod(pods: Iterable[Manifest]) -> Manifest | None:
    """The pod that counts: the youngest that is not being deleted, else the youngest."""
    ordered = sorted(
        pods,
        key=lambda pod: (
            "deletionTimestamp" not in pod["metadata"],
            pod["metadata"].get("creationTimestamp", ""),
            pod["metadata"]["name"],
        ),
    )
    return ordered[-1] if ordered else None


def judge(workload: Manifest | None, pods: Sequence[Manifest], now_ms: int) -> Workload:
    """What is to be said about one Deployment or StatefulSet."""
    if workload is None:
        return Workload(Reason.PROGRESSING, "it is not created yet", exists=False)
    name = workload["metadata"]["name"]
    wanted = workload.get("spec", {}).get("replicas", 1)
    pod = newest_pod(pods)
    if pod is None:
        if wanted == 0:
            return Workload(Reason.PROGRESSING, f"{name} is kept at 0 replicas")
        return Workload(Reason.PROGRESSING, _why_no_pod(workload) or f"{name} has no pod yet")
    return _judge_pod(workload, pod, now_ms)


def _judge_pod(workload: Manifest, pod: Manifest, now_ms: int) -> Workload:
    meta, status = pod["metadata"], pod.get("status", {})
    container = _first(status.get("containerStatuses"))
    init = _first(status.get("initContainerStatuses"))
    known = {
        "pod_name": meta["name"],
        "image": _first(pod.get("spec", {}).get("containers")).get("image", ""),
        "config_hash": meta.get("annotations", {}).get(names.CONFIG_HASH, ""),
        "is_running": _runs(status, container) and "deletionTimestamp" not in meta,
    }
    trouble = _trouble(meta["name"], status, (init, container), now_ms)
    if trouble is None and (unmounted := _unmounted(pod, now_ms)):
        trouble = Reason.CREATE_CONTAINER_CONFIG_ERROR, f"pod {meta['name']} cannot start: {unmounted}"
    if trouble is not None:
        return Workload(*trouble, **known)
    template = workload.get("spec", {}).get("template", {}).get("metadata", {}).get("annotations", {})
    if "deletionTimestamp" in meta:
        return Workload(Reason.PROGRESSING, f"pod {meta['name']} is ending", **known)
    if known["config_hash"] != template.get(names.CONFIG_HASH, ""):
        return Workload(Reason.PROGRESSING, f"pod {meta['name']} is to be replaced by a newer version", **known)
    if not known["is_running"]:
        return Workload(Reason.PROGRESSING, f"pod {meta['name']} is {status.get('phase', 'Pending')}", **known)
    return Workload(Reason.AVAILABLE, f"pod {meta['name']} runs", **known)


def _runs(status: Mapping[str, Any], container: Mapping[str, Any]) -> bool:
    return status.get("phase") == "Running" and "running" in container.get("state", {})


def _first(items: Sequence[Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return items[0] if items else {}


def _trouble(
    pod: str, status: Mapping[str, Any], containers: tuple[Mapping[str, Any], ...], now_ms: int
) -> tuple[Reason, str] | None:
    for condition in status.get("conditions", ()):
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            told = condition.get("message", "")
            return Reason.UNSCHEDULABLE, f"no node takes pod {pod}: {told}; add capacity or change the pod's requests"
    for container in containers:
        waiting = container.get("state", {}).get("waiting", {})
        word, told = waiting.get("reason", ""), waiting.get("message", "")
        if word in _PULL:
            return Reason.IMAGE_PULL_FAILED, (
                f"image {container.get('image', '')} of pod {pod} cannot be pulled ({word}); correct the image or the "
                "pull secret of the installation"
            )
        if word in ("CreateContainerConfigError", "CreateContainerError", "RunContainerError"):
            return Reason.CREATE_CONTAINER_CONFIG_ERROR, f"pod {pod} cannot start: {told or word}"
        if word == "CrashLoopBackOff" or (word and container.get("restartCount", 0) >= _RESTARTS_ARE_A_LOOP):
            return Reason.CRASH_LOOPING, _crash(pod, container)
        if _will_fail_again(container, now_ms):
            return Reason.CRASH_LOOPING, _crash(pod, container)
    ended = containers[-1].get("state", {}).get("terminated")
    if ended is not None and ended.get("exitCode", 0) != 0:
        return Reason.CRASH_LOOPING, _crash(pod, containers[-1])
    return None


def _unmounted(pod: Manifest, now_ms: int) -> str:
    """What a pod may be waiting for; the kubelet tells it in events only, which are not read."""
    scheduled = next(
        (
            condition
            for condition in pod.get("status", {}).get("conditions", ())
            if condition.get("type") == "PodScheduled" and condition.get("status") == "True"
        ),
        None,
    )
    if scheduled is None or age_s(scheduled.get("lastTransitionTime"), now_ms) < _MOUNTING_S:
        return ""
    waiting = _first(pod.get("status", {}).get("containerStatuses")).get("state", {}).get("waiting", {})
    if waiting.get("reason") not in ("ContainerCreating", "PodInitializing"):
        return ""
    volumes = pod.get("spec", {}).get("volumes", ())
    secrets = [str(volume["secret"].get("secretName", "")) for volume in volumes if "secret" in volume]
    if not secrets:
        return ""
    return f"its volumes are not mounted; see that each Secret exists with the keys it needs: {', '.join(secrets)}"


def _will_fail_again(container: Mapping[str, Any], now_ms: int) -> bool:
    """Whether it failed soon after its last start and runs no longer now: to say that it runs would not be for long."""
    last = container.get("lastState", {}).get("terminated") or {}
    running = container.get("state", {}).get("running")
    if running is None or last.get("exitCode", 0) == 0 or not {"startedAt", "finishedAt"} <= last.keys():
        return False
    lived_s = age_s(last["startedAt"], to_ms(last["finishedAt"]))
    return lived_s < _STAYS_UP_S and age_s(running.get("startedAt"), now_ms) < _STAYS_UP_S


def _crash(pod: str, container: Mapping[str, Any]) -> str:
    ended = container.get("lastState", {}).get("terminated") or container.get("state", {}).get("terminated") or {}
    words = str(ended.get("message", "")).strip().splitlines()
    said = f"; it said: {_plain(words[-1])[:_LAST_WORDS]}" if words else ""
    # Without the number of times: the same words are the same news.
    return f"pod {pod} does not stay up: it ended with exit code {ended.get('exitCode', '?')}{said}"


def _plain(line: str) -> str:
    """What a line of a log says, without what differs each time it is said."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry.get("reason") or entry.get("event") or line) if isinstance(entry, dict) else line


def _why_no_pod(workload: Manifest) -> str:
    for condition in workload.get("status", {}).get("conditions", ()):
        if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
            return f"no pod can be made: {condition.get('message', '')}"
    return ""
