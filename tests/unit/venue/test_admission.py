"""Who may act: nonces, expiry, agents, vaults, batch size, and what uses up a nonce."""

from __future__ import annotations

from tests.support.venue_core import ALICE, BOB, CAROL, START_MS, Bench, bench, limit

from perpmaker.venue.admission import SignedAction
from perpmaker.venue.engine.account_actions import ApproveAgent
from perpmaker.venue.engine.actions import Noop, PlaceOrders
from perpmaker.venue.engine.agents import ZERO_ADDRESS
from perpmaker.venue.engine.execute import Answer, Err, Ok
from perpmaker.venue.engine.nonces import NonceSet
from perpmaker.venue.engine.orders import Tif

DAY_MS = 86_400_000
OK = Ok({"type": "default"})


def test_a_nonce_is_used_once() -> None:
    nonces = NonceSet()
    assert nonces.admit(START_MS, START_MS) is None
    assert nonces.admit(START_MS, START_MS) == f"Invalid nonce: duplicate nonce {START_MS}"


def test_nonces_arrive_in_any_order_within_the_newest_hundred() -> None:
    nonces = NonceSet()
    for nonce in range(START_MS, START_MS + 99):
        assert nonces.admit(nonce, START_MS) is None
    assert nonces.admit(START_MS - 5, START_MS) is None
    assert nonces.admit(START_MS - 6, START_MS) == (f"Invalid nonce: nonce too low {START_MS - 6} < {START_MS - 5}")


def test_a_noop_on_the_same_nonce_kills_the_order_behind_it() -> None:
    venue = bench()
    order = PlaceOrders((limit("179", tif=Tif.GTC),))
    late = venue.send(ALICE, order, nonce=START_MS)
    noop = venue.send(ALICE, Noop(), nonce=START_MS)
    venue.step()
    assert noop == [OK]
    assert late == [Err(f"Invalid nonce: duplicate nonce {START_MS}")]


def test_an_expired_action_is_refused_and_its_nonce_is_gone() -> None:
    venue = bench()
    expired = venue.run(ALICE, Noop(), nonce=START_MS, expires_after_ms=venue.now_ms - 1)
    assert expired == Err("Action already expired")
    assert venue.run(ALICE, Noop(), nonce=START_MS) == Err(f"Invalid nonce: duplicate nonce {START_MS}")


def test_an_action_within_its_expiry_runs() -> None:
    venue = bench()
    assert venue.run(ALICE, Noop(), expires_after_ms=venue.now_ms + 10_000) == OK


def test_a_business_refusal_uses_up_the_nonce() -> None:
    venue = bench()
    venue.run(ALICE, PlaceOrders((limit("180.001"),)), nonce=START_MS)
    assert venue.run(ALICE, Noop(), nonce=START_MS) == Err(f"Invalid nonce: duplicate nonce {START_MS}")


def approve(venue: Bench, master: str, agent: str, name: str = "") -> Answer:
    nonce = venue.now_ms
    return venue.run(master, ApproveAgent(agent, name, nonce), nonce=nonce)


def test_an_agent_acts_for_its_master_with_nonces_of_its_own() -> None:
    venue = bench()
    assert approve(venue, ALICE, BOB, "mm1") == OK
    venue.run(ALICE, Noop(), nonce=START_MS + 5)
    assert venue.run(BOB, PlaceOrders((limit("179"),)), nonce=START_MS + 5) != Err("")
    assert len(venue.opened(ALICE)) == 1
    assert BOB not in venue.state.accounts


def test_replacing_and_removing_an_agent_leave_different_words() -> None:
    venue = bench()
    approve(venue, ALICE, BOB, "mm1")
    approve(venue, ALICE, CAROL, "mm1")
    assert venue.run(BOB, Noop()) == Err(f"Must deposit before performing actions. User: {ALICE}")
    approve(venue, ALICE, ZERO_ADDRESS, "mm1")
    assert venue.run(CAROL, Noop()) == Err(f"User or API Wallet {CAROL} does not exist.")


def test_an_agent_cannot_be_approved_twice_nor_a_fourth_name_added() -> None:
    venue = bench()
    agents = ["0x" + digit * 40 for digit in "1234"]
    for index, agent in enumerate(agents[:3]):
        assert approve(venue, ALICE, agent, f"n{index}") == OK
    assert approve(venue, BOB, agents[0]) == Err("Extra agent already used.")
    text = "Too many extra agents for cumulative volume traded. Current limit is 3"
    assert approve(venue, ALICE, agents[3], "n3") == Err(text)
    assert approve(venue, ALICE, agents[3]) == OK


def test_an_address_somebody_asked_about_is_taken_for_the_signer() -> None:
    venue = bench()
    venue.venue.admission.announced.add(BOB)
    answers: list[Answer] = []
    venue.venue.submit(SignedAction(Noop(), (ALICE, BOB), START_MS), answers.append)
    venue.step()
    assert answers == [OK]
    assert set(venue.state.accounts) == {BOB}
