"""Agents, sub-accounts and transfers: what a user does with its account.

Documentation: "Nonces and API wallets" and "Exchange endpoint".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench, limit, statuses

from perpmaker.venue.engine.account_actions import (
    ApproveAgent,
    ApproveBuilderFee,
    ClassTransfer,
    CreateSubAccount,
    RenameSubAccount,
    SendAsset,
    SetReferrer,
    SpotSend,
    SubAccountSpotTransfer,
    SubAccountTransfer,
    UsdSend,
    UserSigned,
    Withdraw,
)
from perpmaker.venue.engine.actions import Noop, PlaceOrders
from perpmaker.venue.engine.agents import ZERO_ADDRESS
from perpmaker.venue.engine.answers import Answer, Err, Ok
from perpmaker.venue.engine.limits.rules import LimitRules, SubAccountRules
from perpmaker.venue.engine.orders import Builder
from perpmaker.venue.units import E8
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire import info_requests as ask

OK = Ok({"type": "default"})
USDC = "USDC:0x6d1e7cde53ba9467b783cb7c530ce054"
TOO_LITTLE = Err("Insufficient balance for token transfer")
KEYS = ["0x" + f"{number:040x}" for number in range(1, 9)]


def open_house(**rules: Any) -> Bench:
    """A venue where anybody may open sub-accounts."""
    return bench(limits=LimitRules(sub_accounts=SubAccountRules(volume_e8=0)), **rules)


def sign(venue: Bench, who: str, kind: type[UserSigned], *fields: Any) -> Answer:
    """Run a user-signed action whose own nonce is that of the request."""
    nonce = venue.now_ms
    return venue.run(who, kind(*fields, nonce), nonce=nonce)


def sub_account(venue: Bench, name: str = "one", master: str = ALICE) -> str:
    answer = venue.run(master, CreateSubAccount(name))
    assert isinstance(answer, Ok), answer
    return str(answer.response["data"])


def cash(venue: Bench, who: str) -> int:
    return int(venue.state.accounts[who].raw_e8) // E8


def test_each_sub_account_brings_two_more_named_agents() -> None:
    venue = open_house()
    sub_account(venue)
    for number in range(5):
        assert sign(venue, ALICE, ApproveAgent, KEYS[number], f"n{number}") == OK
    text = "Too many extra agents for cumulative volume traded. Current limit is 5"
    assert sign(venue, ALICE, ApproveAgent, KEYS[5], "n5") == Err(text)


def test_a_removal_blocks_other_approvals_for_a_moment() -> None:
    venue = bench()
    sign(venue, ALICE, ApproveAgent, KEYS[0], "mm")
    assert sign(venue, ALICE, ApproveAgent, ZERO_ADDRESS, "mm") == OK
    assert sign(venue, ALICE, ApproveAgent, KEYS[1], "mm") == Err("User has pending agent removal")
    venue.step(5_000)
    assert sign(venue, ALICE, ApproveAgent, KEYS[1], "mm") == OK


def test_an_expired_key_signs_a_while_longer_and_then_does_not_exist() -> None:
    venue = bench()
    until = venue.now_ms + 1_000
    assert sign(venue, ALICE, ApproveAgent, KEYS[0], f"mm valid_until {until}") == OK
    venue.step(800_000)
    assert venue.run(KEYS[0], Noop(), nonce=venue.now_ms) == OK
    venue.step(200_000)
    assert venue.run(KEYS[0], Noop(), nonce=venue.now_ms) == Err(f"User or API Wallet {KEYS[0]} does not exist.")


def test_an_agent_may_not_sign_what_the_user_must() -> None:
    venue = bench()
    sign(venue, ALICE, ApproveAgent, KEYS[0], "")
    refused = Err(f"Must deposit before performing actions. User: {KEYS[0]}")
    assert sign(venue, KEYS[0], ApproveAgent, KEYS[1], "") == refused
    assert sign(venue, KEYS[0], UsdSend, BOB, E8) == refused


def test_old_actions_of_a_key_that_is_approved_again_are_valid_once_more() -> None:
    venue = bench()
    sign(venue, ALICE, ApproveAgent, KEYS[0], "mm")
    used = venue.now_ms
    assert venue.run(KEYS[0], Noop(), nonce=used) == OK
    sign(venue, ALICE, ApproveAgent, KEYS[1], "mm")
    assert venue.run(KEYS[0], Noop(), nonce=used + 1) == Err(f"Must deposit before performing actions. User: {ALICE}")
    sign(venue, ALICE, ApproveAgent, KEYS[0], "mm")
    assert venue.run(KEYS[0], Noop(), nonce=used) == OK


def test_two_signers_of_one_account_have_nonces_of_their_own() -> None:
    venue = bench()
    sign(venue, ALICE, ApproveAgent, KEYS[0], "a")
    sign(venue, ALICE, ApproveAgent, KEYS[1], "b")
    nonce = venue.now_ms
    assert [venue.run(key, Noop(), nonce=nonce) for key in KEYS[:2]] == [OK, OK]


def test_roles_and_lists_of_agents_agree_with_who_may_sign() -> None:
    venue = open_house()
    sub = sub_account(venue)
    sign(venue, ALICE, ApproveAgent, KEYS[0], "mm")
    sign(venue, ALICE, ApproveAgent, KEYS[1], "")
    roles = {who: answer_info(venue.venue, ask.UserRole(user=who)) for who in (ALICE, sub, KEYS[0], KEYS[1], CAROL)}
    agent = {"role": "agent", "data": {"user": ALICE}}
    assert roles == {
        ALICE: {"role": "user"},
        sub: {"role": "subAccount", "data": {"master": ALICE}},
        KEYS[0]: agent,
        KEYS[1]: agent,
        CAROL: {"role": "missing"},
    }
    listed = answer_info(venue.venue, ask.ExtraAgents(user=ALICE))
    assert [(entry["name"], entry["address"]) for entry in listed] == [("mm", KEYS[0])]


def test_a_master_and_its_agent_trade_for_a_sub_account_with_a_budget_of_its_own() -> None:
    venue = open_house()
    sub = sub_account(venue)
    assert venue.run(ALICE, SubAccountTransfer(sub, True, 1_000 * E8)) == OK
    sign(venue, ALICE, ApproveAgent, KEYS[0], "")
    spent = venue.state.accounts[ALICE].requests
    for who in (ALICE, KEYS[0]):
        venue.run(who, PlaceOrders((limit("179"),)), vault=sub)
    assert len(venue.opened(sub)) == 2 and not venue.opened(ALICE)
    assert (venue.state.accounts[sub].requests, venue.state.accounts[ALICE].requests) == (2, spent)


@pytest.mark.parametrize("action", [CreateSubAccount("x"), SetReferrer("CODE")], ids=lambda a: type(a).__name__)
def test_what_a_sub_account_may_not_do_and_who_may_not_act_for_it(action: Any) -> None:
    venue = open_house()
    sub = sub_account(venue)
    venue.run(BOB, Noop())
    refused = Err("Vault may not perform this action.")
    nonce = venue.now_ms
    assert venue.run(BOB, Noop(), vault=sub, nonce=nonce) == refused
    assert venue.run(BOB, Noop(), nonce=nonce) == OK
    assert venue.run(ALICE, action, vault=sub) == refused


def test_sub_accounts_need_volume_and_are_few() -> None:
    venue = bench(limits=LimitRules(sub_accounts=SubAccountRules(volume_e8=10 * E8, most=2)))
    text = "Cannot create sub-accounts until enough volume traded. Required: $10. Traded: $0"
    assert venue.run(ALICE, CreateSubAccount("one")) == Err(text)
    venue.state.accounts[ALICE].volume_e8 = 10 * E8
    first, second = sub_account(venue), sub_account(venue, "two")
    assert first != second
    assert venue.run(ALICE, CreateSubAccount("three")) == Err("Too many sub-accounts.")


def test_a_sub_account_can_be_renamed_by_its_master_alone() -> None:
    venue = open_house()
    sub = sub_account(venue)
    assert venue.run(BOB, RenameSubAccount(sub, "mine")) == Err(f"Invalid sub-account: {sub}")
    assert venue.run(ALICE, RenameSubAccount(sub, "other")) == OK
    (shown,) = answer_info(venue.venue, ask.SubAccounts(user=ALICE))
    assert (shown["name"], shown["subAccountUser"], shown["master"]) == ("other", sub, ALICE)


def test_money_moves_to_a_sub_account_and_back_but_not_more_than_there_is() -> None:
    venue = open_house()
    sub = sub_account(venue)
    assert venue.run(ALICE, SubAccountTransfer(sub, True, 600 * E8)) == OK
    assert (cash(venue, ALICE), cash(venue, sub)) == (99_400, 600)
    assert venue.run(ALICE, SubAccountTransfer(sub, False, 601 * E8)) == TOO_LITTLE
    assert venue.run(ALICE, SubAccountTransfer(sub, False, 600 * E8)) == OK
    assert (cash(venue, ALICE), cash(venue, sub)) == (100_000, 0)


def test_money_moves_between_spot_and_perps() -> None:
    venue = bench()
    assert sign(venue, ALICE, ClassTransfer, 400 * E8, False, None) == OK
    assert answer_info(venue.venue, ask.SpotClearinghouseState(user=ALICE))["balances"][0]["total"] == "400.0"
    assert cash(venue, ALICE) == 99_600
    assert sign(venue, ALICE, ClassTransfer, 401 * E8, True, None) == TOO_LITTLE
    assert sign(venue, ALICE, ClassTransfer, 400 * E8, True, None) == OK
    deltas = [entry["delta"] for entry in answer_info(venue.venue, ask.UserNonFundingLedgerUpdates(user=ALICE))]
    assert deltas[1:] == [
        {"type": "accountClassTransfer", "usdc": "400.0", "toPerp": False},
        {"type": "accountClassTransfer", "usdc": "400.0", "toPerp": True},
    ]


def test_money_is_sent_to_others_and_withdrawn_with_a_fee() -> None:
    venue = bench()
    assert sign(venue, ALICE, UsdSend, CAROL, 250 * E8) == OK
    assert (cash(venue, ALICE), cash(venue, CAROL)) == (99_750, 250)
    deposited = venue.state.pool.deposits_e8
    assert sign(venue, ALICE, Withdraw, ALICE, 100 * E8) == OK
    assert deposited - venue.state.pool.deposits_e8 == 99 * E8
    assert venue.state.pool.fees_e8 == E8
    assert sign(venue, ALICE, Withdraw, ALICE, 10**6 * E8) == Err("Insufficient balance for withdrawal")


def test_spot_money_moves_to_a_sub_account_and_to_others() -> None:
    venue = open_house()
    sub = sub_account(venue)
    assert sign(venue, ALICE, ClassTransfer, 100 * E8, False, None) == OK
    assert venue.run(ALICE, SubAccountSpotTransfer(sub, True, USDC, 60 * E8)) == OK
    assert venue.run(ALICE, SubAccountSpotTransfer(sub, False, USDC, 61 * E8)) == TOO_LITTLE
    assert venue.run(ALICE, SubAccountSpotTransfer(sub, False, USDC, 20 * E8)) == OK
    assert sign(venue, ALICE, SpotSend, CAROL, USDC, 25 * E8) == OK
    assert sign(venue, ALICE, SpotSend, CAROL, "NOPE:0x1", E8) == Err("Invalid token NOPE:0x1")
    held = [venue.state.accounts[who].spot_e8[0] // E8 for who in (ALICE, sub, CAROL)]
    assert held == [35, 40, 25]
    (received,) = [entry["delta"] for entry in answer_info(venue.venue, ask.UserNonFundingLedgerUpdates(user=CAROL))]
    assert received == {
        "type": "spotTransfer",
        "token": "USDC",
        "amount": "25.0",
        "usdcValue": "25.0",
        "user": ALICE,
        "destination": CAROL,
        "fee": "0.0",
    }


def test_spot_money_goes_to_no_sub_account_of_somebody_else() -> None:
    venue = open_house()
    sub = sub_account(venue)
    refusal = venue.run(BOB, SubAccountSpotTransfer(sub, False, USDC, E8))
    assert refusal == Err(f"Invalid sub-account: {sub}")


def test_what_a_master_allows_a_builder_holds_for_its_sub_accounts() -> None:
    venue = open_house()
    sub = sub_account(venue)
    assert venue.run(ALICE, SubAccountTransfer(sub, True, 10_000 * E8)) == OK
    built = replace(limit("170"), builder=Builder(BOB, 10))
    refused = statuses(venue.run(ALICE, PlaceOrders((built,)), vault=sub), single=True)
    assert refused == {"error": "Builder fee has not been approved."}
    assert sign(venue, ALICE, ApproveBuilderFee, BOB, 10) == OK
    assert "resting" in statuses(venue.run(ALICE, PlaceOrders((built,)), vault=sub), single=True)
    assert answer_info(venue.venue, ask.MaxBuilderFee(user=sub, builder=BOB)) == 10


def test_margin_in_use_cannot_be_sent_away() -> None:
    venue = bench()
    venue.place(BOB, limit("180", "1000", buy=False))
    venue.place(ALICE, limit("180", "1000"))
    free = 100_000 - 18_000 - 81
    assert sign(venue, ALICE, UsdSend, CAROL, (free + 1) * E8) == TOO_LITTLE
    assert sign(venue, ALICE, UsdSend, CAROL, (free - 1) * E8) == OK


def test_a_token_is_sent_only_where_it_can_be_held() -> None:
    venue = bench(coins=("SOL", "tst:THIN"))
    assert sign(venue, ALICE, SendAsset, ALICE, "", "spot", USDC, 50 * E8, None) == OK
    assert sign(venue, ALICE, SendAsset, BOB, "spot", "", USDC, 20 * E8, None) == OK
    assert (cash(venue, ALICE), cash(venue, BOB)) == (99_950, 20)
    wrong = sign(venue, ALICE, SendAsset, ALICE, "", "tst", USDC, E8, None)
    assert wrong == Err("Invalid dex for USDC: tst")
    assert sign(venue, ALICE, SendAsset, ALICE, "", "nope", USDC, E8, None) == Err("Invalid dex for USDC: nope")
    assert sign(venue, ALICE, SendAsset, ALICE, "", "", "GOLD", E8, None) == Err("Invalid token GOLD")


def test_the_other_dex_has_its_own_token_to_send() -> None:
    venue = bench(coins=("SOL", "tst:THIN"))
    dex = venue.state.dex_named("tst")
    venue.state.deposit(ALICE, 70 * E8, dex=dex)
    assert sign(venue, ALICE, SendAsset, ALICE, "tst", "spot", dex.token.name, 30 * E8, None) == OK
    account = venue.state.accounts[ALICE]
    assert (account.cash_e8[dex.index], account.spot_e8) == (40 * E8, {dex.token.index: 30 * E8})


def test_a_builder_may_charge_what_the_user_approved() -> None:
    venue = bench()
    assert sign(venue, ALICE, ApproveBuilderFee, BOB, 10) == OK
    assert answer_info(venue.venue, ask.MaxBuilderFee(user=ALICE, builder=BOB)) == 10
    refused = sign(venue, ALICE, ApproveBuilderFee, BOB, 1_001)
    assert refused == Err("Builder fee rate must be at most 1%.")
