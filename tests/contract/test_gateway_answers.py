"""Every documented form of an exchange answer, read as no more certain than it is."""

from __future__ import annotations

import pytest

from perpmaker.gateway.outcomes import from_answer, read_answer
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

ONE = ("0xa1",)
TWO = ("0xa1", "0xa2")


def _order(statuses: str) -> str:
    return '{"status":"ok","response":{"type":"order","data":{"statuses":[' + statuses + "]}}}"


def _read(text: str, names: tuple[str, ...] = ONE, *, second_copy: bool = False) -> list[pb.Outcome]:
    return from_answer(names, read_answer(text.encode()), second_copy=second_copy)


def _kinds(outcomes: list[pb.Outcome]) -> list[str | None]:
    return [outcome.WhichOneof("result") for outcome in outcomes]


def test_resting_order_has_its_oid() -> None:
    (outcome,) = _read(_order('{"resting":{"oid":77738308,"cloid":"0xa1"}}'))
    assert outcome.cloid == "0xa1"
    assert outcome.resting.oid == 77738308


def test_immediate_execution_keeps_total_and_average() -> None:
    (outcome,) = _read(_order('{"filled":{"totalSz":"0.02","avgPx":"1891.4","oid":77747314}}'))
    assert (outcome.filled.oid, outcome.filled.total_sz_e8, outcome.filled.avg_px_e8) == (
        77747314,
        2_000_000,
        189_140_000_000,
    )


def test_mixed_batch_is_read_item_by_item() -> None:
    outcomes = _read(_order('{"error":"Insufficient margin to place order. asset=0"},{"resting":{"oid":5}}'), TWO)
    assert _kinds(outcomes) == ["rejected", "resting"]
    assert [outcome.cloid for outcome in outcomes] == list(TWO)
    assert getattr(outcomes[0].rejected, "class") == pb.REJECTION_CLASS_MARGIN


def test_one_error_for_the_whole_batch_rejects_every_item() -> None:
    outcomes = _read(_order('{"error":"Order has invalid size."}'), TWO)
    assert _kinds(outcomes) == ["rejected", "rejected"]


@pytest.mark.parametrize(
    "statuses",
    ['{"resting":{"oid":5}}', '{"resting":{"oid":5}},{"resting":{"oid":6}},{"resting":{"oid":7}}', ""],
)
def test_length_mismatch_leaves_everything_unknown(statuses: str) -> None:
    assert _kinds(_read(_order(statuses), TWO)) == ["unknown", "unknown"]


def test_cancel_success_and_gone_are_told_apart() -> None:
    gone = "Order was never placed, already canceled, or filled. asset=0"
    outcomes = _read(_order('"success",{"error":"' + gone + '"}').replace('"order"', '"cancel"'), TWO)
    assert _kinds(outcomes) == ["cancelled", "rejected"]
    assert getattr(outcomes[1].rejected, "class") == pb.REJECTION_CLASS_ORDER_GONE


def test_modify_that_lost_its_order_is_a_class_of_its_own() -> None:
    text = "Error placing new order during modify: Post only order would have immediately matched, bbo was 1@2"
    (outcome,) = _read(_order('{"error":"' + text + '"}'))
    assert getattr(outcome.rejected, "class") == pb.REJECTION_CLASS_MODIFY_LOST_ORDER


def test_top_level_refusal_rejects_every_item() -> None:
    outcomes = _read('{"status":"err","response":"User or API Wallet 0x12 does not exist."}', TWO)
    assert _kinds(outcomes) == ["rejected", "rejected"]
    assert getattr(outcomes[0].rejected, "class") == pb.REJECTION_CLASS_AUTH


@pytest.mark.parametrize("second_copy", [False, True])
def test_duplicate_nonce_is_never_a_refusal(second_copy: bool) -> None:
    outcomes = _read('{"status":"err","response":"Invalid nonce: duplicate nonce 5"}', second_copy=second_copy)
    assert outcomes[0].unknown.reason == "duplicate_nonce"


@pytest.mark.parametrize(
    "text",
    [
        "User or API Wallet 0x12 does not exist.",
        "Invalid nonce: nonce too low 1 < 2",
        "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46.",
    ],
)
def test_refusal_of_the_second_copy_before_its_nonce_counted_proves_nothing(text: str) -> None:
    assert _kinds(_read('{"status":"err","response":"' + text + '"}', second_copy=True)) == ["unknown"]


def test_expiry_of_the_second_copy_proves_that_neither_can_land() -> None:
    (outcome,) = _read('{"status":"err","response":"Action already expired"}', second_copy=True)
    assert getattr(outcome.rejected, "class") == pb.REJECTION_CLASS_EXPIRED


def test_placed_by_the_second_copy_is_placed() -> None:
    assert _kinds(_read(_order('{"resting":{"oid":5}}'), second_copy=True)) == ["resting"]


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "<html>bad gateway</html>",
        "",
        '{"status":"ok"}',
        '{"status":"maybe","response":{}}',
        '{"status":"ok","response":{"type":"default"}}',
        '{"status":"ok","response":{"type":"order","data":{"statuses":"none"}}}',
        _order('"waitingForTrigger"'),
        _order('{"filled":{"totalSz":"1e5","avgPx":"1","oid":1}}'),
        _order("{}"),
    ],
)
def test_answers_that_do_not_fit_leave_the_outcome_unknown(text: str) -> None:
    assert _kinds(_read(text)) == ["unknown"]


def test_a_price_that_looks_like_an_http_status_is_no_rate_limit() -> None:
    text = "Post only order would have immediately matched, bbo was 64290@64291. asset=0"
    (outcome,) = _read(_order('{"error":"' + text + '"}'))
    assert getattr(outcome.rejected, "class") == pb.REJECTION_CLASS_POST_ONLY_CROSS
