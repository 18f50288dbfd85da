"""Whatever the API server answers, an object is let go for two reasons only: it is gone, or its teardown is done."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from perpmaker.operator.interfaces import Again, EventType, KubeError, Manifest, Ref, TornDown
from perpmaker.operator.kube.resources import MARKET_MAKER
from perpmaker.operator.runtime.peers import Standing
from perpmaker.operator.runtime.pulse import Pulse
from perpmaker.operator.runtime.teardown import Teardown
from perpmaker.operator.runtime.wakes import Wakes
from perpmaker.operator.runtime.worker import Shop, Turns
from perpmaker.operator.runtime.world import Scope, Store

ETH = Ref(MARKET_MAKER, "trading", "eth")
UID = "6e2d"
REFUSALS = st.builds(
    lambda status: KubeError("get", ETH, status, "Refused", "no"), st.sampled_from([0, 400, 403, 404, 409, 422, 503])
)
BODIES = st.sampled_from([UID, "7f3e"]).map(
    lambda uid: {
        "metadata": {"name": "eth", "namespace": "trading", "uid": uid, "finalizers": ["perpmaker.io/finalizer"]}
    }
)


@dataclass
class ApiServer:
    """Answers what it is told to."""

    found: Manifest | KubeError | None
    dropping: KubeError | None
    dropped: bool = False

    async def get(self, _ref: Ref) -> Manifest | None:
        if isinstance(self.found, KubeError):
            raise self.found
        return self.found

    async def drop_finalizer(self, _ref: Ref, _uid: str, _finalizer: str) -> None:
        if self.dropping is not None:
            raise self.dropping
        self.dropped = True

    async def add_finalizer(self, _body: Manifest, _finalizer: str) -> None:
        raise AssertionError("nothing is held at its end")

    async def apply(self, manifest: Manifest) -> Manifest:
        return manifest

    async def apply_status(self, _ref: Ref, _status: Mapping[str, Any]) -> Manifest:
        return {}

    async def delete(self, _ref: Ref, *, uid: str | None = None) -> bool:
        return uid is not None


@dataclass
class Reconciling:
    """A reconciler whose teardown is as far as it is told."""

    outcome: TornDown | Exception
    steps: int = field(default=0)

    async def reconcile(self, _body: Manifest) -> Again:
        return Again()

    async def tear_down(self, _body: Manifest) -> TornDown:
        self.steps += 1
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Silent:
    """Nobody listens."""

    def tell(self, about: Manifest, type_: EventType, reason: str, message: str) -> None:
        """Say nothing."""


def step(api: ApiServer, reconciler: Reconciling, world: Store) -> float | None:
    async def once() -> float | None:
        shop = Shop(api, world, Wakes(), Silent(), Pulse(), Turns(), 30.0, lambda: Standing.WORKS)
        return await Teardown(ETH, UID, reconciler, shop)._step()

    return asyncio.run(once())


@given(
    found=st.one_of(st.none(), BODIES, REFUSALS),
    dropping=st.one_of(st.none(), REFUSALS),
    outcome=st.one_of(st.builds(TornDown, st.booleans()), st.just(RuntimeError("broken"))),
    is_listed=st.booleans(),
)
def test_an_object_is_let_go_only_when_it_is_gone_or_its_teardown_is_done(
    found: Manifest | KubeError | None, dropping: KubeError | None, outcome: TornDown | Exception, is_listed: bool
) -> None:
    world = Store((Scope(MARKET_MAKER, "trading"),))
    if is_listed:
        world.replace(world.scopes[0], (), "1")
    api, reconciler = ApiServer(found, dropping), Reconciling(outcome)
    pause_s = step(api, reconciler, world)
    is_here = isinstance(found, dict) and found["metadata"]["uid"] == UID
    is_gone = found is None or (isinstance(found, dict) and not is_here)
    is_done = is_here and is_listed and isinstance(outcome, TornDown) and outcome.done
    assert (pause_s is None) == (is_gone or (is_done and dropping is None))
    assert api.dropped == (is_done and dropping is None)
    assert reconciler.steps == (is_here and is_listed)
