"""The table of who may call what, against the generated contracts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2

from perpmaker.common.authorisation import ALLOWED, check, why_refused
from perpmaker.common.identity import Identity, Role
from perpmaker.proto.gateway.v1 import gateway_pb2
from perpmaker.proto.orderstate.v1 import orderstate_pb2
from perpmaker.proto.quoter.v1 import quoter_pb2
from perpmaker.proto.risk.v1 import risk_pb2

FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (gateway_pb2, orderstate_pb2, risk_pb2, quoter_pb2, health_pb2)
)
EXECUTE = "/perpmaker.proto.gateway.v1.ExecutionService/Execute"
CANCEL_ALL = "/perpmaker.proto.orderstate.v1.OrdersService/CancelAll"
RISK = "/perpmaker.proto.risk.v1.RiskService"


def methods() -> Iterator[str]:
    for file in FILES:
        for service in file.services_by_name.values():
            for method in service.methods:
                yield f"/{service.full_name}/{method.name}"


def someone(role: Role, account: str = "main", namespace: str = "trading") -> Identity:
    return Identity(role) if role is Role.OPERATOR else Identity(role, namespace, account)


@pytest.mark.parametrize("method", sorted(methods()))
def test_every_method_of_the_contracts_has_a_row(method: str) -> None:
    assert method in ALLOWED


def test_every_row_is_a_method_of_the_contracts() -> None:
    assert set(ALLOWED) <= set(methods())


def test_a_method_without_a_row_is_open_to_nobody() -> None:
    for role in Role:
        refusal = why_refused(someone(Role.RISK), someone(role), "/new.Service/Method")
        assert refusal is not None
        assert "open to nobody" in refusal


@pytest.mark.parametrize(
    ("method", "roles"),
    [
        (EXECUTE, {Role.ORDER_STATE}),
        (CANCEL_ALL, {Role.RISK}),
        (f"{RISK}/Trip", {Role.CLI, Role.OPERATOR}),
        (f"{RISK}/Rearm", {Role.CLI, Role.OPERATOR}),
        (f"{RISK}/ApplyConfig", {Role.OPERATOR}),
    ],
)
def test_what_moves_money_is_open_to_those_only(method: str, roles: set[Role]) -> None:
    me = someone(Role.RISK)
    assert {role for role in Role if why_refused(me, someone(role), method) is None} == roles


def test_a_refusal_names_who_may() -> None:
    refusal = why_refused(someone(Role.RISK), someone(Role.QUOTER), f"{RISK}/Rearm")
    assert refusal is not None
    assert refusal.endswith("allowed: cli, operator")
    assert "account/main/quoter" in refusal


@pytest.mark.parametrize("stranger", [someone(Role.ORDER_STATE, "other"), someone(Role.ORDER_STATE, "main", "else")])
def test_another_account_or_namespace_is_refused_whatever_the_role(stranger: Identity) -> None:
    refusal = why_refused(someone(Role.GATEWAY), stranger, EXECUTE)
    assert refusal is not None
    assert "only services of account main in namespace trading" in refusal


def peer(**changed: list[bytes]) -> dict[str, list[bytes]]:
    good = {
        "ssl_tls_version": [b"TLSv1.3"],
        "peer_spiffe_id": [b"spiffe://perpmaker.io/ns/trading/account/main/order-state"],
    }
    return good | changed


def test_a_connections_properties_are_believed_when_they_are_complete() -> None:
    assert check(someone(Role.GATEWAY), peer(), EXECUTE) is None


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({}, "no TLS"),
        (peer(ssl_tls_version=[b"TLSv1.2"]), "TLSv1.2; TLSv1.3 is required"),
        (peer(peer_spiffe_id=[]), "no URI name, or several"),
        (peer(peer_spiffe_id=[b"spiffe://perpmaker.io/operator", b"spiffe://perpmaker.io/operator"]), "or several"),
        (peer(peer_spiffe_id=[b"spiffe://elsewhere.io/operator"]), "names none of ours"),
        (peer(peer_spiffe_id=[b"\xff"]), "names none of ours"),
    ],
)
def test_a_connection_that_does_not_prove_who_it_is_is_refused(properties: dict[str, list[bytes]], told: str) -> None:
    refusal = check(someone(Role.GATEWAY), properties, EXECUTE)
    assert refusal is not None
    assert told in refusal
