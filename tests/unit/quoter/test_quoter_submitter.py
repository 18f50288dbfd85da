"""Which verdicts end a session."""

from __future__ import annotations

from tests.support.quoter_peers import TAG

from perpmaker.common import rpc
from perpmaker.common.clock import SystemClock
from perpmaker.proto.orderstate.v1 import orderstate_pb2 as orders
from perpmaker.quoter.metrics import QuoterMetrics
from perpmaker.quoter.plan import Plan
from perpmaker.quoter.sight import Cause, Sight
from perpmaker.quoter.submitter import Submitter


async def test_a_late_verdict_on_a_plan_of_the_session_before_does_not_end_the_new_one() -> None:
    clock = SystemClock()
    async with rpc.connect("127.0.0.1:1") as nobody:
        sight = Sight(clock, lambda: None)
        submitter = Submitter("ETH", nobody, sight, QuoterMetrics("ETH"), lambda: None)
        fenced = orders.ItemVerdict(cloid="0x1", verdict=orders.VERDICT_FENCED)

        async def planned() -> None:
            await submitter.send(Plan(), Cause(), clock.monotonic_ns())

        submitter.begin(1, TAG)
        await planned()
        submitter._on_verdicts(orders.SubmitResponse(sequence=1, items=[fenced]))
        assert submitter.fenced
        submitter.begin(3, TAG)
        submitter._on_verdicts(orders.SubmitResponse(sequence=1, items=[fenced]))
        assert not submitter.fenced
        await planned()
        submitter._on_verdicts(orders.SubmitResponse(sequence=2, items=[fenced]))
        assert submitter.fenced
