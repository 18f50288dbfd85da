"""Plans become actions in canonical form; a plan that breaks the exchange's rules does not."""

from __future__ import annotations

import msgspec
import pytest

from perpmaker.gateway.orders.plans import (
    MAX_ITEMS,
    cancel_actions,
    is_valid_modify,
    is_valid_place,
    modify_actions,
    place_actions,
)
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.common.v1 import common_pb2 as common
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

RULES = InstrumentRules(market="BTC", asset_id=3, sz_decimals=5, max_leverage=40)
E8 = 100_000_000


def _place(number: int = 1, px: int = 64_000 * E8, sz: int = 123_000, **changes: object) -> pb.PlaceOrder:
    fields: dict[str, object] = {
        "cloid": f"0x{number:032x}",
        "side": common.SIDE_BUY,
        "px_e8": px,
        "sz_e8": sz,
        "time_in_force": common.TIME_IN_FORCE_POST_ONLY,
    } | changes
    return pb.PlaceOrder(**fields)  # type: ignore[arg-type]


def _json(action: object) -> str:
    return msgspec.json.encode(action).decode()


def test_placement_has_exact_decimals_and_the_documented_keys() -> None:
    (planned,) = place_actions(3, [_place(1, side=common.SIDE_SELL, reduce_only=True)])
    assert _json(planned.action) == (
        '{"type":"order","orders":[{"a":3,"b":false,"p":"64000","s":"0.00123","r":true,"t":{"limit":{"tif":"Alo"}},'
        '"c":"0x00000000000000000000000000000001"}],"grouping":"na"}'
    )
    assert planned.brings_to_life == ("0x00000000000000000000000000000001",)


def test_replacement_names_the_old_cloid_and_brings_a_new_one_to_life() -> None:
    (planned,) = modify_actions(3, [pb.ModifyOrder(old_cloid="0x" + "aa" * 16, order=_place(2))])
    assert _json(planned.action).startswith('{"type":"batchModify","modifies":[{"oid":"0xaaaaaaaa')
    assert planned.brings_to_life == ("0x00000000000000000000000000000002",)


def test_cancels_go_by_cloid_and_only_foreign_ones_by_oid() -> None:
    actions = cancel_actions(3, [pb.CancelOrder(cloid="0x01", oid=7), pb.CancelOrder(oid=345678901234)])
    assert [_json(planned.action) for planned in actions] == [
        '{"type":"cancelByCloid","cancels":[{"asset":3,"cloid":"0x01"}]}',
        '{"type":"cancel","cancels":[{"a":3,"o":345678901234}]}',
    ]
    assert [planned.names for planned in actions] == [("0x01",), ("345678901234",)]
    assert all(planned.brings_to_life == () for planned in actions)


def test_lists_longer_than_the_exchange_takes_are_cut() -> None:
    actions = cancel_actions(3, [pb.CancelOrder(cloid=f"0x{n:032x}") for n in range(MAX_ITEMS + 1)])
    assert [len(planned.names) for planned in actions] == [MAX_ITEMS, 1]


@pytest.mark.parametrize(
    "place",
    [
        _place(px=64_000 * E8 + E8 // 2),
        _place(px=0),
        _place(sz=123_456),
        _place(sz=0),
        _place(px=100 * E8, sz=1_000),
        _place(side=common.SIDE_UNSPECIFIED),
        _place(time_in_force=common.TIME_IN_FORCE_UNSPECIFIED),
        _place(cloid=""),
    ],
)
def test_order_that_would_take_its_batch_down_is_invalid(place: pb.PlaceOrder) -> None:
    assert not is_valid_place(RULES, place)
    assert not is_valid_modify(RULES, pb.ModifyOrder(old_cloid="0x01", order=place))


def test_small_reduce_only_order_is_left_to_the_exchange() -> None:
    assert is_valid_place(RULES, _place(px=100 * E8, sz=1_000, reduce_only=True))


def test_modify_needs_the_order_it_replaces() -> None:
    assert is_valid_modify(RULES, pb.ModifyOrder(old_cloid="0x01", order=_place()))
    assert not is_valid_modify(RULES, pb.ModifyOrder(order=_place()))
