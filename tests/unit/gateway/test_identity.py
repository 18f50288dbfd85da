"""Where account and key are from, and which parts contradict themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from perpmaker.api.parts import GatewayPart
from perpmaker.common.config import ConfigError, parse_part
from perpmaker.common.service import Endpoint
from perpmaker.gateway.identity import derive, open_identity
from perpmaker.hyperliquid.networks import Network

ADDRESS = "0x" + "Ab" * 20


def _part(**changes: Any) -> GatewayPart:
    fields: dict[str, Any] = {
        "endpoint": Endpoint(listen="unix:/nowhere"),
        "account": "main",
        "network": Network.SIMULATED,
        "api_url": "http://venue:8010",
        "address": None,
        "key_file": None,
        "markets": ("BTC",),
        "order_state_target": "unix:/nowhere",
    }
    return GatewayPart(**(fields | changes))


def test_the_same_seed_is_the_same_account_and_another_seed_another() -> None:
    first, again, other = (open_identity(_part(simulated_seed=seed)) for seed in ("a", "a", "b"))
    assert (first.address, first.key.address) == (again.address, again.key.address)
    assert {first.address, first.key.address}.isdisjoint({other.address, other.key.address})


def test_account_and_api_wallet_have_different_keys() -> None:
    identity = open_identity(_part(simulated_seed="a"))
    assert identity.master is not None
    assert identity.address == identity.master.address != identity.key.address


def test_derived_addresses_never_change_between_versions() -> None:
    assert derive("5f1c", "account").address == "0xf91bbcac636340dcddda5496124f590fff24ba26"
    assert derive("5f1c", "api wallet").address == "0x7955d55a4891ee5c7d9170caec74fcaab345d6bc"


def test_a_key_file_belongs_to_the_configured_address(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("11" * 32)
    key_file.chmod(0o600)
    identity = open_identity(_part(address=ADDRESS, key_file=key_file, network=Network.MAINNET))
    assert (identity.address, identity.key_file, identity.master) == (ADDRESS.lower(), key_file, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "address and key_file are both needed"),
        ({"address": ADDRESS}, "address and key_file are both needed"),
        ({"key_file": "/keys/k"}, "address and key_file are both needed"),
        ({"simulated_seed": "s", "address": ADDRESS}, "leave both of them out"),
        ({"simulated_seed": "s", "key_file": "/keys/k"}, "leave both of them out"),
        ({"simulated_seed": "s", "network": "Mainnet"}, "not Mainnet"),
        ({"simulated_seed": "s", "network": "Testnet"}, "not Testnet"),
        ({"simulated_seed": ""}, "simulated_seed is empty"),
    ],
)
def test_a_part_without_exactly_one_wallet_is_refused_with_the_remedy(changes: dict[str, Any], said: str) -> None:
    document = _part(simulated_seed="x").model_copy(update={"simulated_seed": None} | changes)
    with pytest.raises(ConfigError, match=said):
        parse_part(Path("gateway.json"), document.model_dump_json(warnings=False), GatewayPart)


@pytest.mark.parametrize(
    ("network", "url", "is_right"),
    [
        (Network.MAINNET, "https://api.hyperliquid.xyz", True),
        (Network.TESTNET, "https://api.hyperliquid-testnet.xyz/", True),
        (Network.TESTNET, "https://api.hyperliquid.xyz", False),
        (Network.MAINNET, "https://api.hyperliquid-testnet.xyz/", False),
        (Network.SIMULATED, "https://API.hyperliquid.xyz", False),
        (Network.SIMULATED, "http://127.0.0.1:8010", True),
        (Network.MAINNET, "https://proxy.example", True),
    ],
)
def test_a_gateway_is_not_pointed_at_the_exchange_of_another_network(
    network: Network, url: str, is_right: bool
) -> None:
    wallet = {"simulated_seed": None, "address": "0x" + "11" * 20, "key_file": Path("/key")}
    if is_right:
        assert _part(network=network, api_url=url, **wallet).network is network
        return
    with pytest.raises(ValidationError, match="is the exchange of"):
        _part(network=network, api_url=url, **wallet)
