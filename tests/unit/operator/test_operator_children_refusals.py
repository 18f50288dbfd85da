"""What keeps an account from being run although the API server accepted it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.children import CASES, CERT_MANAGER, REAL, Case, account, settings

from perpmaker.operator.children import RefusalReason, account_refusals, maker_refusals

MAINNET = REAL | {"spec.network": "Mainnet"}


def test_mainnet_without_tls_is_refused_with_a_remedy() -> None:
    (refusal,) = account_refusals(account(MAINNET), settings())
    assert (refusal.reason, refusal.field) == (RefusalReason.INSECURE_TRANSPORT, "spec.network")
    assert "tls.mode certManager or existingSecret" in refusal.message


@pytest.mark.parametrize("transport", [CERT_MANAGER, {"tls.mode": "existingSecret"}])
def test_mainnet_with_tls_is_accepted(transport: dict[str, Any]) -> None:
    assert account_refusals(account(MAINNET), settings(transport)) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_whatever_children_can_be_built_for_is_accepted(case: Case) -> None:
    assert account_refusals(case.account, case.settings) == ()
    assert maker_refusals(case.maker) == ()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("spec.apiWallet.secretRef.key", "../../etc/passwd"),
        ("spec.apiWallet.secretRef.key", "/etc/passwd"),
        ("spec.apiWallet.secretRef.key", ".."),
        ("spec.apiWallet.secretRef.key", "..data"),
        ("spec.apiWallet.secretRef.name", "My_Wallet"),
        ("spec.redis.external.credentialsSecretRef.name", "a/b"),
        ("spec.redis.external.url", "redis://"),
        ("spec.redis.external.url", "redis://host:port/0"),
        ("spec.redis.external.url", "redis://host:70000/0"),
        ("spec.redis.external.url", "redis://host:0/0"),
        ("spec.redis.external.url", "redis://[::1/0"),
    ],
)
def test_what_leads_nowhere_is_refused_with_its_field(field: str, value: str) -> None:
    external = {"mode": "External", "external": {"url": "redis://redis", "credentialsSecretRef": {"name": "users"}}}
    (refusal,) = account_refusals(account({**REAL, "spec.redis": external, field: value}), settings())
    assert (refusal.reason, refusal.field) == (RefusalReason.INVALID, field)
