"""Orders that the exchange refuses, alone, in batches and in storms: each is told with its class, and none lives."""

from __future__ import annotations

from pathlib import Path

from tests.hazards.claims import Hazard, proves
from tests.hazards.desk import GTC, MARKET, Desk, at_desk, rejection
from tests.support.gateway import Told

from perpmaker.proto.gateway.v1 import gateway_pb2 as pb


@proves(Hazard.ALO_REJECT_STORM, by="alo_storm")
async def test_every_order_of_a_storm_is_told_as_a_post_only_cross_or_as_resting(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        maker = await desk.maker()
        await maker.place(MARKET, is_buy=True, px=str(desk.mid - 100), sz="1")
        await maker.place(MARKET, is_buy=False, px=str(desk.mid + 100), sz="1")
        await desk.throw("alo_storm", coin=MARKET)
        refused, number = 0, 0
        while refused < 3:
            number += 1
            order = desk.buy(number, below=-99) if number % 2 else desk.sell(number, above=-99)
            outcome = (await desk.place(order)).outcome_of(order.cloid)
            if outcome.HasField("resting"):
                await desk.cancel(order)
                continue
            assert rejection(outcome) == pb.REJECTION_CLASS_POST_ONLY_CROSS, outcome
            await desk.update(order.cloid, "badAloPxRejected")
            refused += 1
        await desk.calm()


@proves(Hazard.ALO_REJECT_STORM)
async def test_who_goes_on_through_refusals_meets_a_ceiling_before_the_address_is_spent(tmp_path: Path) -> None:
    async with at_desk(tmp_path, max_actions_per_minute=10) as desk:
        await (await desk.maker()).place(MARKET, is_buy=False, px=str(desk.mid), sz="1")
        resting = desk.buy(1)
        await desk.rest(resting)
        results = []
        for number in range(2, 20):
            order = desk.buy(number, below=-100)
            results.append((await desk.place(order)).outcome_of(order.cloid))
        stopped = [outcome for outcome in results if outcome.not_sent.reason == "budget"]
        refused = [outcome for outcome in results if rejection(outcome) == pb.REJECTION_CLASS_POST_ONLY_CROSS]
        assert 0 < len(refused) < 10
        assert len(refused) + len(stopped) == len(results)
        assert (await desk.cancel(resting)).HasField("cancelled")


@proves(Hazard.BATCH_WITH_ONE_ERROR, by="halt resume")
async def test_one_error_for_a_batch_is_the_error_of_each_of_its_orders(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        orders = [desk.buy(number, below=1_000 + number) for number in range(1, 6)]
        await desk.rest(orders[0])
        await desk.throw("halt", coin=MARKET)
        await desk.update(orders[0].cloid, "delistedCanceled")
        told = await desk.place(*orders[1:])
        assert len(told.sent) == 1
        texts = [told.outcome_of(order.cloid).rejected.text for order in orders[1:]]
        assert texts == ["Trading is halted. asset=0"] * 4
        await desk.throw("resume", coin=MARKET)
        await desk.rest(desk.buy(9))


@proves(Hazard.BATCH_WITH_ONE_ERROR, by="halt")
async def test_an_error_that_one_market_brings_upon_another_is_told_to_both_and_they_go_apart(tmp_path: Path) -> None:
    async with at_desk(tmp_path, markets=(MARKET, "ETH", "SOL")) as desk:
        await desk.throw("halt", coin=MARKET)
        number = 0
        while True:  # whether two plans leave together depends on when they come after a third
            number += 2
            btc, eth = await _both(desk, number)
            assert btc.outcome_of(desk.gateway.cloid(number)).HasField("rejected")
            if btc.sent[0].nonce == eth.sent[0].nonce:
                break
        outcome = eth.outcome_of(desk.gateway.cloid(number + 1))
        assert outcome.rejected.text == "Trading is halted. asset=0"
        btc, eth = await _both(desk, number + 2)
        assert btc.sent[0].nonce != eth.sent[0].nonce
        assert eth.outcome_of(desk.gateway.cloid(number + 3)).HasField("resting")


async def _both(desk: Desk, number: int) -> tuple[Told, Told]:
    """After a plan that leaves alone, one for the first market and one for ETH; what was told of these."""
    order = desk.gateway.order(desk.gateway.cloid(number + 1), px="1500", sz="0.1")
    desk.belief.intend("ETH", order)
    await desk.gateway.submit("SOL", cancels=[pb.CancelOrder(cloid=order.cloid)])
    requests = (await desk.begin(desk.buy(number)), await desk.gateway.submit("ETH", places=[order]))
    for request in requests:
        await desk.gateway.executed.until(lambda told, r=request: told.request_id == r and told.HasField("done"))  # type: ignore[misc]
    first, second = (desk.gateway.told(request) for request in requests)
    return first, second


@proves(Hazard.BATCH_WITH_MIXED_STATUSES)
async def test_each_order_of_a_batch_gets_the_status_that_is_its_own(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await (await desk.maker()).place(MARKET, is_buy=False, px=str(desk.mid), sz="0.001")
        orders = [
            desk.buy(1, time_in_force=GTC),
            desk.buy(2, below=0, sz="0.002", time_in_force=GTC),
            desk.buy(3, time_in_force=GTC, reduce_only=True),
            desk.buy(4, below=2_000, time_in_force=GTC),
        ]
        told = await desk.place(*orders)
        assert len(told.sent) == 1
        results = [told.outcome_of(order.cloid).WhichOneof("result") for order in orders]
        assert results == ["resting", "filled", "rejected", "resting"]
        assert rejection(told.outcome_of(orders[2].cloid)) == pb.REJECTION_CLASS_REDUCE_ONLY
        await desk.fill(orders[1].cloid)


_REFUSED = {
    "tickRejected": pb.REJECTION_CLASS_TICK_OR_LOT,
    "minTradeNtlRejected": pb.REJECTION_CLASS_MIN_NOTIONAL,
    "perpMarginRejected": pb.REJECTION_CLASS_MARGIN,
    "reduceOnlyRejected": pb.REJECTION_CLASS_REDUCE_ONLY,
    "badAloPxRejected": pb.REJECTION_CLASS_POST_ONLY_CROSS,
    "iocCancelRejected": pb.REJECTION_CLASS_NO_LIQUIDITY,
    "badTriggerPxRejected": pb.REJECTION_CLASS_UNRECOGNIZED,
    "marketOrderNoLiquidityRejected": pb.REJECTION_CLASS_NO_LIQUIDITY,
    "positionIncreaseAtOpenInterestCapRejected": pb.REJECTION_CLASS_POSITION_LIMIT,
    "positionFlipAtOpenInterestCapRejected": pb.REJECTION_CLASS_POSITION_LIMIT,
    "tooAggressiveAtOpenInterestCapRejected": pb.REJECTION_CLASS_PRICE_BAND,
    "openInterestIncreaseRejected": pb.REJECTION_CLASS_POSITION_LIMIT,
    "insufficientSpotBalanceRejected": pb.REJECTION_CLASS_MARGIN,
    "oracleRejected": pb.REJECTION_CLASS_PRICE_BAND,
    "perpMaxPositionRejected": pb.REJECTION_CLASS_POSITION_LIMIT,
    "tooManyOpenOrdersRejected": pb.REJECTION_CLASS_POSITION_LIMIT,
}


@proves(Hazard.REFUSAL, Hazard.BATCH_WITH_MIXED_STATUSES, by="refuse_orders")
async def test_every_status_of_refusal_has_its_class_and_spares_the_rest_of_the_batch(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        for number, (status, expected) in enumerate(_REFUSED.items(), start=1):
            refused, spared = desk.buy(2 * number), desk.buy(2 * number + 1, below=1_000 + number)
            await desk.throw("refuse_orders", address=desk.address, status=status, n=1)
            told = await desk.place(refused, spared)
            assert rejection(told.outcome_of(refused.cloid)) == expected, told
            assert told.outcome_of(spared.cloid).HasField("resting")
            await desk.update(refused.cloid, status)


@proves(Hazard.REFUSAL, by="cap_leverage")
async def test_a_market_listed_with_less_leverage_refuses_what_is_new_and_keeps_what_rests(tmp_path: Path) -> None:
    async with at_desk(tmp_path) as desk:
        await desk.rest(desk.buy(1, sz="2"))
        await desk.throw("cap_leverage", coin=MARKET, leverage=1)
        more = desk.buy(2, below=1_010)
        outcome = (await desk.place(more)).outcome_of(more.cloid)
        assert rejection(outcome) in (pb.REJECTION_CLASS_POSITION_LIMIT, pb.REJECTION_CLASS_MARGIN), outcome
        await desk.agree()
        assert desk.statuses(desk.gateway.cloid(1)) == ["open"]
