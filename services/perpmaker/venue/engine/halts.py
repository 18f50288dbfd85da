"""Markets that stop: a delisting for good, a deployer's halt until it is resumed.

Either cancels every order of the market, ends every position at mark, and refuses new orders.
Source: Hyperliquid documentation, "Delisting" and "HIP-3: deployer actions"; the refusal's words are this venue's own.
"""

from __future__ import annotations

from perpmaker.venue.engine.closing import settle_at_mark
from perpmaker.venue.engine.families import settle_families
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.engine.orders import Status
from perpmaker.venue.engine.resting import cancel_all
from perpmaker.venue.engine.state import State


def halt(state: State, market: Market) -> None:
    """Stop a market; `resume` opens it again."""
    if market.asset in state.halted:
        return
    state.begin_transaction()
    state.halted[market.asset] = None
    for account in list(state.accounts.values()):
        cancel_all(state, account, Status.DELISTED_CANCELED, market.asset)
    settle_families(state)
    settle_at_mark(state, market)
    settle_families(state)


def resume(state: State, market: Market) -> None:
    """Let a halted market trade again. Raises `ValueError` for a delisted one."""
    if market.coin in state.delisted:
        raise ValueError(f"{market.coin} is delisted for good")
    state.halted.pop(market.asset, None)


def delist(state: State, market: Market) -> None:
    """Stop a market for good; its listing says so and keeps its number."""
    halt(state, market)
    state.delisted.add(market.coin)
