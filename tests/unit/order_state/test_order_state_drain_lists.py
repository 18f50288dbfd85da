"""How often a drain reads the list of open orders: soon at first, and within an address's requests while it lasts."""

from __future__ import annotations

from perpmaker.gateway.budget import IP_WEIGHT_PER_MINUTE, info_weight
from perpmaker.order_state.drain import pause_before_list_s


def test_a_drain_that_lasts_leaves_most_requests_to_others() -> None:
    at_s, lists = 0.0, 1
    while (at_s := at_s + pause_before_list_s(lists - 1, is_live=True)) < 60.0:
        lists += 1
    assert lists * info_weight("openOrders") < IP_WEIGHT_PER_MINUTE / 4


def test_the_second_look_comes_soon_and_the_proof_at_once() -> None:
    assert pause_before_list_s(0, is_live=True) == 1.0
    assert pause_before_list_s(50, is_live=False) < 0.5
