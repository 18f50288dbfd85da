"""One simulated account as a cluster runs it: every service a supervised process, the account made from a text, and an
exchange at a fixed address that may be replaced by a new one at any time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from grpc import aio
from tests.support.local import Events
from tests.support.order_state_stack import free_port
from tests.support.stack import EXAMPLES
from tests.support.waiting import HANG_S, until

from perpmaker.api.desired import AccountParts, Addressing, ServiceAddress, Wallet, desired_parts
from perpmaker.api.load import load
from perpmaker.common import rpc
from perpmaker.common.config import Part
from perpmaker.local import exchange, store
from perpmaker.local.processes import Child, ChildSpec, Condition
from perpmaker.local.readiness import announces, grpc_health
from perpmaker.proto.gateway.v1 import gateway_pb2, gateway_pb2_grpc
from perpmaker.proto.orderstate.v1 import orderstate_pb2, orderstate_pb2_grpc
from perpmaker.proto.quoter.v1 import quoter_pb2, quoter_pb2_grpc
from perpmaker.proto.risk.v1 import risk_pb2, risk_pb2_grpc

MARKET = "BTC"
SEED = "d0a3c9c4-4d0e-4a57-9a8f-000000000001"
_START_S = 60.0


@dataclass
class SeededStack:
    """The running processes and what they can be asked."""

    folder: Path
    api_url: str
    control_url: str
    parts: AccountParts
    children: dict[str, Child]
    events: Events

    @property
    def quoter_part(self) -> Any:
        """Configuration the quoter was started with."""
        (part,) = self.parts.quoters.values()
        return part

    def kill(self, name: str) -> None:
        """SIGKILL a process; it is started again."""
        pid = self.children[name].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    async def info(self, **request: Any) -> Any:
        """Ask the exchange, at its control port, where an observer is not limited."""
        async with aiohttp.ClientSession() as session, session.post(f"{self.control_url}/info", json=request) as answer:
            return await answer.json()

    async def control(self, **op: Any) -> dict[str, Any]:
        """Do something to the exchange."""
        async with aiohttp.ClientSession() as session, session.post(self.control_url, json=op) as answer:
            body = await answer.json()
            assert body["ok"], body
            return dict(body["result"])

    async def gateway_status(self) -> gateway_pb2.GetStatusResponse:
        """What the gateway tells. Raises aio.AioRpcError."""
        async with rpc.connect(self.parts.gateway.endpoint.listen) as channel:
            stub = gateway_pb2_grpc.ReferenceServiceStub(channel)
            return await stub.GetStatus(gateway_pb2.GetStatusRequest(), timeout=HANG_S)

    async def summary(self) -> orderstate_pb2.MarketSummary:
        """What order-state holds of the market. Raises aio.AioRpcError."""
        async with rpc.connect(self.parts.order_state.endpoint.listen) as channel:
            stub = orderstate_pb2_grpc.OrdersServiceStub(channel)
            answer = await stub.GetSummary(orderstate_pb2.GetSummaryRequest(), timeout=HANG_S)
        (market,) = answer.markets
        return market

    async def quoter_status(self) -> quoter_pb2.GetStatusResponse:
        """What the quoter tells. Raises aio.AioRpcError."""
        async with rpc.connect(self.quoter_part.endpoint.listen) as channel:
            return await quoter_pb2_grpc.QuoterServiceStub(channel).GetStatus(
                quoter_pb2.GetStatusRequest(), timeout=HANG_S
            )

    async def apply(self, **changes: Any) -> None:
        """Give the quoter a new generation."""
        status = await self.quoter_status()
        generation = status.applied_generation + 1
        part = self.quoter_part.model_copy(update={"generation": generation} | changes)
        request = quoter_pb2.ApplyConfigRequest(generation=generation, part_json=part.model_dump_json())
        async with rpc.connect(self.quoter_part.endpoint.listen) as channel:
            await quoter_pb2_grpc.QuoterServiceStub(channel).ApplyConfig(request, timeout=HANG_S)

    async def open_orders(self) -> list[dict[str, Any]]:
        """Orders of the account as the exchange tells anybody."""
        address = (await self.gateway_status()).account_address
        found: list[dict[str, Any]] = await self.info(type="openOrders", user=address)
        return found

    async def position(self) -> str:
        """Signed size of the account's position at the exchange, "0" for none."""
        address = (await self.gateway_status()).account_address
        state = await self.info(type="clearinghouseState", user=address)
        sizes = [entry["position"]["szi"] for entry in state["assetPositions"]]
        return sizes[0] if sizes else "0"

    async def wait_quoted(self, *, after_ms: int = 0, within_s: float = 40) -> None:
        """Wait until the exchange shows both sides, placed after a moment."""

        async def quoted() -> bool:
            orders = [order for order in await self.open_orders() if order["timestamp"] > after_ms]
            return {order["side"] for order in orders} == {"A", "B"}

        await self.wait("quoted on both sides", quoted, within_s=within_s)

    async def wait(self, what: str, probe: Any, *, within_s: float = HANG_S) -> Any:
        """Wait for a condition, services and exchange being away meanwhile; a failure shows every log's end."""

        async def patient() -> Any:
            try:
                return await probe()
            except (aio.AioRpcError, aiohttp.ClientError):
                return None

        try:
            return await until(what, patient, within_s=within_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def story(self, lines: int = 30) -> str:
        """The end of every log."""
        return "\n".join(
            f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
            for path in sorted(self.folder.glob("*.log"))
        )


@contextlib.asynccontextmanager
async def running(*, flow: bool = True) -> AsyncIterator[SeededStack]:
    """Start everything at once, as a cluster does, and wait until it quotes."""
    folder = Path(tempfile.mkdtemp(prefix="pm-"))
    events = Events()
    children: dict[str, Child] = {}
    try:
        made = await _made(folder, events, children, flow=flow)
        for child in children.values():
            await child.start()
        await children["risk"].reach(frozenset({Condition.READY}), _START_S)
        async with rpc.connect(made.parts.risk.endpoint.listen) as channel:
            stub = risk_pb2_grpc.RiskServiceStub(channel)
            await stub.OpenMarket(risk_pb2.OpenMarketRequest(market=MARKET), timeout=HANG_S)
        await made.wait_quoted(within_s=_START_S)
        yield made
    finally:
        for child in reversed(children.values()):
            await child.stop(5.0)
        shutil.rmtree(folder)


async def _made(folder: Path, events: Events, children: dict[str, Child], *, flow: bool) -> SeededStack:
    port, control_port = free_port(), free_port()
    loaded = load((EXAMPLES,))
    (account,) = loaded.accounts
    maker = next(maker for maker in loaded.makers if maker.spec.market.symbol == MARKET)
    spec, address = store.embedded(folder, folder, folder / "store.log", [account.metadata.name])
    children["store"] = Child(spec, events)
    options = ("--port", str(port), "--control-port", str(control_port), "--flow" if flow else "--no-flow")
    children["venue"] = Child(
        ChildSpec(
            name="venue",
            argv=exchange.command("venue", *options),
            log=folder / "venue.log",
            probe=announces("listening", lambda _entry: {}),
        ),
        events,
    )
    places = {
        name: ServiceAddress(listen=f"unix:{folder}/{name}.sock", target=f"unix:{folder}/{name}.sock")
        for name in ("gateway", "order-state", "risk", "quoter")
    }
    addressing = Addressing(
        gateway=places["gateway"],
        order_state=places["order-state"],
        risk=places["risk"],
        quoters={maker.metadata.name: places["quoter"]},
        order_state_redis_url=address.url_for("order-state", account.metadata.name),
        risk_redis_url=address.url_for("risk", account.metadata.name),
        api_url=f"http://127.0.0.1:{port}",
        wallet=Wallet(simulated_seed=SEED),
    )
    parts = desired_parts(account, (maker,), addressing)
    (quoter,) = parts.quoters.values()
    told: dict[str, Part] = {
        "order-state": parts.order_state,
        "gateway": parts.gateway,
        "risk": parts.risk,
        "quoter": quoter,
    }
    for name, part in told.items():
        config = folder / f"{name}.json"
        config.write_text(part.model_dump_json())
        children[name] = Child(
            ChildSpec(
                name=name,
                argv=exchange.command(name, "--config", str(config)),
                log=folder / f"{name}.log",
                probe=grpc_health(places[name].target),
            ),
            events,
        )
    return SeededStack(folder, addressing.api_url, f"http://127.0.0.1:{control_port}", parts, children, events)
