"""Who may talk to whom: one table of flows, from which the policy of both ends is made.

Every child has a policy of its own that closes it in both directions but for its flows. Services, store and venue are
met by role and account, so that accounts in one namespace are strangers. The health port needs no rule: it is the
kubelet that asks, from the pod's own node.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from perpmaker.api.v1alpha1 import TradingAccount
from perpmaker.operator import names
from perpmaker.operator.children.objects import APP, NAME_LABEL, Child, role_labels
from perpmaker.operator.children.parts import has_managed_store, is_simulated
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"
OPERATOR_POD_LABELS: Final = {NAME_LABEL: APP, names.ROLE_LABEL: "operator"}
"""By which the operator's own pod is recognised; the chart sets them."""

EXCHANGE_PORT: Final = 443
NODE_DNS_CIDR: Final = "169.254.20.10/32"
"""Where NodeLocal DNSCache listens, which is no pod and so has no namespace."""

_DNS_PORT: Final = 53
_SENTINEL_PORT: Final = 26379


class Outside(StrEnum):
    """Ends of flows that are no children."""

    OPERATOR = "operator"
    METRICS_READER = "metrics-reader"
    DNS = "dns"
    EXCHANGE = "exchange"
    EXTERNAL_STORE = "external-store"


End: TypeAlias = Role | Outside


@dataclass(frozen=True, slots=True)
class Port:
    """A port at the end that is called."""

    number: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Flow:
    """One end calls the other at any of some ports."""

    source: End
    target: End
    ports: tuple[Port, ...]


_GRPC: Final = (Port(names.GRPC_PORT),)
_METRICS: Final = (Port(names.METRICS_PORT),)
_STORE: Final = (Port(names.STORE_PORT),)
_DNS: Final = (Port(_DNS_PORT, "UDP"), Port(_DNS_PORT))
SERVICES: Final = (Role.GATEWAY, Role.ORDER_STATE, Role.RISK, Role.QUOTER)
"""The roles that speak gRPC."""

_FLOWS: Final = (
    Flow(Role.QUOTER, Role.GATEWAY, _GRPC),
    Flow(Role.QUOTER, Role.ORDER_STATE, _GRPC),
    Flow(Role.QUOTER, Role.RISK, _GRPC),
    Flow(Role.ORDER_STATE, Role.GATEWAY, _GRPC),
    Flow(Role.ORDER_STATE, Role.RISK, _GRPC),
    Flow(Role.RISK, Role.GATEWAY, _GRPC),
    Flow(Role.RISK, Role.ORDER_STATE, _GRPC),
    # Nonces: the gateway asks what was used before it came.
    Flow(Role.GATEWAY, Role.ORDER_STATE, _GRPC),
    Flow(Role.ORDER_STATE, Role.STORE, _STORE),
    Flow(Role.RISK, Role.STORE, _STORE),
    Flow(Role.GATEWAY, Role.VENUE, (Port(names.VENUE_PORT),)),
    Flow(Role.GATEWAY, Outside.EXCHANGE, (Port(EXCHANGE_PORT),)),
    *(Flow(Outside.OPERATOR, role, _GRPC) for role in SERVICES),
    *(Flow(Outside.METRICS_READER, role, _METRICS) for role in SERVICES),
    *(Flow(role, Outside.DNS, _DNS) for role in SERVICES),
)


def flows(account: TradingAccount, settings: OperatorSettings) -> tuple[Flow, ...]:
    """Every flow that the policies of an account's children and of its makers' children let through."""
    absent: set[End] = set()
    absent.add(Outside.EXCHANGE if is_simulated(account) else Role.VENUE)
    if not has_managed_store(account):
        absent.add(Role.STORE)
    if not settings.network_policies.metrics_from_namespaces:
        absent.add(Outside.METRICS_READER)
    return (
        *(flow for flow in _FLOWS if not {flow.source, flow.target} & absent),
        *_external_store_flows(account),
    )


def network_policy(child: Child, account: TradingAccount, settings: OperatorSettings) -> Manifest:
    """The policy of one child: nothing in and nothing out, but for its flows."""
    every = flows(account, settings)
    spec: dict[str, Any] = {
        "podSelector": {"matchLabels": child.selector},
        "policyTypes": ["Ingress", "Egress"],
    }
    ingress = [
        {"from": _peers(flow.source, account, settings), "ports": _ports(flow)}
        for flow in every
        if flow.target is child.role
    ]
    egress = [_egress(_peers(flow.target, account, settings), flow) for flow in every if flow.source is child.role]
    if ingress:
        spec["ingress"] = ingress
    if egress:
        spec["egress"] = egress
    return child.manifest(kinds.NETWORK_POLICY, {"spec": spec})


def _egress(peers: list[dict[str, Any]], flow: Flow) -> dict[str, Any]:
    return {"to": peers, "ports": _ports(flow)} if peers else {"ports": _ports(flow)}


def _ports(flow: Flow) -> list[dict[str, Any]]:
    return [{"port": port.number, "protocol": port.protocol} for port in flow.ports]


def _peers(end: End, account: TradingAccount, settings: OperatorSettings) -> list[dict[str, Any]]:
    policies = settings.network_policies
    match end:
        case Role():
            return [{"podSelector": {"matchLabels": role_labels(account.metadata.name, end)}}]
        case Outside.OPERATOR:
            return [
                {
                    "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: settings.namespace}},
                    "podSelector": {"matchLabels": dict(OPERATOR_POD_LABELS)},
                }
            ]
        case Outside.METRICS_READER:
            return [{"namespaceSelector": {"matchLabels": dict(policies.metrics_from_namespaces)}}]
        case Outside.DNS:
            return [
                {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: policies.dns_namespace}}},
                {"ipBlock": {"cidr": NODE_DNS_CIDR}},
            ]
        case Outside.EXCHANGE:
            return [{"ipBlock": {"cidr": cidr}} for cidr in policies.exchange_cidrs]
        case Outside.EXTERNAL_STORE:
            return _external_store_peers(account)


def _external_store_hosts(account: TradingAccount) -> tuple[tuple[str, ...], tuple[Port, ...]]:
    """Names or addresses of an external store, and the ports to call."""
    external = account.spec.redis.external
    if external is None:
        return (), ()
    parsed = urlsplit(external.url)
    sentinel = parsed.scheme.endswith("sentinel")
    default = _SENTINEL_PORT if sentinel else names.STORE_PORT
    hosts: list[str] = []
    numbers: list[int] = []
    for place in parsed.netloc.split(","):
        one = urlsplit(f"//{place}")
        hosts.append(one.hostname or "")
        numbers.append(one.port or default)
    if sentinel:
        # Sentinel answers with the address of the server itself, which is not in the URL.
        return (), tuple(Port(number) for number in dict.fromkeys((*numbers, names.STORE_PORT)))
    return tuple(hosts), tuple(Port(number) for number in dict.fromkeys(numbers))


def _external_store_flows(account: TradingAccount) -> Iterator[Flow]:
    _, ports = _external_store_hosts(account)
    if ports:
        yield Flow(Role.ORDER_STATE, Outside.EXTERNAL_STORE, ports)
        yield Flow(Role.RISK, Outside.EXTERNAL_STORE, ports)


def _external_store_peers(account: TradingAccount) -> list[dict[str, Any]]:
    """Peers of an external store; none, which means any address, where its URL has a name of the outside.

    A policy knows no DNS names: an address is allowed as it stands, and a Service of the cluster by its namespace.
    """
    hosts, _ = _external_store_hosts(account)
    peers = [_place(host, account.metadata.namespace or "") for host in hosts]
    known = [peer for peer in peers if peer is not None]
    return known if len(known) == len(peers) else []


def _place(host: str, namespace: str) -> dict[str, Any] | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return {"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}
    labels = host.rstrip(".").split(".")
    if len(labels) == 1:
        return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: namespace}}}
    if labels[2:3] == ["svc"]:
        return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: labels[1]}}}
    return None
