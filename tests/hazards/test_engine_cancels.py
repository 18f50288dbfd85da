"""Orders that the exchange takes away by itself: the stream alone tells so, with the exchange's own word for why."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import GTC, IOC, MARKET, SZ, at_desk, rejection
from tests.support.waiting import until

from perpmaker.api.parts import DeadMansSwitchPart
from perpmaker.common.decimals import parse_e8
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

_LEFT_ALONE = (
    "vaultWithdrawalCanceled",
    "siblingFilledCanceled",
    "outcomeSettledCanceled",
    "internalCancel",
    "canceled",
)


@proves(Hazard.MARGIN_CANCELED, by="cut_leverage")
async def test_margin_canceled_when_leverage_was_cut_below_what_rests(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1, sz="2")
        await desk.rest(order)
        await desk.throw("cut_leverage", address=desk.address, coin=MARKET, leverage=1)
        bid = str(desk.mid - 2_000)
        await (await desk.maker()).place(MARKET, is_buy=True, px=bid, sz="1")
        await desk.trade("A")
        ended = await desk.update(order.cloid, "marginCanceled")
        told = await desk.event("non_user_cancel")
        assert told.non_user_cancel.oid == ended.oid
        assert (ended.remaining_e8, "fill" in desk.kinds()) == (order.sz_e8, False)
        refused = await desk.place(desk.buy(2, sz="2"))
        assert rejection(refused.outcome_of(desk.gateway.cloid(2))) == pb.REJECTION_CLASS_MARGIN


@proves(Hazard.SELF_TRADE_CANCELED)
async def test_self_trade_canceled_takes_the_whole_order_that_rested(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        resting = desk.buy(1, sz="0.003")
        await desk.rest(resting)
        taking = desk.sell(2, above=-1_000, time_in_force=GTC)
        assert (await desk.place(taking)).outcome_of(taking.cloid).HasField("resting")
        ended = await desk.update(resting.cloid, "selfTradeCanceled")
        assert ended.remaining_e8 == resting.sz_e8
        await desk.update(taking.cloid, "open")
        await desk.agree()
        assert "fill" not in desk.kinds()


@proves(Hazard.REDUCE_ONLY_CANCELED)
async def test_reduce_only_canceled_when_the_position_is_closed(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.rest(desk.buy(1))
        await desk.trade("A")
        await desk.fill(desk.gateway.cloid(1))
        closing = desk.sell(2, reduce_only=True)
        await desk.rest(closing)
        await (await desk.maker()).place(MARKET, is_buy=True, px=str(desk.mid - 500), sz="1")
        flat = desk.sell(3, above=-500, time_in_force=IOC)
        assert (await desk.place(flat)).outcome_of(flat.cloid).HasField("filled")
        await desk.update(closing.cloid, "reduceOnlyCanceled")
        await desk.fill(flat.cloid)
        assert "non_user_cancel" not in desk.kinds()
        await desk.agree()
        assert desk.belief.worst_case(MARKET) == (0, 0)


@proves(Hazard.OPEN_INTEREST_CAP_CANCELED, Hazard.REFUSAL, by="cap_open_interest set_mark")
async def test_open_interest_cap_canceled_takes_what_leads_the_oracle(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await (await desk.maker()).place(MARKET, is_buy=False, px=str(desk.mid), sz="1")
        await desk.trade("B", "1")
        leading, behind = desk.buy(1), desk.buy(2, below=3_000)
        await desk.rest(leading, behind)
        await desk.throw("cap_open_interest", coin=MARKET, usd=1_000)
        await desk.throw("set_mark", coin=MARKET, px=desk.mid - 2_000)
        await desk.update(leading.cloid, "openInterestCapCanceled")
        again = desk.buy(3)
        outcome = (await desk.place(again)).outcome_of(again.cloid)
        assert rejection(outcome) == pb.REJECTION_CLASS_PRICE_BAND, outcome
        await desk.update(again.cloid, "tooAggressiveAtOpenInterestCapRejected")
        await desk.agree()
        assert desk.statuses(behind.cloid) == ["open"]


@proves(Hazard.SCHEDULED_CANCEL, by="fire_scheduled_cancel")
async def test_scheduled_cancel_is_told_of_every_order_and_counted_once(tmp_path: Path) -> None:
    async with at_desk(tmp_path, dead_mans_switch=DeadMansSwitchPart(timeout_s=60)) as desk:
        orders = [desk.buy(1), desk.buy(2, below=1_010)]
        await desk.rest(*orders)
        status = desk.gateway.service.status

        async def is_armed() -> bool:
            return status().dead_man_deadline_ms > 0

        await until("the switch is armed", is_armed)
        before = status().dead_man_firings_left
        await desk.throw("fire_scheduled_cancel", address=desk.address)
        for order in orders:
            ended = await desk.update(order.cloid, "scheduledCancel")
            await desk.account.until(lambda event, oid=ended.oid: event.non_user_cancel.oid == oid)  # type: ignore[misc]
        assert status().dead_man_firings_left == before - 1


@proves(Hazard.LIQUIDATED_CANCELED, by="liquidate")
async def test_liquidated_canceled_with_the_fills_of_the_liquidation(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        held = desk.buy(1)
        await desk.rest(held)
        await desk.trade("A")
        await desk.fill(held.cloid)
        left = desk.buy(2)
        await desk.rest(left)
        await (await desk.maker()).place(MARKET, is_buy=True, px=str(desk.mid - 500), sz="1")
        await desk.throw("liquidate", address=desk.address)
        await desk.update(left.cloid, "liquidatedCanceled")
        assert (await desk.event("liquidation")).liquidation.notional_quote_e8 > 0
        closed = await desk.account.until(lambda event: event.fill.liquidation)
        assert (closed.fill.sz_e8, closed.fill.cloid) == (held.sz_e8, "")
        await desk.agree()
        assert desk.belief.worst_case(MARKET) == (0, 0)


@proves(Hazard.DELISTED_CANCELED, Hazard.BATCH_WITH_ONE_ERROR, by="delist")
async def test_delisted_canceled_with_the_settlement_of_the_position(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        held = desk.buy(1)
        await desk.rest(held)
        await desk.trade("A")
        await desk.fill(held.cloid)
        left = desk.buy(2)
        await desk.rest(left)
        await desk.throw("delist", coin=MARKET)
        await desk.update(left.cloid, "delistedCanceled")
        settled = await desk.account.until(lambda event: event.HasField("fill") and event.fill.cloid != held.cloid)
        assert settled.fill.sz_e8 == parse_e8(SZ)
        await desk.agree()
        assert desk.belief.worst_case(MARKET) == (0, 0)
        late = await desk.place(desk.buy(3), desk.buy(4, below=1_010))
        assert all(late.outcome_of(desk.gateway.cloid(number)).HasField("rejected") for number in (3, 4))


@pytest.mark.parametrize("status", _LEFT_ALONE)
@proves(Hazard.OTHER_ENGINE_CANCEL, by="cancel_orders")
async def test_every_other_word_for_it_ends_the_order_too(tmp_path: Path, status: str) -> None:
    async with at_desk(tmp_path) as desk:
        order = desk.buy(1)
        await desk.rest(order)
        await desk.throw("cancel_orders", address=desk.address, status=status)
        await desk.update(order.cloid, status)


@proves(Hazard.REDUCE_ONLY_TRIM, by="trim_reduce_only")
async def test_a_trim_is_told_by_the_list_of_open_orders_alone(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.rest(desk.buy(1, sz="0.003"))
        await desk.trade("A", "0.003")
        await desk.fill(desk.gateway.cloid(1))
        oldest, newest = desk.sell(2, sz="0.002", reduce_only=True), desk.sell(3, above=1_010, reduce_only=True)
        await desk.rest(oldest)
        await desk.rest(newest)
        await desk.throw("trim_reduce_only", address=desk.address, coin=MARKET, side="A", sz="0.002")
        told = await desk.account.until(
            lambda event: {order.remaining_e8 for order in event.open_orders.orders} == {parse_e8(SZ)}
        )
        assert {order.orig_sz_e8 for order in told.open_orders.orders} == {oldest.sz_e8, newest.sz_e8}
        await desk.agree()
        assert desk.statuses(oldest.cloid) == ["open"]
        await desk.throw("trim_reduce_only", address=desk.address, coin=MARKET, side="A", sz="0.001")
        await desk.update(oldest.cloid, "reduceOnlyCanceled")
