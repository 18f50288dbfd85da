"""The judge of the cluster tests: what it must and must not complain of."""

from __future__ import annotations

from typing import Any

from tests.e2e.history import complaints, lives

from perpmaker.common.cloid import market_tag, mint

ACCOUNT, MARKET = "main", "ETH"


def _order(oid: int, epoch: int, placed_ms: int, ended_ms: int | None, *, cloid: str | None = "") -> dict[str, Any]:
    ours = mint(market_tag(ACCOUNT, MARKET), epoch, oid, is_buy=True, level=0)
    order = {"coin": MARKET, "oid": oid, "cloid": ours if cloid == "" else cloid, "timestamp": placed_ms}
    status = "open" if ended_ms is None else "canceled"
    return {"order": order, "status": status, "statusTimestamp": ended_ms or placed_ms}


def _told(*orders: dict[str, Any]) -> str:
    return "\n".join(complaints(lives(orders), ACCOUNT))


def test_a_session_that_follows_an_emptied_one_is_fine() -> None:
    assert not _told(_order(3, 2, 30, None), _order(2, 1, 15, 30), _order(1, 1, 10, 20))


def test_an_order_that_outlives_its_session_is_told() -> None:
    assert "rested when session 2 placed its first order" in _told(_order(1, 1, 10, 40), _order(2, 2, 30, None))


def test_an_orphan_that_still_rests_is_told() -> None:
    assert "rested when session 2 placed its first order" in _told(_order(1, 1, 10, None), _order(2, 2, 30, None))


def test_an_order_of_an_older_session_after_a_newer_one_is_told() -> None:
    assert "older session" in _told(_order(1, 2, 10, 20), _order(2, 1, 30, 40))


def test_an_order_that_is_not_ours_is_told() -> None:
    assert "is not ours" in _told(_order(1, 1, 10, 20, cloid=None))
