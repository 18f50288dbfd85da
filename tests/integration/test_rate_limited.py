"""An account short of requests: from the gateway's budgets to what the MarketMaker says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.account_stack import Account, running_account
from tests.support.risk import BTC
from tests.support.venue import TestVenue, running
from tests.support.waiting import HANG_S, until

from perpmaker.api.v1alpha1.marketmaker import Mode
from perpmaker.common import rpc
from perpmaker.common.clock import SystemClock
from perpmaker.operator.conditions import kill_switch
from perpmaker.operator.conditions.findings import Finding
from perpmaker.operator.conditions.maker import Configured, MakerObserved, Verdict, judge
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.conditions.workload import Workload
from perpmaker.operator.observe.reads import read_quoter
from perpmaker.operator.observe.values import NOT_YET, QuoterFacts
from perpmaker.proto.gateway.v1 import gateway_pb2


@pytest.fixture
async def venue() -> AsyncIterator[TestVenue]:
    async with running(seed=5, flow=True, block_ms=50) as house:
        yield house


async def allow(account: Account, revision: int, actions_per_minute: int) -> None:
    part = account.gateway_part(revision, BTC).model_copy(update={"max_actions_per_minute": actions_per_minute})
    request = gateway_pb2.ApplyConfigRequest(revision=revision, part_json=part.model_dump_json())
    await account.gateway.ApplyConfig(request, timeout=HANG_S)


def quoting(quoter: QuoterFacts) -> Finding:
    observed = MakerObserved(
        mode=Mode.ACTIVE,
        market=BTC,
        accepted=Verdict(Reason.VALID, ""),
        account=Verdict(Reason.READY, ""),
        workload=Workload(Reason.AVAILABLE, ""),
        config=Configured(quoter.applied_generation),
        quoter=quoter,
        risk=NOT_YET,
        kill_switch=kill_switch.judge(NOT_YET, BTC, {}),
    )
    (found,) = [item for item in judge(observed) if item.type is ConditionType.QUOTING]
    return found


async def test_a_market_maker_without_requests_says_so_and_quotes_when_there_are_some(
    venue: TestVenue, tmp_path: Path
) -> None:
    async with running_account(venue, tmp_path, BTC) as account:
        await allow(account, 2, 1)
        await account.open_quoter(BTC)
        async with rpc.connect(account.quoter_part(BTC).endpoint.listen) as channel:

            async def judged(reason: Reason) -> bool:
                facts = await read_quoter(channel, SystemClock())
                if not isinstance(facts, QuoterFacts):
                    return False
                return quoting(replace(facts, two_sided_age_s=0.0 if facts.is_two_sided else 60.0)).reason is reason

            await until("the shortage to be told", lambda: judged(Reason.RATE_LIMITED))
            assert await account.resting(BTC) == []
            await allow(account, 3, 600)
            await until("both sides to be told", lambda: judged(Reason.TWO_SIDED))
