"""NetworkPolicy enforced in the one-node cluster: `python -m tests.e2e.cluster.netpol --state DIR`, inside the node.

The bridge network of the cluster knows no policies, so this stands in for a network plugin that does. It reads
policies, pods and namespaces twice a second and replaces one nftables table when what follows from them
changed. IPv4; podSelector, namespaceSelector, ipBlock, ports, ranges and named ports. As with real plugins replies
always pass, and so does what the node itself sends (probes). The host's address on the link is let in too: that is
where tests ask from. It tests our policies, not a network plugin: a new pod is open until the next look.
"""

from __future__ import annotations

import argparse
import http.client
import json
import logging
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.e2e.cluster import record, settings

TABLE: Final = "e2e_policy"

_LOOK_EVERY_S: Final = 0.5

log = logging.getLogger(__name__)

Json = dict[str, Any]
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Pod:
    """What policies read of a pod that has an address."""

    namespace: str
    ip: str
    labels: Labels
    named_ports: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(protocol in lower case, name) to number."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that decides which packets pass."""

    policies: Sequence[Json]
    pods: Sequence[Pod]
    namespaces: Mapping[str, Labels]


@dataclass(frozen=True, slots=True)
class _Direction:
    """One of the two halves of a policy."""

    kind: str
    rules: str
    peers: str
    own_field: str
    other_field: str


_INGRESS: Final = _Direction("Ingress", "ingress", "from", "daddr", "saddr")
_EGRESS: Final = _Direction("Egress", "egress", "to", "saddr", "daddr")


def selects(selector: Json, labels: Labels) -> bool:
    """Whether a label selector matches. Raises ValueError on an operator that does not exist."""
    wanted: Labels = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions") or ()
    )


def _holds(expression: Json, labels: Labels) -> bool:
    value = labels.get(expression["key"])
    values = expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            raise ValueError(f"no such operator in a label selector: {operator}")


def isolated(world: World, direction: _Direction) -> dict[str, set[str]]:
    """For each address that some policy selects in this direction: the matches that let a connection through."""
    allowed: dict[str, set[str]] = {}
    for policy in world.policies:
        spec, home = policy["spec"], policy["metadata"]["namespace"]
        if direction.kind not in _types(spec):
            continue
        for pod in world.pods:
            if pod.namespace == home and selects(spec.get("podSelector") or {}, pod.labels):
                matches = allowed.setdefault(pod.ip, set())
                for rule in spec.get(direction.rules) or ():
                    matches |= _matches(rule, direction, home, pod, world)
    return allowed


def _types(spec: Json) -> Sequence[str]:
    return spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]


def _matches(rule: Json, direction: _Direction, home: str, pod: Pod, world: World) -> set[str]:
    peers = rule.get(direction.peers)
    ends = [end for peer in peers for end in _ends(peer, direction, home, world)] if peers else [""]
    receivers = [pod] if direction is _INGRESS else world.pods
    return {f"{end} {port}".strip() for end in ends for port in _ports(rule.get("ports"), receivers)}


def _ends(peer: Json, direction: _Direction, home: str, world: World) -> Iterable[str]:
    block = peer.get("ipBlock")
    if block:
        without = block.get("except")
        but = f" ip {direction.other_field} != {{ {', '.join(without)} }}" if without else ""
        yield f"ip {direction.other_field} {block['cidr']}{but}"
        return
    selector = peer.get("namespaceSelector")
    namespaces = (
        {home} if selector is None else {name for name, labels in world.namespaces.items() if selects(selector, labels)}
    )
    addresses = sorted(
        pod.ip
        for pod in world.pods
        if pod.namespace in namespaces and selects(peer.get("podSelector") or {}, pod.labels)
    )
    if addresses:
        yield f"ip {direction.other_field} {{ {', '.join(addresses)} }}"


def _ports(ports: Sequence[Json] | None, receivers: Iterable[Pod]) -> Iterable[str]:
    if not ports:
        yield ""
    for port in ports or ():
        protocol, number = port.get("protocol", "TCP").lower(), port.get("port")
        if number is None:
            yield f"meta l4proto {protocol}"
        elif isinstance(number, int):
            yield f"{protocol} dport {number}" + (f"-{port['endPort']}" if "endPort" in port else "")
        else:
            # A name is whatever the receiving pod calls so.
            for pod in receivers:
                if (protocol, number) in pod.named_ports:
                    yield f"ip daddr {pod.ip} {protocol} dport {pod.named_ports[protocol, number]}"


def ruleset(world: World, open_to: str) -> str:
    """The whole table as `nft -f` reads it; `open_to` is the address that gets in everywhere."""
    lines = [f"table inet {TABLE}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    for direction in (_INGRESS, _EGRESS):
        allowed = isolated(world, direction)
        for ip, matches in sorted(allowed.items()):
            verdicts = [f"    {match} return".replace("     return", "    return") for match in sorted(matches)]
            lines += [f"  chain {_chain(direction, ip)} {{", *verdicts, "    drop", "  }"]
        jumps = [f"    ip {direction.own_field} {ip} jump {_chain(direction, ip)}" for ip in sorted(allowed)]
        lines += [f"  chain {direction.rules} {{", *jumps, "  }"]
    # A pod reaches the API server, which is a process of the node, through the input hook.
    for hook, chains in (("forward", (_EGRESS, _INGRESS)), ("input", (_EGRESS,))):
        lines += [
            f"  chain {hook} {{",
            f"    type filter hook {hook} priority 0; policy accept;",
            "    ct state established,related accept",
            f"    ip saddr {open_to} accept",
            *(f"    jump {direction.rules}" for direction in chains),
            "  }",
        ]
    return "\n".join((*lines, "}", ""))


def _chain(direction: _Direction, ip: str) -> str:
    return f"{direction.rules}_{ip.replace('.', '_')}"


def pod_of(document: Json) -> Pod | None:
    """The pod of an API object; None when no policy can concern it (no address yet, the node's network, ended)."""
    status, spec, metadata = document["status"], document["spec"], document["metadata"]
    if not status.get("podIP") or spec.get("hostNetwork") or status.get("phase") not in {"Pending", "Running"}:
        return None
    named = {
        (port.get("protocol", "TCP").lower(), port["name"]): port["containerPort"]
        for container in spec["containers"]
        for port in container.get("ports") or ()
        if "name" in port
    }
    return Pod(metadata["namespace"], status["podIP"], metadata.get("labels") or {}, named)


class ApiServer:
    """Lists objects with the credentials of a kubeconfig."""

    def __init__(self, kubeconfig: Path, ca: Path) -> None:
        config = json.loads(kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        self._tls = ssl.create_default_context(cafile=str(ca))

    def items(self, path: str) -> list[Json]:
        """All objects of one list. Raises OSError while the API server is away, and when it ends in mid-answer."""
        request = urllib.request.Request(self._server + path, headers={"Authorization": f"Bearer {self._token}"})
        try:
            with urllib.request.urlopen(request, context=self._tls, timeout=5) as answer:
                found: list[Json] = json.load(answer)["items"]
        except (http.client.HTTPException, json.JSONDecodeError) as error:
            raise OSError(f"no whole answer: {error}") from error
        return found

    def world(self) -> World:
        """What the API server says now."""
        pods = [pod_of(document) for document in self.items("/api/v1/pods")]
        namespaces = self.items("/api/v1/namespaces")
        return World(
            policies=self.items("/apis/networking.k8s.io/v1/networkpolicies"),
            pods=[pod for pod in pods if pod is not None],
            namespaces={one["metadata"]["name"]: one["metadata"].get("labels") or {} for one in namespaces},
        )


def main() -> None:
    """Enforce until killed. While the API server is away the last rules stay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, required=True)
    state: Path = parser.parse_args().state
    found = record.load(state)
    if found is None:
        sys.exit(f"no cluster in {state}")
    logging.basicConfig(format="%(asctime)s %(message)s")
    api = ApiServer(state / f"{settings.POLICY_AGENT}.kubeconfig", state / "pki/ca.crt")
    in_force = ""
    while True:
        try:
            wanted = ruleset(api.world(), found.layout.host_ip)
        except OSError as error:
            log.warning("the API server does not answer: %s", error)
        else:
            if wanted != in_force:
                subprocess.run(["nft", "-f", "-"], input=wanted, text=True, check=True)
                in_force = wanted
        time.sleep(_LOOK_EVERY_S)


if __name__ == "__main__":
    main()
