"""Who may talk to whom: the policies of both ends agree with the table of flows, read as a network would read them."""

from __future__ import annotations

import ipaddress
from itertools import product
from typing import Any

import pytest
from tests.support.children import CASES, NAMESPACE, REAL, REVISIONS, Case, account, pick, settings, templates

from perpmaker.operator.children import account_children
from perpmaker.operator.children.network_policies import (
    OPERATOR_POD_LABELS,
    SERVICES,
    Outside,
    Port,
    flows,
)
from perpmaker.operator.names import Role

POLICED = tuple(case for case in CASES if case.settings.network_policies.enabled)
OUTSIDE_STORES = ("sentinel", "by-address")
"""Cases whose Redis is outside of the cluster, by the trader's wish."""
every_case = pytest.mark.parametrize("case", POLICED, ids=lambda case: case.name)
PORTS = tuple(Port(number) for number in (443, 6379, 8010, 8011, 9090, 50051, 50052))


def _name(role: Role) -> str:
    return "eth-quoter" if role is Role.QUOTER else f"main-{role.value}"


def _selects(peer: dict[str, Any], labels: dict[str, str], namespace: dict[str, str], policy_namespace: str) -> bool:
    """Whether a peer of a policy means a pod, as the API defines it."""
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        if not namespace.items() >= peer["namespaceSelector"]["matchLabels"].items():
            return False
    elif namespace.get("kubernetes.io/metadata.name") != policy_namespace:
        return False
    return bool(labels.items() >= peer.get("podSelector", {}).get("matchLabels", {}).items())


def _allows(
    policy: dict[str, Any], direction: str, labels: dict[str, str], port: Port, namespace: str = NAMESPACE
) -> bool:
    side = {"ingress": "from", "egress": "to"}[direction]
    names = {"kubernetes.io/metadata.name": namespace}
    return any(
        {"port": port.number, "protocol": port.protocol} in rule["ports"]
        and (side not in rule or any(_selects(peer, labels, names, NAMESPACE) for peer in rule[side]))
        for rule in policy["spec"].get(direction, [])
    )


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


@every_case
def test_a_pair_of_children_may_talk_exactly_where_the_table_says(case: Case) -> None:
    pods = {name: template["metadata"]["labels"] for name, template in templates(case.children).items()}
    roles = [role for role in Role if _name(role) in pods]
    table = flows(case.account, case.settings)
    for source, target, port in product(roles, roles, PORTS):
        policies = [pick(case.children, "NetworkPolicy", _name(role)) for role in (source, target)]
        out = _allows(policies[0], "egress", pods[_name(target)], port)
        into = _allows(policies[1], "ingress", pods[_name(source)], port)
        expected = any((f.source, f.target) == (source, target) and port in f.ports for f in table)
        anywhere = any(f.source is source and f.target is Outside.EXTERNAL_STORE and port in f.ports for f in table)
        assert into is expected, (source, target, port)
        assert out is expected or (out and anywhere), (source, target, port)


@every_case
def test_every_policy_closes_both_directions_of_its_own_pod(case: Case) -> None:
    for name, template in templates(case.children).items():
        spec = pick(case.children, "NetworkPolicy", name)["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert template["metadata"]["labels"].items() >= spec["podSelector"]["matchLabels"].items()


@every_case
def test_the_operator_reaches_the_services_and_nothing_else(case: Case) -> None:
    for name, template in templates(case.children).items():
        policy = pick(case.children, "NetworkPolicy", name)
        role = Role(template["metadata"]["labels"]["app.kubernetes.io/component"])
        allowed = [port for port in PORTS if _allows(policy, "ingress", OPERATOR_POD_LABELS, port, "perpmaker-system")]
        assert allowed == ([Port(50051)] if role in SERVICES else [])
        assert not any(_allows(policy, "ingress", OPERATOR_POD_LABELS, port, "elsewhere") for port in PORTS)


@pytest.mark.parametrize(
    "case", [case for case in POLICED if case.name not in OUTSIDE_STORES], ids=lambda case: case.name
)
def test_only_the_gateway_of_a_real_account_leaves_the_cluster(case: Case) -> None:
    for name in templates(case.children):
        rules = pick(case.children, "NetworkPolicy", name)["spec"].get("egress", [])
        blocks = [
            ipaddress.ip_network(peer["ipBlock"]["cidr"]) for rule in rules for peer in rule["to"] if "ipBlock" in peer
        ]
        is_real_gateway = name == "main-gateway" and case.account.spec.address is not None
        assert any(not block.is_link_local for block in blocks) is is_real_gateway


def test_accounts_in_one_namespace_are_strangers() -> None:
    pods = {
        name: templates(account_children(account(name=name), [], settings(), REVISIONS)) for name in ("main", "second")
    }
    policies = account_children(account(), [], settings(), REVISIONS)
    for (name, template), port in product(pods["second"].items(), PORTS):
        for own in pods["main"]:
            labels = template["metadata"]["labels"]
            policy = pick(policies, "NetworkPolicy", own)
            assert not _allows(policy, "ingress", labels, port), (own, name)
            assert not _allows(policy, "egress", labels, port), (own, name)


def test_metrics_are_closed_until_a_namespace_is_named() -> None:
    closed = flows(account(), settings())
    opened = flows(account(), settings({"network_policies.metrics_from_namespaces": {"monitoring": "true"}}))
    assert {flow.target for flow in set(opened) - set(closed)} == set(SERVICES)
    assert all(flow.source is Outside.METRICS_READER for flow in set(opened) - set(closed))


@pytest.mark.parametrize(
    ("url", "peers", "port"),
    [
        ("redis://192.0.2.7:7000", [{"ipBlock": {"cidr": "192.0.2.7/32"}}], 7000),
        ("redis://[2001:db8::7]/1", [{"ipBlock": {"cidr": "2001:db8::7/128"}}], 6379),
        ("rediss://redis.data.svc:6380/2", [_namespace("data")], 6380),
        ("redis://redis.data.svc.cluster.local", [_namespace("data")], 6379),
        ("redis://redis", [_namespace(NAMESPACE)], 6379),
        ("redis://redis.example.com:6390", None, 6390),
    ],
)
def test_an_external_store_is_allowed_as_narrowly_as_its_address_says(
    url: str, peers: list[dict[str, Any]] | None, port: int
) -> None:
    external = account({"spec.redis": {"mode": "External", "external": {"url": url}}})
    policy = pick(account_children(external, [], settings(), REVISIONS), "NetworkPolicy", "main-risk")
    rule = policy["spec"]["egress"][-1]
    assert (rule.get("to"), rule["ports"]) == (peers, [{"port": port, "protocol": "TCP"}])


def test_sentinels_are_asked_and_the_server_that_they_name_is_reached() -> None:
    url = "redis+sentinel://one.example,two.example:26380/0"
    external = account({"spec.redis": {"mode": "External", "external": {"url": url}}})
    (ports,) = {flow.ports for flow in flows(external, settings()) if flow.target is Outside.EXTERNAL_STORE}
    assert ports == (Port(26379), Port(26380), Port(6379))


def test_the_exchange_is_reached_only_where_the_installation_says() -> None:
    chosen = settings({"network_policies.exchange_cidrs": ["203.0.113.0/24"]})
    policy = pick(account_children(account(REAL), [], chosen, REVISIONS), "NetworkPolicy", "main-gateway")
    assert {"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}], "ports": [{"port": 443, "protocol": "TCP"}]} in policy[
        "spec"
    ]["egress"]


def test_the_venue_and_the_store_call_nobody() -> None:
    children = account_children(account(), [], settings(), REVISIONS)
    assert not any("egress" in pick(children, "NetworkPolicy", name)["spec"] for name in ("main-venue", "main-store"))
