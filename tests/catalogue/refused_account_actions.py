"""Every refusal of an action as a whole once it runs: markets, margin, money, keys and sub-accounts."""

from __future__ import annotations

from tests.catalogue.action_scripts import (
    DAY_MS,
    KEYS,
    NOWHERE,
    OPEN,
    THIN,
    USDC,
    RefusedAction,
    almost_all_in,
    approving,
    fired_ten_times,
    holding,
    holding_thin,
    isolated,
    sends,
    signs,
    unified,
    with_sub_account,
    with_ten,
)
from tests.catalogue.sections import documented, measured, own
from tests.support.venue_core import ALICE, BOB, CAROL, START_MS, limit

from perpmaker.venue.engine import account_actions as acts
from perpmaker.venue.engine.account_actions import ApproveAgent, CreateSubAccount
from perpmaker.venue.engine.actions import PlaceOrders, ScheduleCancel, UpdateLeverage
from perpmaker.venue.engine.agents import ZERO_ADDRESS
from perpmaker.venue.units import E8

_WHO = documented("Signing", "an incorrect signature recovers another address")
_KEYS = measured("testnet, keys approved, replaced and removed")
_LEVERAGE = measured("testnet, changes of leverage")
_BALANCE = measured("one client's list of errors")

REFUSED_WHEN_RUN = (
    RefusedAction(
        own("an unknown perpetual"),
        "an unknown market",
        "Invalid perp asset 7",
        sends(PlaceOrders((limit("179"), limit("179", asset=7)))),
    ),
    RefusedAction(
        measured("testnet, an unknown spot asset"),
        "a spot pair",
        "Invalid spot",
        sends(PlaceOrders((limit("179", asset=10_000),))),
    ),
    RefusedAction(
        measured("testnet, accounts below the volume"),
        "a dead man's switch too early",
        "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $0",
        sends(ScheduleCancel(None)),
        {"schedule_cancel_volume_e8": 1_000_000 * E8},
    ),
    RefusedAction(
        own("words of the five seconds, which are of Exchange endpoint"),
        "a dead man's switch too soon",
        "Scheduled cancel time must be at least 5 seconds from now.",
        sends(ScheduleCancel(START_MS + 5_000)),
    ),
    RefusedAction(
        own("words of the ten times a day, which are of Exchange endpoint"),
        "a dead man's switch too often",
        "Cannot set scheduled cancel time: triggered 10 times today.",
        sends(ScheduleCancel(START_MS + DAY_MS), before=fired_ten_times),
    ),
    RefusedAction(
        own("leverage above the market's"),
        "too much leverage",
        "Invalid leverage value.",
        sends(UpdateLeverage(0, True, 21)),
    ),
    RefusedAction(own("no leverage"), "no leverage", "Invalid leverage value.", sends(UpdateLeverage(0, True, 0))),
    RefusedAction(
        _LEVERAGE,
        "another mode with a position",
        "Cannot switch leverage type with open position.",
        sends(UpdateLeverage(0, False, 20), before=holding),
    ),
    RefusedAction(
        own("less leverage than margin allows"),
        "lower leverage",
        "Insufficient margin to change leverage.",
        sends(UpdateLeverage(0, True, 1), before=almost_all_in),
    ),
    RefusedAction(
        own("a market of isolated margin only"),
        "cross margin where it is not",
        "Cross margin is not allowed for this asset.",
        lambda venue: {"who": ALICE, "action": UpdateLeverage(venue.state.market_of("tst:THIN").asset, True, 3)},
        THIN,
    ),
    RefusedAction(
        own("margin without a position"),
        "margin of nothing",
        "No isolated position to change the margin of.",
        sends(acts.UpdateIsolatedMargin(0, E8)),
    ),
    RefusedAction(
        own("a market whose margin stays"),
        "margin that stays",
        "Margin cannot be removed from this asset.",
        holding_thin,
        THIN,
    ),
    RefusedAction(
        own("margin a position needs"),
        "margin a position needs",
        "Insufficient margin to transfer.",
        sends(acts.UpdateIsolatedMargin(0, -5 * E8), before=isolated),
    ),
    RefusedAction(
        _BALANCE, "a withdrawal", "Insufficient balance for withdrawal", signs(acts.Withdraw, ALICE, 10**6 * E8)
    ),
    RefusedAction(
        _BALANCE, "a transfer", "Insufficient balance for token transfer", signs(acts.UsdSend, BOB, 10**6 * E8)
    ),
    RefusedAction(
        _BALANCE,
        "requests nobody can pay",
        "Insufficient balance for token transfer",
        sends(acts.ReserveRequestWeight(10**12, None)),
    ),
    RefusedAction(
        measured("testnet, accounts in unified mode"),
        "a transfer in unified mode",
        "Action disabled when unified account is active",
        signs(acts.ClassTransfer, E8, False, None, before=unified),
    ),
    RefusedAction(
        own("a transfer in place"),
        "a transfer to itself",
        "Cannot send to the same balance.",
        signs(acts.UsdSend, ALICE, E8),
    ),
    RefusedAction(
        own("an unknown token"),
        "an unknown token",
        "Invalid token NOPE:0x1",
        signs(acts.SpotSend, CAROL, "NOPE:0x1", E8),
    ),
    RefusedAction(
        own("an unknown dex"),
        "an unknown dex",
        "Invalid dex for USDC: nope",
        signs(acts.SendAsset, ALICE, "", "nope", USDC, E8, None),
    ),
    RefusedAction(
        _WHO,
        "requests for a stranger",
        f"Must deposit before performing actions. User: {CAROL}",
        sends(acts.ReserveRequestWeight(1, CAROL)),
    ),
    RefusedAction(
        _KEYS,
        "a key that somebody has",
        "Extra agent already used.",
        signs(ApproveAgent, KEYS[0], "b", before=approving((KEYS[0], "a"))),
    ),
    RefusedAction(
        _KEYS,
        "an approval that is over",
        "Agent valid_until already expired.",
        signs(ApproveAgent, KEYS[0], "mm valid_until 1"),
    ),
    RefusedAction(
        _KEYS,
        "an approval after a removal",
        "User has pending agent removal",
        signs(ApproveAgent, KEYS[1], "mm", before=approving((KEYS[0], "mm"), (ZERO_ADDRESS, "mm"))),
    ),
    RefusedAction(
        _KEYS,
        "a fourth name",
        "Too many extra agents for cumulative volume traded. Current limit is 3",
        signs(ApproveAgent, KEYS[3], "d", before=approving(*zip(KEYS[:3], "abc", strict=True))),
    ),
    RefusedAction(
        own("words of the 16 letters, which are of Nonces and API wallets"),
        "a long name",
        "Agent name too long.",
        signs(ApproveAgent, KEYS[0], "seventeen letters"),
    ),
    RefusedAction(
        own("an expiry that is no time"),
        "an expiry that is no time",
        "Agent valid_until invalid.",
        signs(ApproveAgent, KEYS[0], "mm valid_until soon"),
    ),
    RefusedAction(
        own("an approval without end"),
        "an approval without end",
        "Agent valid_until invalid.",
        signs(ApproveAgent, KEYS[0], "mm valid_until 99999999999999"),
    ),
    RefusedAction(
        measured("testnet, sub-accounts"),
        "an eleventh sub-account",
        "Too many sub-accounts.",
        sends(CreateSubAccount("k"), before=with_ten),
        OPEN,
    ),
    RefusedAction(
        own("words of the volume, which is measured"),
        "a sub-account without volume",
        "Cannot create sub-accounts until enough volume traded. Required: $100000. Traded: $0",
        sends(CreateSubAccount("one")),
    ),
    RefusedAction(
        own("a name without letters"),
        "a nameless sub-account",
        "Sub-account name must have 1 to 16 characters.",
        sends(CreateSubAccount("")),
        OPEN,
    ),
    RefusedAction(
        own("a name twice"),
        "a name twice",
        "Sub-account name already used: one",
        sends(CreateSubAccount("one"), before=with_sub_account),
        OPEN,
    ),
    RefusedAction(
        own("a stranger's sub-account"),
        "a stranger's sub-account",
        f"Invalid sub-account: {NOWHERE}",
        sends(acts.RenameSubAccount(NOWHERE, "x")),
        OPEN,
    ),
    RefusedAction(
        own("words of the largest builder fee, which is of Exchange endpoint"),
        "a greedy builder",
        "Builder fee rate must be at most 1%.",
        signs(acts.ApproveBuilderFee, BOB, 1_001),
    ),
    RefusedAction(
        own("a mode for somebody else"),
        "a mode for somebody else",
        f"Invalid user: {BOB}",
        signs(acts.UserSetAbstraction, BOB, "disabled"),
    ),
    RefusedAction(
        own("a second referrer"),
        "a second referrer",
        "Referrer already set.",
        sends(acts.SetReferrer("OTHER"), before=lambda venue: venue.run(ALICE, acts.SetReferrer("FRIEND"))),
    ),
    RefusedAction(own("no referrer"), "no referrer", "Invalid referral code.", sends(acts.SetReferrer(""))),
)
