"""A minute of a busy venue with a scripted trader and operations of the control plane; prints the digest of it all.

Runs with nothing but the venue's core, so that any Python can be asked: `python -m tests.support.venue_history SEED`.
"""

from __future__ import annotations

import sys
from random import Random

from perpmaker.venue.admission import SignedAction
from perpmaker.venue.core import Venue, build_venue
from perpmaker.venue.engine.actions import Action, CancelOrders, PlaceOrders
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.engine.execute import Answer
from perpmaker.venue.engine.markets import list_markets
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.engine.state import Rules
from perpmaker.venue.faults.engine_ops import CancelOrders as CancelByExchange
from perpmaker.venue.faults.engine_ops import Fund, SetMark, apply
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.units import E8

START_MS = 1_760_000_000_000
BLOCKS = 600
TRADER = "0x" + "a" * 40


def history(seed: int, blocks: int = BLOCKS) -> Venue:
    """A venue after its history."""
    markets = list_markets(("BTC", "SOL"))
    venue = build_venue(
        markets, Rules(), seed=seed, faucet_e8=10**6 * E8, participants=HouseParticipants(markets, seed)
    )
    rng = Random(seed)
    answers: list[Answer] = []
    for n in range(blocks):
        if n % 3 == 0:
            nonce = START_MS + n
            venue.submit(SignedAction(_action(venue, rng), (TRADER,), nonce), answers.append)
        if n == 100:
            apply(venue, Fund("0x" + "b" * 40, "12.5"))
            apply(venue, SetMark("SOL", "179"))
        if n == 300:
            apply(venue, SetMark("SOL", None))
            apply(venue, CancelByExchange(TRADER, "marginCanceled", probability=0.5))
        venue.step(START_MS + 70 * n)
    return venue


def _action(venue: Venue, rng: Random) -> Action:
    account = venue.state.accounts.get(TRADER)
    if account is not None and account.open_orders and rng.random() < 0.4:
        return CancelOrders(tuple((o.asset, o.oid) for o in list(account.open_orders.values())[:2]))
    market = rng.choice(venue.state.markets)
    is_buy = rng.random() < 0.5
    px_e8 = venue.state.mark_px_e8(market.asset) * (rng.randint(9_985, 10_015)) // 10_000
    sz_e8 = max(market.lot_e8, 20 * 10**16 // px_e8 // market.lot_e8 * market.lot_e8)
    tif = rng.choice((Tif.ALO, Tif.GTC, Tif.IOC))
    return PlaceOrders((NewOrder(market.asset, is_buy, market.round_px(px_e8, up=is_buy), sz_e8, tif),))


if __name__ == "__main__":
    sys.stdout.write(state_hash(history(int(sys.argv[1]))) + "\n")
