"""Who may sign, which markets exist, what leverage a refusal allows: the pure parts of the checks before start."""

from __future__ import annotations

import pytest

from perpmaker.gateway.decode.reference_wire import AssetWire, UserRoleWire
from perpmaker.gateway.instruments import UnknownMarketError, dexes_of, resolve
from perpmaker.gateway.preflight import leverage_cap, refusal_of_signer

ACCOUNT, MASTER, AGENT, OTHER = "0xaa", "0xbb", "0xcc", "0xdd"

UNIVERSE = [
    AssetWire(name="BTC", sz_decimals=5, max_leverage=40),
    AssetWire(name="OLD", sz_decimals=1, max_leverage=3, is_delisted=True),
    AssetWire(name="kPEPE", sz_decimals=0, max_leverage=10),
]


@pytest.mark.parametrize(
    ("role", "signer", "owners", "refused"),
    [
        (UserRoleWire("agent", {"user": ACCOUNT.upper()}), AGENT, (ACCOUNT,), False),
        (UserRoleWire("agent", {"user": OTHER}), AGENT, (ACCOUNT,), True),
        (UserRoleWire("agent", {"user": MASTER}), AGENT, (ACCOUNT, MASTER), False),
        (UserRoleWire("agent"), AGENT, (ACCOUNT,), True),
        (UserRoleWire("user"), ACCOUNT, (ACCOUNT,), False),
        (UserRoleWire("user"), OTHER, (ACCOUNT,), True),
        (UserRoleWire("missing"), AGENT, (ACCOUNT,), True),
    ],
)
def test_only_the_account_or_its_agents_may_sign(
    role: UserRoleWire, signer: str, owners: tuple[str, ...], refused: bool
) -> None:
    problem = refusal_of_signer(role, signer, owners)
    assert (problem is not None) == refused
    if problem is not None:
        assert signer in problem
        assert ACCOUNT in problem


@pytest.mark.parametrize(
    ("text", "wanted", "cap"),
    [
        ("Requested leverage exceeds maximum, max leverage is 25x", 40, 25),
        ("LEVERAGE cap is what it is: 10X", 40, 10),
        ("Only 5x leverage is allowed", 40, 5),
        ("Invalid leverage value.", 40, None),
        ("leverage must be at most 50x", 40, None),
        ("leverage 0x is wrong", 40, None),
        ("Too many requests", 40, None),
    ],
)
def test_cap_is_read_from_the_refusal_only_when_it_lowers(text: str, wanted: int, cap: int | None) -> None:
    assert leverage_cap(text, wanted) == cap


def test_markets_get_their_numbers_and_rules() -> None:
    universes = {"": UNIVERSE, "xyz": [AssetWire("xyz:A", 2, 5), AssetWire("xyz:B", 3, 5)]}
    rules = resolve(("BTC", "xyz:B"), universes, {"": 0, "xyz": 2})
    assert (rules["BTC"].asset_id, rules["BTC"].sz_decimals) == (0, 5)
    assert rules["xyz:B"].asset_id == 120_001


@pytest.mark.parametrize(("market", "near"), [("btc", "BTC"), ("KPEPE", "kPEPE"), ("BTCC", "BTC")])
def test_unknown_market_names_those_like_it(market: str, near: str) -> None:
    with pytest.raises(UnknownMarketError, match=market) as caught:
        resolve((market,), {"": UNIVERSE}, {"": 0})
    assert near in caught.value.near


def test_delisted_market_is_refused() -> None:
    with pytest.raises(UnknownMarketError, match="delisted"):
        resolve(("OLD",), {"": UNIVERSE}, {"": 0})


def test_main_dex_is_always_watched() -> None:
    assert dexes_of(("xyz:A", "xyz:B")) == ("", "xyz")
    assert dexes_of(("BTC",)) == ("",)
