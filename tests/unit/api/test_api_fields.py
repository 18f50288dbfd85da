"""Single fields: what is accepted, what is refused, and what the trader is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.api import (
    FULL_ACCOUNT,
    FULL_MAKER,
    REMOVED,
    account_document,
    as_document,
    changed,
    maker_document,
)

from perpmaker.api.check import check
from perpmaker.api.v1alpha1 import Amount, MarketMaker, TradingAccount
from perpmaker.api.violations import Violation
from perpmaker.common.decimals import format_e8, parse_e8


def _only(folder: Path, document: dict[str, Any]) -> Violation:
    _, violations = check(as_document(folder, document))
    assert len(violations) == 1, violations
    return violations[0]


@pytest.mark.parametrize(
    ("path", "value", "remedy"),
    [
        ("spec.quoting.orderNotional", 250, 'put it in quotes: "250"'),
        ("spec.quoting.orderNotional", 2.5, 'put it in quotes: "2.5"'),
        ("spec.quoting.orderNotional", "-250", 'write it like "250" or "2.5"'),
        ("spec.quoting.orderNotional", "1e3", 'write it like "250" or "2.5"'),
        ("spec.quoting.orderNotional", "nan", 'write it like "250" or "2.5"'),
        ("spec.quoting.orderNotional", "0250", 'write it like "250" or "2.5"'),
        ("spec.quoting.orderNotional", "250.123456789", 'write it like "250" or "2.5"'),
        ("spec.quoting.orderNotional", "99999999999", 'write it like "250" or "2.5"'),
        ("spec.quoting.orderNotional", True, 'write it like "250" or "2.5"'),
        ("spec.quoting.levels", 0, "choose a value from 1 to 10"),
        ("spec.quoting.levels", 11, "choose a value from 1 to 10"),
        ("spec.quoting.levels", "3", "write digits without quotes, from 1 to 10"),
        ("spec.quoting.levels", 2.5, "write digits without quotes, from 1 to 10"),
        ("spec.quoting.levels", True, "write digits without quotes, from 1 to 10"),
        ("spec.killSwitch.engaged", "yes", "write true or false without quotes"),
        ("spec.mode", "active", "did you mean Active?"),
        ("spec.mode", "Go", "choose one of them"),
        ("spec.market.symbol", "", "Name of the market at the exchange, e.g. BTC, dex:COIN, PURR/USDC."),
        ("spec.market.symbol", "B T C", "Name of the market at the exchange, e.g. BTC, dex:COIN, PURR/USDC."),
        ("spec.market.symbol", "B" * 33, "shorten it"),
        ("spec.market", "BTC", "indent its fields below it: The market to quote. Immutable."),
        ("spec.quoting.orderNotionl", "250", "did you mean orderNotional?"),
        ("spec.quoting.max_half_spread_bps", "20", "did you mean maxHalfSpreadBps?"),
        ("spec.risk", REMOVED, "add it: Limits of this market."),
        ("spec.quoting.model", None, "give it a value, or remove the line"),
        ("metadata.name", "Not_A_Name", "choose a name such as eth or btc-testnet"),
        ("metadata.name", "eth.main", "choose a name such as eth or btc-testnet"),
        ("metadata.name", "1inch", "choose a name such as eth or btc-testnet"),
        ("metadata.name", "eth\n", "choose a name such as eth or btc-testnet"),
    ],
)
def test_a_refused_field_is_told_with_its_path_and_a_remedy(path: str, value: Any, remedy: str, tmp_path: Path) -> None:
    found = _only(tmp_path, changed(maker_document(), {path: value}))
    assert (found.path, found.remedy) == (path, remedy)


def test_an_unknown_field_without_a_likely_name_lists_the_known_ones(tmp_path: Path) -> None:
    found = _only(tmp_path, changed(maker_document(), {"spec.inventory.zzz": 1}))
    assert found.remedy == "remove it; known here: targetNotional, maxNotional"


def test_a_wrong_address_is_refused(tmp_path: Path) -> None:
    assert _only(tmp_path, changed(FULL_ACCOUNT, {"spec.address": "0x123"})).path == "spec.address"


def test_a_private_key_in_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    key = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
    found = _only(tmp_path, changed(FULL_ACCOUNT, {"spec.apiWallet.privateKey": key}))
    assert key not in repr(found)


def test_a_password_in_a_url_is_not_repeated(tmp_path: Path) -> None:
    document = changed(FULL_ACCOUNT, {"spec.redis.external.url": "redis://me:hunter2@store:6379"})
    assert "hunter2" not in repr(_only(tmp_path, document))


def test_a_violation_knows_its_line(tmp_path: Path) -> None:
    document = as_document(tmp_path, changed(maker_document(), {"spec.quoting.levels": 99}))
    _, violations = check(document)
    line = violations[0].line
    assert line is not None
    assert (tmp_path / "one.yaml").read_text().splitlines()[line - 1].strip() == "levels: 99"


def test_a_simulated_account_needs_neither_address_nor_wallet() -> None:
    assert TradingAccount.model_validate(account_document()).spec.address is None


def test_what_an_api_server_adds_to_metadata_is_accepted(tmp_path: Path) -> None:
    document = changed(
        maker_document(),
        {
            "metadata.creationTimestamp": None,
            "metadata.uid": "1",
            "metadata.generation": 3,
            "metadata.managedFields": [{"manager": "kubectl"}],
        },
    )
    parsed, violations = check(as_document(tmp_path, document))
    assert not violations
    assert parsed is not None
    assert parsed.metadata.generation == 3


@pytest.mark.parametrize("document", [FULL_MAKER, maker_document()], ids=["full", "least"])
def test_a_maker_survives_the_way_to_json_and_back(document: dict[str, Any]) -> None:
    maker = MarketMaker.model_validate(document)
    assert MarketMaker.model_validate(maker.model_dump(mode="json", by_alias=True, exclude_none=True)) == maker
    assert MarketMaker.model_validate_json(maker.model_dump_json(by_alias=True, exclude_none=True)) == maker


@pytest.mark.parametrize("document", [FULL_ACCOUNT, account_document()], ids=["full", "least"])
def test_an_account_survives_the_way_to_json_and_back(document: dict[str, Any]) -> None:
    account = TradingAccount.model_validate(document)
    assert TradingAccount.model_validate(account.model_dump(mode="json", by_alias=True, exclude_none=True)) == account


def test_what_was_written_comes_back_unchanged() -> None:
    dumped = MarketMaker.model_validate(FULL_MAKER).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert dumped == FULL_MAKER


@given(st.integers(min_value=1, max_value=10**18 - 1))
def test_every_amount_that_fits_is_exact(value_e8: int) -> None:
    document = changed(maker_document(), {"spec.risk.maxDailyLoss": format_e8(value_e8)})
    assert MarketMaker.model_validate(document).spec.risk.max_daily_loss.e8 == value_e8


@given(st.from_regex(Amount.PATTERN, fullmatch=True))
def test_every_amount_of_the_pattern_fits_a_signed_64_bit_integer(text: str) -> None:
    assert len(text) <= Amount.MAX_LENGTH
    assert 0 <= parse_e8(text) < 2**63
