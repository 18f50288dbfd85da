"""Client order ids: reversible, ours recognisable, everything else foreign."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpmaker.common.cloid import Cloid, decode, market_tag, mint

_U32 = st.integers(min_value=0, max_value=2**32 - 1)


@given(tag=_U32, epoch=_U32, sequence=_U32, is_buy=st.booleans(), level=st.integers(min_value=0, max_value=127))
def test_what_was_minted_can_be_read_back(tag: int, epoch: int, sequence: int, is_buy: bool, level: int) -> None:
    text = mint(tag, epoch, sequence, is_buy=is_buy, level=level)
    assert decode(text) == Cloid(tag, epoch, sequence, is_buy, level)
    assert len(text) == 34
    assert text == text.lower()


@given(st.binary(min_size=16, max_size=16).filter(lambda raw: raw[0] != 0xA1))
def test_other_peoples_ids_are_foreign(raw: bytes) -> None:
    assert decode("0x" + raw.hex()) is None


@given(position=st.integers(min_value=2, max_value=33), digit=st.sampled_from("0123456789abcdef"))
def test_a_damaged_id_is_foreign(position: int, digit: str) -> None:
    text = mint(1, 2, 3, is_buy=True, level=0)
    damaged = text[:position] + digit + text[position + 1 :]
    assert decode(damaged) is None or damaged == text


@pytest.mark.parametrize("text", ["", "0x", "0x" + "g" * 32, "a1" * 16, "0x" + "a1" * 17])
def test_malformed_ids_are_foreign(text: str) -> None:
    assert decode(text) is None


@pytest.mark.parametrize(("epoch", "sequence", "level"), [(2**32, 0, 0), (0, -1, 0), (0, 0, 128)])
def test_parts_that_do_not_fit_are_refused(epoch: int, sequence: int, level: int) -> None:
    with pytest.raises(ValueError, match=r"fit|outside"):
        mint(1, epoch, sequence, is_buy=False, level=level)


def test_accounts_and_markets_have_tags_of_their_own() -> None:
    assert len({market_tag("a", "BTC"), market_tag("a", "ETH"), market_tag("b", "BTC"), market_tag("aB", "TC")}) == 4
