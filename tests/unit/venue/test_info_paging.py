"""Order, bounds and length of lists. Source: documentation, "Info endpoint", pagination and user fills."""

from __future__ import annotations

from typing import Any

from tests.support.busy_venue import ALICE, ask, trade
from tests.support.venue_core import BOB, START_MS, Bench, bench, limit

from perpmaker.venue.engine.accounts import FundingPayment, Memory
from perpmaker.venue.engine.orders import Tif
from perpmaker.venue.engine.state import FundingRate

FIRST_MS = START_MS - 10_000


def traded(times: int, **rules: Any) -> Bench:
    made = bench(**rules)
    for _ in range(times):
        trade(made, sz="0.2", parts=1)
    return made


def test_fills_are_newest_first_by_user_and_oldest_first_by_time() -> None:
    made = traded(3)
    by_user = [fill["time"] for fill in ask(made, "userFills", user=ALICE)]
    by_time = [fill["time"] for fill in ask(made, "userFillsByTime", user=ALICE, startTime=START_MS)]
    assert by_time == sorted(by_user)
    assert by_user == by_time[::-1]
    assert len(set(by_time)) == 3


def test_a_time_range_includes_both_ends() -> None:
    made = traded(3)
    first, middle, last = (fill["time"] for fill in ask(made, "userFillsByTime", user=ALICE, startTime=0))
    found = ask(made, "userFillsByTime", user=ALICE, startTime=first, endTime=middle)
    assert [fill["time"] for fill in found] == [first, middle]
    assert [fill["time"] for fill in ask(made, "userFillsByTime", user=ALICE, startTime=last)] == [last]


def test_a_page_of_fills_has_2000_of_the_10000_most_recent() -> None:
    made = traded(1)
    account = made.state.accounts[ALICE]
    for _ in range(10_100):
        account.fills.append(account.fills[-1])
    assert len(ask(made, "userFills", user=ALICE)) == 2_000
    assert len(ask(made, "userFillsByTime", user=ALICE, startTime=0)) == 2_000
    assert len(account.fills) == 10_000


def test_partial_fills_of_a_crossing_order_are_merged_on_request() -> None:
    made = bench()
    made.place(BOB, limit("180", "1", buy=False), limit("181", "3", buy=False))
    made.place(ALICE, limit("181", "4", tif=Tif.IOC))
    apart = ask(made, "userFills", user=ALICE)
    (merged,) = ask(made, "userFills", user=ALICE, aggregateByTime=True)
    assert len(apart) == 2
    assert (merged["sz"], merged["px"], merged["startPosition"]) == ("4.0", "180.75", "0.0")
    assert round(float(merged["fee"]), 6) == round(sum(float(fill["fee"]) for fill in apart), 6)
    resting = ask(made, "userFills", user=BOB, aggregateByTime=True)
    assert len(resting) == 2


def test_time_ranges_are_paged_by_500_and_the_next_page_begins_where_the_last_ended() -> None:
    made = traded(1)
    account = made.state.accounts[ALICE]
    for hour in range(1_200):
        account.funding.append(FundingPayment(ALICE, 0, START_MS + hour, -1, 1, 125_000))
    page = ask(made, "userFunding", user=ALICE, startTime=START_MS)
    assert [entry["time"] for entry in page] == list(range(START_MS, START_MS + 500))
    after = ask(made, "userFunding", user=ALICE, startTime=page[-1]["time"])
    assert after[0]["time"] == page[-1]["time"]


def test_funding_history_is_oldest_first_and_paged_by_500() -> None:
    made = bench()
    for hour in range(600):
        made.state.events.funding_rates.append(FundingRate(0, FIRST_MS + hour, 125_000, 0))
    made.step()
    page = ask(made, "fundingHistory", coin="SOL", startTime=FIRST_MS + 1)
    assert [entry["time"] for entry in page] == list(range(FIRST_MS + 1, FIRST_MS + 501))
    assert page[0] == {"coin": "SOL", "fundingRate": "0.0000125", "premium": "0.0", "time": FIRST_MS + 1}


def test_a_settled_hour_is_in_the_history_a_few_milliseconds_late() -> None:
    made = traded(1)
    made.step(3_600_000)
    (entry,) = ask(made, "fundingHistory", coin="SOL", startTime=0)
    assert entry["time"] == made.now_ms
    assert ask(made, "fundingHistory", coin="SOL", startTime=0, endTime=made.now_ms - 1) == []


def test_recent_trades_and_records_are_newest_first() -> None:
    made = traded(12)
    tape = [trade["time"] for trade in ask(made, "recentTrades", coin="SOL")]
    assert tape == sorted(tape, reverse=True)
    assert len(tape) == 10
    records = [record["order"]["oid"] for record in ask(made, "historicalOrders", user=ALICE)]
    assert records == sorted(records, reverse=True)


def test_open_orders_are_newest_first() -> None:
    made = bench()
    made.place(ALICE, *(limit(str(170 + step)) for step in range(3)))
    for kind in ("openOrders", "frontendOpenOrders"):
        assert [order["limitPx"] for order in ask(made, kind, user=ALICE)] == ["172.0", "171.0", "170.0"]


def test_only_the_latest_2000_ended_orders_are_remembered() -> None:
    made = bench()
    first = made.place(ALICE, limit("170"))["resting"]["oid"]
    made.cancel(ALICE, first)
    for _ in range(20):
        made.place(ALICE, *(limit("170", "1", tif=Tif.IOC) for _ in range(100)))
    assert ask(made, "orderStatus", user=ALICE, oid=first) == {"status": "unknownOid"}
    assert len(ask(made, "historicalOrders", user=ALICE)) == 2_000


def test_an_account_remembers_as_many_orders_and_fills_as_the_venue_is_told() -> None:
    made = bench(memory=Memory(orders=2, fills=3))
    for _ in range(5):
        made.place(BOB, limit("170", buy=False))
        made.place(ALICE, limit("170", tif=Tif.IOC))
    assert len(ask(made, "historicalOrders", user=ALICE)) == 2
    assert len(ask(made, "userFills", user=ALICE)) == 3


def test_an_order_of_somebody_else_is_unknown() -> None:
    made = bench()
    oid = made.place(ALICE, limit("170"))["resting"]["oid"]
    made.place(BOB, limit("170"))
    assert ask(made, "orderStatus", user=BOB, oid=oid) == {"status": "unknownOid"}


def test_the_size_in_a_record_is_not_refreshed_by_a_partial_fill() -> None:
    made = bench()
    oid = made.place(ALICE, limit("170", "3"))["resting"]["oid"]
    made.place(BOB, limit("170", "1", buy=False, tif=Tif.IOC))
    record = ask(made, "orderStatus", user=ALICE, oid=oid)["order"]
    assert (record["status"], record["order"]["sz"]) == ("open", "3.0")
    assert ask(made, "openOrders", user=ALICE)[0]["sz"] == "2.0"
