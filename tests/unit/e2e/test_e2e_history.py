"""The judge of the cluster tests: what it must and must not complain of."""

from __future__ import annotations

from typing import Any

from tests.e2e.history import REPLACED_MS, complaints, lives

from perpmaker.common.cloid import market_tag, mint

ACCOUNT, MARKET = "main", "ETH"


def _order(oid: int, epoch: int, placed_ms: int, ended_ms: int | None, *, cloid: str | None = "") -> dict[str, Any]:
    ours = mint(market_tag(ACCOUNT, MARKET), epoch, oid, is_buy=True, level=0)
    order = {"coin": MARKET, "oid": oid, "cloid": ours if cloid == "" else cloid, "timestamp": placed_ms}
    status = "open" if ended_ms is None else "canceled"
    return {"order": order, "status": status, "statusTimestamp": ended_ms or placed_ms}


def _told(*orders: dict[str, Any]) -> str:
    return "\n".join(complaints(lives(orders), ACCOUNT, levels=1))


def test_a_session_that_follows_an_emptied_one_is_fine() -> None:
    assert not _told(_order(3, 2, 30, None), _order(2, 1, 15, 30), _order(1, 1, 10, 20))


def test_an_order_that_a_session_takes_over_is_fine() -> None:
    assert not _told(_order(1, 1, 10, 40), _order(2, 2, 40, None))


def test_an_order_may_rest_beside_its_replacement_for_a_moment() -> None:
    assert not _told(_order(1, 1, 10, 30 + REPLACED_MS), _order(2, 2, 30, None))
    assert "beside orders of older ones" in _told(_order(1, 1, 10, 31 + REPLACED_MS), _order(2, 2, 30, None))


def test_orders_of_two_sessions_may_make_up_one_ladder() -> None:
    orders = [_order(1, 1, 10, None), _order(2, 2, 30, 40_000), _order(3, 2, 40_000, None)]
    assert not complaints(lives(orders), ACCOUNT, levels=2)


def test_an_orphan_that_still_rests_beside_another_ladder_is_told() -> None:
    orphan, others = _order(1, 1, 10, None), [_order(n, 2, n * 4_000, (n + 1) * 4_000) for n in range(2, 9)]
    assert "beside orders of older ones" in _told(orphan, *others)


def test_an_order_of_an_older_session_after_a_newer_one_is_told() -> None:
    assert "older session" in _told(_order(1, 2, 10, 20), _order(2, 1, 30, 40))


def test_an_order_that_is_not_ours_is_told() -> None:
    assert "is not ours" in _told(_order(1, 1, 10, 20, cloid=None))
