"""What follows from NetworkPolicies, as matches of the packet filter."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.e2e.cluster.netpol import _EGRESS, _INGRESS, Pod, World, isolated, pod_of, ruleset, selects

GATEWAY = Pod("trading", "10.0.0.1", {"role": "gateway"}, {("tcp", "grpc"): 50051})
QUOTER = Pod("trading", "10.0.0.2", {"role": "quoter"})
STRANGER = Pod("elsewhere", "10.0.0.3", {"role": "quoter"})
NAMESPACES = {"trading": {"team": "desk"}, "elsewhere": {}}


def _world(*policies: dict[str, Any]) -> World:
    return World(policies=policies, pods=(GATEWAY, QUOTER, STRANGER), namespaces=NAMESPACES)


def _policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "trading"}, "spec": {"podSelector": {}, **spec}}


_TO_GATEWAY = {"podSelector": {"matchLabels": {"role": "gateway"}}}


def test_pods_that_no_policy_selects_are_not_isolated() -> None:
    assert isolated(_world(), _INGRESS) == {}


def test_a_policy_without_rules_isolates_the_pods_of_its_namespace_in_the_directions_it_names() -> None:
    world = _world(_policy(policyTypes=["Ingress"]))
    assert isolated(world, _INGRESS) == {"10.0.0.1": set(), "10.0.0.2": set()}
    assert isolated(world, _EGRESS) == {}


def test_a_policy_with_egress_rules_and_no_types_isolates_both_ways() -> None:
    world = _world(_policy(egress=[{}]))
    assert isolated(world, _INGRESS)["10.0.0.2"] == set()
    assert isolated(world, _EGRESS)["10.0.0.2"] == {""}


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"podSelector": {"matchLabels": {"role": "quoter"}}}, "ip saddr { 10.0.0.2 }"),
        ({"namespaceSelector": {}}, "ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 }"),
        ({"namespaceSelector": {"matchLabels": {"team": "desk"}}}, "ip saddr { 10.0.0.1, 10.0.0.2 }"),
        (
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"role": "quoter"}}},
            "ip saddr { 10.0.0.2, 10.0.0.3 }",
        ),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, "ip saddr 0.0.0.0/0 ip saddr != { 10.0.0.0/8 }"),
    ],
)
def test_a_peer_is_the_addresses_it_selects(peer: dict[str, Any], expected: str) -> None:
    world = _world(_policy(**_TO_GATEWAY, policyTypes=["Ingress"], ingress=[{"from": [peer]}]))
    assert isolated(world, _INGRESS) == {"10.0.0.1": {expected}}


def test_a_peer_that_selects_nobody_lets_nobody_in() -> None:
    nobody = {"podSelector": {"matchLabels": {"role": "nobody"}}}
    world = _world(_policy(**_TO_GATEWAY, policyTypes=["Ingress"], ingress=[{"from": [nobody]}]))
    assert isolated(world, _INGRESS) == {"10.0.0.1": set()}


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        ({"port": 53, "protocol": "UDP"}, {"udp dport 53"}),
        ({"port": 8000, "endPort": 8010}, {"tcp dport 8000-8010"}),
        ({"protocol": "SCTP"}, {"meta l4proto sctp"}),
        ({"port": "grpc"}, {"ip daddr 10.0.0.1 tcp dport 50051"}),
        ({"port": "unheard-of"}, set()),
    ],
)
def test_a_port_is_a_number_a_range_a_protocol_or_what_the_receiver_calls_so(
    port: dict[str, Any], expected: set[str]
) -> None:
    world = _world(_policy(**_TO_GATEWAY, policyTypes=["Ingress"], ingress=[{"ports": [port]}]))
    assert isolated(world, _INGRESS) == {"10.0.0.1": expected}


def test_policies_add_up() -> None:
    rules = ([{"ports": [{"port": 1}]}], [{"ports": [{"port": 2}]}])
    world = _world(*(_policy(**_TO_GATEWAY, policyTypes=["Ingress"], ingress=rule) for rule in rules))
    assert isolated(world, _INGRESS) == {"10.0.0.1": {"tcp dport 1", "tcp dport 2"}}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ({"key": "role", "operator": "In", "values": ["gateway", "risk"]}, True),
        ({"key": "role", "operator": "NotIn", "values": ["gateway"]}, False),
        ({"key": "other", "operator": "NotIn", "values": ["gateway"]}, True),
        ({"key": "role", "operator": "Exists"}, True),
        ({"key": "other", "operator": "DoesNotExist"}, True),
    ],
)
def test_expressions_of_selectors(expression: dict[str, Any], holds: bool) -> None:
    assert selects({"matchExpressions": [expression]}, {"role": "gateway"}) is holds


def test_the_table_ends_every_isolated_pods_chain_with_a_drop_and_lets_the_test_host_in() -> None:
    text = ruleset(_world(_policy(**_TO_GATEWAY, policyTypes=["Ingress"])), open_to="10.245.0.1")
    chain = text[text.index("chain ingress_10_0_0_1") :]
    assert chain[: chain.index("}")].split()[-1] == "drop"
    assert text.count("ip saddr 10.245.0.1 accept") == 2


_DOCUMENT: dict[str, Any] = {
    "metadata": {"namespace": "trading", "labels": {"a": "b"}},
    "spec": {"containers": [{"ports": [{"name": "grpc", "containerPort": 50051}, {"containerPort": 1}]}]},
    "status": {"podIP": "10.0.0.9", "phase": "Running"},
}


def test_a_pod_is_read_with_its_named_ports() -> None:
    assert pod_of(_DOCUMENT) == Pod("trading", "10.0.0.9", {"a": "b"}, {("tcp", "grpc"): 50051})


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [("status", "phase", "Succeeded"), ("status", "podIP", ""), ("spec", "hostNetwork", True)],
)
def test_a_pod_that_ended_or_has_no_address_of_its_own_is_left_out(part: str, name: str, value: Any) -> None:
    document = copy.deepcopy(_DOCUMENT)
    document[part][name] = value
    assert pod_of(document) is None
