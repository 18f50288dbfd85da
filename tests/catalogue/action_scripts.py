"""What a row about the refusal of a whole action is made of, and the situations in which actions are refused.

A script prepares a venue and returns the action to be refused with its envelope: `who`, `action`, and what else of
`vault`, `expires_after_ms` and `nonce` matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.catalogue.sections import Section
from tests.support.venue_core import ALICE, BOB, START_MS, Bench, limit

from perpmaker.venue.engine import account_actions as acts
from perpmaker.venue.engine.account_actions import ApproveAgent, CreateSubAccount
from perpmaker.venue.engine.actions import (
    Action,
    Noop,
    PlaceOrders,
    UpdateLeverage,
)
from perpmaker.venue.engine.limits.rules import LimitRules, SubAccountRules
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.units import E8, canonical_e8

NOWHERE = "0x" + "9" * 40
KEYS = ["0x" + f"{number:040x}" for number in range(1, 9)]
USDC = "USDC:0x6d1e7cde53ba9467b783cb7c530ce054"
DAY_MS = 86_400_000
MARGIN_MS = 120_000
Script = Callable[[Bench], dict[str, Any]]


@dataclass(frozen=True)
class RefusedAction:
    section: Section
    case: str
    text: str
    script: Script
    rules: dict[str, Any] = field(default_factory=dict)
    burns: bool = True
    """Whether the nonce cannot be used afterwards. Refusals of who signs, and for whom, come before it is looked at."""


def sends(
    action: Action, who: str = ALICE, *, before: Callable[[Bench], object] = lambda _: None, **signed: Any
) -> Script:
    def script(venue: Bench) -> dict[str, Any]:
        before(venue)
        return {"who": who, "action": action, **signed}

    return script


def signs(
    kind: type[acts.UserSigned], *fields: Any, who: str = ALICE, before: Callable[[Bench], object] = lambda _: None
) -> Script:
    """A user-signed action whose own nonce is that of the request."""

    def script(venue: Bench) -> dict[str, Any]:
        before(venue)
        return {"who": who, "action": kind(*fields, venue.now_ms)}

    return script


def known(venue: Bench) -> None:
    venue.run(ALICE, Noop())


def approve(venue: Bench, agent: str, name: str, master: str = ALICE) -> None:
    nonce = venue.now_ms
    venue.run(master, ApproveAgent(agent, name, nonce), nonce=nonce)


def approving(*pairs: tuple[str, str]) -> Callable[[Bench], None]:
    """Alice approves keys under names, one after the other."""

    def before(venue: Bench) -> None:
        for agent, name in pairs:
            approve(venue, agent, name)

    return before


def with_sub_account(venue: Bench) -> None:
    venue.run(ALICE, CreateSubAccount("one"))


def for_the_sub_account(who: str, action: Action) -> Script:
    def script(venue: Bench) -> dict[str, Any]:
        with_sub_account(venue)
        venue.run(BOB, Noop())
        return {"who": who, "action": action, "vault": venue.state.accounts[ALICE].sub_accounts[0]}

    return script


def nonce_at(offset_ms: int) -> Script:
    return lambda venue: {"who": ALICE, "action": Noop(), "nonce": START_MS + offset_ms}


def used_nonce(venue: Bench) -> dict[str, Any]:
    venue.run(ALICE, Noop(), nonce=START_MS)
    return {"who": ALICE, "action": Noop(), "nonce": START_MS}


def holding(venue: Bench) -> None:
    venue.place(BOB, limit("180", buy=False))
    venue.place(ALICE, limit("180", tif=Tif.IOC))


def isolated(venue: Bench) -> None:
    venue.run(ALICE, UpdateLeverage(0, False, 20))
    holding(venue)


def almost_all_in(venue: Bench) -> None:
    venue.run(ALICE, UpdateLeverage(0, True, 20))
    venue.place(ALICE, limit("180", "10000"))


def spent_budget(venue: Bench) -> dict[str, Any]:
    known(venue)
    account = venue.state.accounts[ALICE]
    account.volume_e8, account.requests = 8_745_746_000_000, 97_457
    venue.run(ALICE, Noop())
    return {"who": ALICE, "action": PlaceOrders((limit("100"), limit("101")))}


def unified(venue: Bench) -> None:
    nonce = venue.now_ms
    venue.run(ALICE, acts.UserSetAbstraction(ALICE, "unifiedAccount", nonce), nonce=nonce)


def congested(venue: Bench) -> None:
    known(venue)
    venue.state.gates.congested = True
    venue.run(ALICE, Noop())


def fired_ten_times(venue: Bench) -> None:
    known(venue)
    account = venue.state.accounts[ALICE]
    account.cancel_fired_day, account.cancel_fired_today = venue.now_ms // DAY_MS, 10


def with_ten(venue: Bench) -> None:
    for name in "abcdefghij":
        venue.run(ALICE, CreateSubAccount(name))


def holding_thin(venue: Bench) -> dict[str, Any]:
    """Alice holds a market whose margin stays."""
    market = venue.state.market_of("tst:THIN")
    for who in (ALICE, BOB):
        venue.state.deposit(who, 10_000 * E8, dex=market.dex)
    px = canonical_e8(market.round_px(venue.state.mark_px_e8(market.asset), up=True))
    venue.place(BOB, limit(px, "10", buy=False, asset=market.asset))
    assert "filled" in venue.place(ALICE, limit(px, "10", tif=Tif.IOC, asset=market.asset))
    return {"who": ALICE, "action": acts.UpdateIsolatedMargin(market.asset, -E8)}


THIN = {"coins": ("SOL", "BTC", "tst:THIN")}
OPEN = {"limits": LimitRules(sub_accounts=SubAccountRules(volume_e8=0))}
MANY = PlaceOrders(tuple(limit("100", "0.1") for _ in range(201)))
