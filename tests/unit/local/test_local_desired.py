"""The one function that turns the trader's objects into what each service is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.api import ADDRESS, account_document, changed, maker_document

from perpmaker.api.desired import AccountParts, Addressing, ServiceAddress, Wallet, desired_parts
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount

ADDRESSING = Addressing(
    gateway=ServiceAddress("unix:/run/gateway.sock", "unix:/run/gateway.sock"),
    order_state=ServiceAddress("0.0.0.0:7001", "orders.trading.svc:7001", "0.0.0.0", 9090),
    risk=ServiceAddress("unix:/run/risk.sock", "unix:/run/risk.sock"),
    quoters={"eth": ServiceAddress("unix:/run/eth.sock", "unix:/run/eth.sock")},
    order_state_redis_url="unix://order-state@/run/store.sock",
    risk_redis_url="unix://risk@/run/store.sock",
    api_url="http://127.0.0.1:5000",
    wallet=Wallet(ADDRESS, Path("/keys/agent.key"), expected_signer="0x" + "cd" * 20),
)


def parts(
    account: dict[str, Any] | None = None, maker: dict[str, Any] | None = None, log_level: str | None = None
) -> AccountParts:
    return desired_parts(
        TradingAccount.model_validate(changed(account_document(), account or {})),
        [MarketMaker.model_validate(changed(maker_document(), maker or {}))],
        ADDRESSING,
        log_level=log_level,
    )


def test_the_gateway_gets_wallet_exchange_and_where_nonces_are_kept() -> None:
    assert parts().gateway.model_dump(mode="json", exclude_defaults=True) == {
        "endpoint": {"listen": "unix:/run/gateway.sock"},
        "account": "main",
        "network": "Simulated",
        "api_url": "http://127.0.0.1:5000",
        "address": ADDRESS,
        "key_file": "/keys/agent.key",
        "expected_signer": "0x" + "cd" * 20,
        "markets": ["ETH"],
        "order_state_target": "orders.trading.svc:7001",
    }


def test_order_state_gets_its_own_user_of_the_store() -> None:
    assert parts().order_state.model_dump(mode="json", exclude_defaults=True) == {
        "endpoint": {"listen": "0.0.0.0:7001", "metrics_host": "0.0.0.0", "metrics_port": 9090},
        "account": "main",
        "markets": ["ETH"],
        "redis_url": "unix://order-state@/run/store.sock",
        "gateway_target": "unix:/run/gateway.sock",
        "risk_target": "unix:/run/risk.sock",
    }


def test_risk_gets_exact_limits_of_the_account_and_of_each_market() -> None:
    made = parts(
        {"spec.risk.maxNetNotional": "20000.5", "spec.risk.maxMarginUsageRatio": "0.25"},
        {"spec.mode": "ReduceOnly", "spec.risk.onBreach": "ReduceOnly", "spec.risk.maxDrawdown": "0.00000001"},
    ).risk
    assert made.model_dump(mode="json", exclude_defaults=True) == {
        "endpoint": {"listen": "unix:/run/risk.sock"},
        "account": "main",
        "redis_url": "unix://risk@/run/store.sock",
        "gateway_target": "unix:/run/gateway.sock",
        "order_state_target": "orders.trading.svc:7001",
        "limits": {
            "max_gross_notional_e8": 50_000_00000000,
            "max_net_notional_e8": 20_000_50000000,
            "max_daily_loss_e8": 500_00000000,
            "max_margin_usage_ppm": 250_000,
        },
        "markets": [
            {
                "market": "ETH",
                "max_notional_e8": 5_000_00000000,
                "max_daily_loss_e8": 200_00000000,
                "max_drawdown_e8": 1,
                "on_breach": "ReduceOnly",
                "reduce_only": True,
            }
        ],
    }


def test_the_quoter_gets_the_ladder_and_where_everybody_is() -> None:
    made = parts(maker={"spec.quoting.levels": 3, "spec.quoting.minHalfSpreadBps": "2.5", "metadata.generation": 7})
    assert made.quoters["eth"].model_dump(mode="json", exclude_defaults=True) == {
        "endpoint": {"listen": "unix:/run/eth.sock"},
        "account": "main",
        "name": "eth",
        "market": "ETH",
        "generation": 7,
        "gateway_target": "unix:/run/gateway.sock",
        "order_state_target": "orders.trading.svc:7001",
        "risk_target": "unix:/run/risk.sock",
        "quoting": {"min_half_spread_bps": 2.5, "levels": 3, "order_notional_e8": 250_00000000},
        "inventory": {"max_notional_e8": 5_000_00000000},
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"spec.quoting.model": "GLFT", "spec.quoting.glft": {"riskAversion": "0.3"}},
            {"risk_aversion": 0.3, "calibration_window_s": 600.0},
        ),
        (
            {"spec.quoting.model": "AvellanedaStoikov", "spec.quoting.avellanedaStoikov": {"horizonSeconds": 60}},
            {"risk_aversion": 0.1, "horizon_s": 60.0},
        ),
        (
            {"spec.quoting.model": "Fixed", "spec.quoting.fixed": {"halfSpreadBps": "4"}},
            {"fixed_half_spread_bps": 4.0},
        ),
    ],
)
def test_each_model_brings_its_own_parameters(changes: dict[str, Any], expected: dict[str, float]) -> None:
    quoting = parts(maker=changes).quoters["eth"].quoting.model_dump()
    assert {key: quoting[key] for key in expected} == expected
    assert quoting["model"] == changes["spec.quoting.model"]


def test_a_vault_signs_for_its_own_address() -> None:
    assert parts({"spec.accountType": "Vault"}).gateway.vault_address == ADDRESS
    assert parts().gateway.vault_address is None


def test_leverage_is_set_only_where_the_object_names_it() -> None:
    (leverage,) = parts(maker={"spec.leverage": {"value": 5, "marginMode": "Isolated"}}).gateway.leverage
    assert (leverage.market, leverage.value, leverage.cross) == ("ETH", 5, False)
    assert parts().gateway.leverage == ()


def test_an_asked_for_log_level_goes_before_that_of_the_objects() -> None:
    debug = {"spec.logLevel": "Debug"}
    assert parts(maker=debug).quoters["eth"].endpoint.log_level == "debug"
    assert parts(maker=debug, log_level="Warning").quoters["eth"].endpoint.log_level == "warning"
