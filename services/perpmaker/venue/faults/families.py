"""Which kind of trouble each operation of the control port stands for, so that nothing of a kind is left untried.

Operations that only look, pay in, trade or keep order stand for none.
"""

from __future__ import annotations

from enum import StrEnum


class Family(StrEnum):
    """A kind of trouble a client has to live through."""

    ORDER_STATE = "order_state"
    """What became of an order is told late, wrongly, twice or not at all, or the exchange ends it by itself."""
    CONNECTIVITY = "connectivity"
    """Requests and streams break, stand still or lie."""
    ADMISSION = "admission"
    """The exchange takes no more: limits, signers, phases."""
    MARKET = "market"
    """Prices, leverage and markets themselves."""


_O, _C, _A, _M = Family.ORDER_STATE, Family.CONNECTIVITY, Family.ADMISSION, Family.MARKET

FAMILIES: dict[str, frozenset[Family]] = {
    name: frozenset(families)
    for name, families in {
        "drop_before_commit": {_O, _C},
        "drop_after_commit": {_O, _C},
        "delay": {_O, _C},
        "delay_action": {_O},
        "refuse": {_C},
        "reset": {_C},
        "idle_reset": {_C},
        "hang": {_C},
        "wrong_network": {_A},
        "unknown_oid": {_O},
        "omit_orders": {_O},
        "stale_info": {_O},
        "fill_race": {_O},
        "drop_messages": {_O},
        "duplicate": {_O},
        "shuffle": {_O},
        "freeze": {_O, _C},
        "garble": {_C},
        "half_open": {_C},
        "idle_close": {_C},
        "crowd": {_C},
        "mix_books": {_C},
        "withhold_pong": {_C},
        "slow_consumer": {_C},
        "refuse_connect": {_C},
        "disconnect": {_C},
        "stall": {_C},
        "alo_storm": {_O},
        "rate_limit": {_A},
        "spend_requests": {_A},
        "exhaust_requests": {_A},
        "spend_actions": {_A},
        "fire_scheduled_cancel": {_O, _A},
        "expire_agent": {_A},
        "remove_agent": {_A},
        "replace_agent": {_A},
        "upgrade_gate": {_A},
        "congestion": {_A},
        "refuse_orders": {_O},
        "cancel_orders": {_O},
        "trim_reduce_only": {_O},
        "liquidate": {_O, _M},
        "cut_leverage": {_M},
        "cap_leverage": {_M},
        "cap_open_interest": {_M},
        "delist": {_M},
        "halt": {_M},
        "resume": {_M},
        "set_mark": {_M},
        "episode": {_M},
    }.items()
}
"""Every operation that means trouble, by its name."""
