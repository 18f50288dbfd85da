"""Which evidence proves what of a placement."""

from __future__ import annotations

import pytest

from perpmaker.gateway.resolution import Evidence, Question, Traces, answer, verdict
from perpmaker.hyperliquid.lags import INDEX_LAG_MS
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

CLOID = "0x00000000000000000000000000000001"
SPENT = 1_000_000
LATE = SPENT + INDEX_LAG_MS + 1
ASKED = Question(CLOID, 7, 0)
NOTHING = (pb.RESOLUTION_STILL_UNKNOWN, "nothing")
EXPIRING = Question(CLOID, 7, SPENT)


def status(as_of_ms: int, *, found: bool = False) -> pb.GetOrderStatusResponse:
    return pb.GetOrderStatusResponse(found=found, as_of_ms=as_of_ms, market="BTC" if found else "")


def traces(as_of_ms: int, *open_cloids: str, is_filled: bool = False, fills_ms: int = 0) -> Traces:
    orders = [pb.OpenOrder(cloid=cloid, market="BTC") for cloid in open_cloids]
    return Traces(pb.OpenOrders(orders=orders, as_of_ms=as_of_ms), is_filled, fills_ms or as_of_ms)


@pytest.mark.parametrize(
    ("question", "evidence", "resolution", "proof"),
    [
        (ASKED, Evidence(), pb.RESOLUTION_STILL_UNKNOWN, "nothing"),
        (ASKED, Evidence(status(LATE)), pb.RESOLUTION_STILL_UNKNOWN, "nothing"),
        (ASKED, Evidence(status(0, found=True)), pb.RESOLUTION_LANDED, "status"),
        (ASKED, Evidence(burn=pb.BURN_RESULT_BURNED), pb.RESOLUTION_DEAD, "nonce_burned"),
        (ASKED, Evidence(burn=pb.BURN_RESULT_UNKNOWN), pb.RESOLUTION_STILL_UNKNOWN, "nothing"),
        (ASKED, Evidence(status(LATE), spent_ms=SPENT), pb.RESOLUTION_STILL_UNKNOWN, "nothing"),
        (ASKED, Evidence(status(LATE), spent_ms=SPENT, traces=traces(LATE)), pb.RESOLUTION_DEAD, "nonce_used"),
        (
            ASKED,
            Evidence(status(LATE - 1), spent_ms=SPENT, traces=traces(LATE)),
            pb.RESOLUTION_STILL_UNKNOWN,
            "nothing",
        ),
        (
            ASKED,
            Evidence(status(LATE), spent_ms=SPENT, traces=traces(LATE - 1)),
            pb.RESOLUTION_STILL_UNKNOWN,
            "nothing",
        ),
        (
            ASKED,
            Evidence(status(LATE), spent_ms=SPENT, traces=traces(LATE, fills_ms=LATE - 1)),
            pb.RESOLUTION_STILL_UNKNOWN,
            "nothing",
        ),
        (ASKED, Evidence(status(LATE), spent_ms=SPENT, traces=traces(LATE, CLOID)), pb.RESOLUTION_LANDED, "open_order"),
        (
            ASKED,
            Evidence(status(LATE), spent_ms=SPENT, traces=traces(LATE, is_filled=True)),
            pb.RESOLUTION_LANDED,
            "fill",
        ),
        (EXPIRING, Evidence(status(LATE), traces=traces(LATE)), pb.RESOLUTION_DEAD, "expired"),
        (EXPIRING, Evidence(status(LATE), traces=traces(LATE - 1)), pb.RESOLUTION_STILL_UNKNOWN, "nothing"),
        (EXPIRING, Evidence(status(LATE), traces=traces(LATE, CLOID)), pb.RESOLUTION_LANDED, "open_order"),
    ],
)
def test_verdict(question: Question, evidence: Evidence, resolution: pb.Resolution.ValueType, proof: str) -> None:
    assert verdict(question, evidence) == (resolution, proof)


def test_answer_carries_the_evidence() -> None:
    told = answer(ASKED, Evidence(status(LATE), pb.BURN_RESULT_ALREADY_USED, SPENT, traces(LATE, CLOID)))
    assert told.market == "BTC"
    assert told.burn == pb.BURN_RESULT_ALREADY_USED
    assert (told.status_as_of_ms, told.open_orders_as_of_ms, told.fills_as_of_ms) == (LATE, LATE, LATE)
