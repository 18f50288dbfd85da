"""The comparison of our ledger with the exchange's record."""

from __future__ import annotations

from dataclasses import replace

from perpmaker.common.decimals import E8
from perpmaker.local.integrity import Books, FillId, FillTerms, differences

BOUGHT = FillTerms(is_buy=True, px_e8=64_000 * E8, sz_e8=E8 // 100, fee_quote_e8=9_600_000)
ID = FillId("BTC", tid=7, oid=70)
AGREED = Books(positions_e8={"BTC": E8 // 100}, fills={ID: BOUGHT}, open_orders=())


def test_equal_books_have_no_differences() -> None:
    assert differences(AGREED, AGREED) == ()


def test_a_market_that_one_side_does_not_list_is_flat_there() -> None:
    flat = Books(positions_e8={"BTC": 0}, fills={}, open_orders=())
    assert differences(flat, replace(flat, positions_e8={})) == ()


def test_a_different_position_names_both_sizes() -> None:
    (text,) = differences(AGREED, replace(AGREED, positions_e8={"BTC": 0}))
    assert text == "BTC: position 0.01 in the ledger, 0 at the exchange"


def test_a_fill_missing_in_the_ledger_is_found_even_when_positions_agree() -> None:
    (text,) = differences(replace(AGREED, fills={}), AGREED)
    assert "fill 7 of order 70" in text
    assert "at the exchange and not in the ledger" in text


def test_a_fill_the_exchange_does_not_know_is_found() -> None:
    (text,) = differences(AGREED, replace(AGREED, fills={}))
    assert "in the ledger and not at the exchange" in text


def test_a_fill_recorded_with_another_fee_is_a_difference() -> None:
    other = replace(BOUGHT, fee_quote_e8=BOUGHT.fee_quote_e8 + 1)
    (text,) = differences(AGREED, replace(AGREED, fills={ID: other}))
    assert "fee 0.096 in the ledger" in text
    assert "fee 0.09600001 at the exchange" in text


def test_both_sides_of_one_trade_are_two_fills() -> None:
    other_side = FillId("BTC", tid=7, oid=71)
    sold = replace(BOUGHT, is_buy=False)
    exchange = replace(AGREED, fills={ID: BOUGHT, other_side: sold})
    (text,) = differences(AGREED, exchange)
    assert "order 71" in text


def test_open_orders_on_either_side_are_differences() -> None:
    found = differences(replace(AGREED, open_orders=("a buy",)), replace(AGREED, open_orders=("a sell",)))
    assert found == ("order-state still holds a buy", "the exchange still has a sell")


def test_a_flood_of_differences_is_cut_and_counted() -> None:
    many = {FillId("BTC", tid=n, oid=n): BOUGHT for n in range(60)}
    found = differences(replace(AGREED, fills=many), replace(AGREED, fills={}))
    assert len(found) == 51
    assert found[-1] == "and 10 more"
