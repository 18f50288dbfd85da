"""Statuses and error texts: every known word has a meaning, unknown words are values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpmaker.hyperliquid.rejections import (
    RejectionClass,
    classify,
    is_duplicate_nonce,
    is_signer_refused,
    nonce_floor,
    request_figures,
)
from perpmaker.hyperliquid.statuses import ENGINE_CANCELS, REJECTIONS, StatusMeaning, meaning_of


@pytest.mark.parametrize("status", sorted(ENGINE_CANCELS | {"canceled", "someNewCanceled"}))
def test_cancels_mean_cancelled(status: str) -> None:
    assert meaning_of(status) is StatusMeaning.CANCELLED


@pytest.mark.parametrize("status", sorted(REJECTIONS | {"someNewRejected"}))
def test_refusals_mean_rejected(status: str) -> None:
    assert meaning_of(status) is StatusMeaning.REJECTED


@pytest.mark.parametrize("status", ["open", "filled", "triggered"])
def test_the_plain_words_mean_themselves(status: str) -> None:
    assert meaning_of(status).value == status


def test_a_word_of_tomorrow_must_be_asked_about() -> None:
    assert meaning_of("halted") is StatusMeaning.UNRECOGNIZED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Price must be divisible by tick size. asset=0", RejectionClass.TICK_OR_LOT),
        ("Order has invalid size.", RejectionClass.TICK_OR_LOT),
        ("Order has zero size.", RejectionClass.TICK_OR_LOT),
        ("Order must have minimum value of $10. asset=1", RejectionClass.MIN_NOTIONAL),
        ("Insufficient margin to place order. asset=0", RejectionClass.MARGIN),
        ("Reduce only order would increase position. asset=0", RejectionClass.REDUCE_ONLY),
        (
            "Post only order would have immediately matched, bbo was 93.116@93.124. asset=10107",
            RejectionClass.POST_ONLY_CROSS,
        ),
        ("Order could not immediately match against any resting orders. asset=0", RejectionClass.NO_LIQUIDITY),
        ("No liquidity available for market order.", RejectionClass.NO_LIQUIDITY),
        (
            "Order would increase open interest while open interest is capped",
            RejectionClass.POSITION_LIMIT,
        ),
        (
            "Order would cause position to exceed margin tier limit at current leverage",
            RejectionClass.POSITION_LIMIT,
        ),
        ("Price too far from oracle asset=3", RejectionClass.PRICE_BAND),
        ("Order price cannot be more than 80% away from the reference price", RejectionClass.PRICE_BAND),
        ("Order was never placed, already canceled, or filled. asset=0", RejectionClass.ORDER_GONE),
        ("Cannot modify canceled or filled order", RejectionClass.ORDER_GONE),
        (
            "Error placing new order during modify: Post only order would have immediately matched",
            RejectionClass.MODIFY_LOST_ORDER,
        ),
        (
            "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46.",
            RejectionClass.RATE_LIMIT,
        ),
        ("L1 error: User or API Wallet 0xabc does not exist.", RejectionClass.AUTH),
        ("Must deposit before performing actions. User: 0xabc", RejectionClass.AUTH),
        ("Invalid nonce: nonce too low 1 < 2", RejectionClass.AUTH),
        ("Action already expired", RejectionClass.EXPIRED),
    ],
)
def test_documented_error_texts_have_a_class(text: str, expected: RejectionClass) -> None:
    assert classify(text) is expected


@given(st.text(alphabet="qwxyz ", max_size=40))
def test_an_unknown_text_is_unrecognized(text: str) -> None:
    assert classify(text) is RejectionClass.UNRECOGNIZED


def test_a_duplicate_nonce_proves_that_the_first_was_received() -> None:
    assert is_duplicate_nonce("Invalid nonce: duplicate nonce 1760000000123")
    assert not is_duplicate_nonce("Invalid nonce: nonce too low 1 < 2")


@pytest.mark.parametrize(
    ("text", "floor"),
    [
        ("Invalid nonce: nonce too low 5 < 1760000000000", 1_760_000_000_000),
        ("Invalid nonce: nonce too high 9 > 5", None),
        ("Invalid nonce: duplicate nonce 5", None),
        ("Invalid nonce: nonce too low 5 < " + "9" * 30, None),
    ],
)
def test_the_least_nonce_is_read_where_it_is_named(text: str, floor: int | None) -> None:
    assert nonce_floor(text) == floor


def test_figures_of_requests_are_read_where_they_are_named() -> None:
    told = "Too many cumulative requests sent (97460 > 97456) for cumulative volume traded $87457.46."
    assert request_figures(told) == (97_460, 97_456)
    assert request_figures("Too many requests") is None


@pytest.mark.parametrize(
    ("text", "doubts"),
    [
        ("User or API Wallet 0xab does not exist.", True),
        ("Must deposit before performing actions. User: 0xab", True),
        ("Invalid nonce: duplicate nonce 5", False),
        ("Insufficient margin to place order.", False),
    ],
)
def test_a_key_is_doubted_for_itself_and_not_for_its_nonces(text: str, doubts: bool) -> None:
    assert is_signer_refused(text) is doubts
