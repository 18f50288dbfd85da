"""A venue in this process and a small client of it, for tests of anything that talks to an exchange.

    async with running(seed=3, flow=False) as venue:
        alice = venue.client()
        await alice.place("BTC", is_buy=True, px="63000", sz="0.01")

The client signs with `eth_account`, so the venue's own signature code is checked by somebody else's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
import msgspec
from Crypto.Hash import keccak
from eth_account import Account
from eth_account.signers.local import LocalAccount
from tests.support.waiting import HANG_S

from perpmaker.venue.core import Venue
from perpmaker.venue.options import VenueOptions
from perpmaker.venue.shell.server import RunningVenue, running_venue

FAST_BLOCK_MS = 5
_ZERO = "0x" + "0" * 40
_AGENT = {"Agent": [{"name": "source", "type": "string"}, {"name": "connectionId", "type": "bytes32"}]}
_OWNERS_STRUCTS = {
    "approveAgent": ("ApproveAgent", {"agentAddress": "address", "agentName": "string", "nonce": "uint64"}),
    "usdClassTransfer": ("UsdClassTransfer", {"amount": "string", "toPerp": "bool", "nonce": "uint64"}),
}


def key_of(number: int) -> LocalAccount:
    """A deterministic key: the same number is always the same trader."""
    signer: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
    return signer


def sign_action(
    key: LocalAccount,
    action: dict[str, Any],
    nonce: int,
    *,
    vault: str | None = None,
    expires_after: int | None = None,
    source: str = "b",
) -> dict[str, Any]:
    """The signature of an L1 action as it goes on the wire."""
    data = msgspec.msgpack.encode(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault[2:])
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    digest = keccak.new(digest_bits=256, data=data).digest()
    domain = {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": _ZERO}
    signed = Account.sign_typed_data(key.key, domain, _AGENT, {"source": source, "connectionId": digest})
    return {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}


def sign_as_owner(key: LocalAccount, action: dict[str, Any]) -> dict[str, Any]:
    """The signature of an action that only an account's owner can sign, as it goes on the wire."""
    name, fields = _OWNERS_STRUCTS[action["type"]]
    kinds = {"hyperliquidChain": "string"} | fields
    domain = {
        "name": "HyperliquidSignTransaction",
        "version": "1",
        "chainId": int(action["signatureChainId"], 16),
        "verifyingContract": _ZERO,
    }
    types = {f"HyperliquidTransaction:{name}": [{"name": field, "type": kind} for field, kind in kinds.items()]}
    message = {field: action[field] if action.get(field) is not None else "" for field in kinds}
    signed = Account.sign_typed_data(key.key, domain, types, message)
    return {"r": hex(signed.r), "s": hex(signed.s), "v": signed.v}


def order_wire(
    asset: int,
    *,
    is_buy: bool,
    px: str,
    sz: str,
    tif: str = "Alo",
    cloid: str | None = None,
    reduce_only: bool = False,
) -> dict[str, Any]:
    """One order in canonical key order."""
    wire = {"a": asset, "b": is_buy, "p": px, "s": sz, "r": reduce_only, "t": {"limit": {"tif": tif}}}
    return wire if cloid is None else wire | {"c": cloid}


def orders_action(*orders: dict[str, Any]) -> dict[str, Any]:
    return {"type": "order", "orders": list(orders), "grouping": "na"}


@dataclass
class VenueSocket:
    """One WebSocket: everything received so far, and waiting for what is still to come."""

    socket: aiohttp.ClientWebSocketResponse
    received: list[dict[str, Any]] = field(default_factory=list)
    close_code: int | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _ids: Any = field(default_factory=lambda: count(1))

    async def read_forever(self) -> None:
        async for message in self.socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                self.received.append(json.loads(message.data))
                self._news.set()
        self.close_code = self.socket.close_code
        self._news.set()

    async def send(self, message: dict[str, Any]) -> None:
        await self.socket.send_json(message)

    async def subscribe(self, **subscription: Any) -> dict[str, Any]:
        """Subscribe and return the normalised echo."""
        seen = len(self.received)
        await self.send({"method": "subscribe", "subscription": subscription})
        echo = await self.wait(lambda m: m["channel"] == "subscriptionResponse", after=seen)
        return dict(echo["data"]["subscription"])

    async def post(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Post an info request or a signed action and return the response object."""
        number = await self.post_only(kind, payload)
        answer = await self.wait(lambda m: m["channel"] == "post" and m["data"]["id"] == number)
        return dict(answer["data"]["response"])

    async def post_only(self, kind: str, payload: dict[str, Any]) -> int:
        number = next(self._ids)
        await self.send({"method": "post", "id": number, "request": {"type": kind, "payload": payload}})
        return int(number)

    def on(self, channel: str) -> list[Any]:
        """Data of every message of a channel so far."""
        return [message["data"] for message in self.received if message["channel"] == channel]

    async def wait(
        self, matches: Callable[[dict[str, Any]], bool], *, after: int = 0, deadline_s: float = HANG_S
    ) -> dict[str, Any]:
        """The first message from position `after` on that matches. Raises `TimeoutError`."""
        async with asyncio.timeout(deadline_s):
            while True:
                for message in self.received[after:]:
                    if matches(message):
                        return message
                await self._next(len(self.received))

    async def closed(self, deadline_s: float = HANG_S) -> int | None:
        """Wait until the venue has ended the connection; the close code, if it gave one."""
        async with asyncio.timeout(deadline_s):
            while not self.socket.closed:
                await self._next(len(self.received))
        return self.socket.close_code

    async def _next(self, seen: int) -> None:
        while len(self.received) == seen and not self.socket.closed:
            self._news.clear()
            await self._news.wait()


@dataclass
class VenueClient:
    """A trader: a key, the account it acts for, and a session."""

    running: RunningVenue
    session: aiohttp.ClientSession
    key: LocalAccount
    account: str
    source: str = "b"
    _nonce: int = 0

    @property
    def address(self) -> str:
        """The account this client trades for, in lower case."""
        return self.account

    def next_nonce(self) -> int:
        self._nonce = max(self.running.venue.state.now_ms, self._nonce + 1)
        return self._nonce

    def envelope(
        self, action: dict[str, Any], *, nonce: int | None = None, expires_after: int | None = None
    ) -> dict[str, Any]:
        """A signed `/exchange` body."""
        used = self.next_nonce() if nonce is None else nonce
        signature = sign_action(self.key, action, used, expires_after=expires_after, source=self.source)
        body = {"action": action, "nonce": used, "signature": signature}
        return body if expires_after is None else body | {"expiresAfter": expires_after}

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """A raw request: status, and the JSON value or the text."""
        async with self.session.post(self.running.api_url + path, json=body) as response:
            text = await response.text()
            return response.status, json.loads(text) if response.content_type == "application/json" else text

    async def exchange(self, action: dict[str, Any], **envelope: Any) -> dict[str, Any]:
        status, answer = await self.post("/exchange", self.envelope(action, **envelope))
        assert status == 200, answer
        return dict(answer)

    async def info(self, kind: str, **fields: Any) -> Any:
        """What the venue says of itself, asked at its control port, where an observer is not limited."""
        asked = {"type": kind} | fields
        async with self.session.post(self.running.control_url + "/info", json=asked) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def mine(self, kind: str, **fields: Any) -> Any:
        """An info request about this account."""
        return await self.info(kind, user=self.address, **fields)

    def asset(self, coin: str) -> int:
        market = self.running.venue.state.market_of(coin)
        assert market is not None
        return market.asset

    async def place(self, coin: str, *, is_buy: bool, px: str, sz: str, **options: Any) -> dict[str, Any]:
        """Place one order and return its status entry."""
        order = order_wire(self.asset(coin), is_buy=is_buy, px=px, sz=sz, **options)
        answer = await self.exchange(orders_action(order))
        assert answer["status"] == "ok", answer
        return dict(answer["response"]["data"]["statuses"][0])

    async def cancel(self, coin: str, oid: int) -> Any:
        action = {"type": "cancel", "cancels": [{"a": self.asset(coin), "o": oid}]}
        return (await self.exchange(action))["response"]["data"]["statuses"][0]

    async def approve_agent(self, agent: LocalAccount, name: str | None = None) -> dict[str, Any]:
        nonce = self.next_nonce()
        action = {
            "type": "approveAgent",
            "signatureChainId": "0x66eee",
            "hyperliquidChain": "Testnet",
            "agentAddress": agent.address.lower(),
            "nonce": nonce,
        } | ({} if name is None else {"agentName": name})
        body = {"action": action, "nonce": nonce, "signature": sign_as_owner(self.key, action)}
        return dict((await self.post("/exchange", body))[1])

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[VenueSocket]:
        """A WebSocket that reads by itself until the block ends."""
        async with self.session.ws_connect(self.running.ws_url) as raw:
            socket = VenueSocket(raw)
            reader = asyncio.create_task(socket.read_forever())
            try:
                yield socket
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)


@dataclass
class TestVenue:
    """A running venue with its control port at hand."""

    __test__ = False

    running: RunningVenue
    session: aiohttp.ClientSession

    @property
    def api_url(self) -> str:
        return self.running.api_url

    @property
    def ws_url(self) -> str:
        return self.running.ws_url

    @property
    def control_url(self) -> str:
        return self.running.control_url

    @property
    def core(self) -> Venue:
        """The venue itself, to look at; changing it from a test bypasses the blocks."""
        return self.running.venue

    def client(self, number: int = 1, *, account: str | None = None, source: str = "b") -> VenueClient:
        """A trader with the key of this number, acting for its own account unless another is given."""
        key = key_of(number)
        return VenueClient(self.running, self.session, key, account or key.address.lower(), source)

    async def control(self, op: str, **fields: Any) -> dict[str, Any]:
        """Run a control operation. Raises `AssertionError` with the venue's answer when refused."""
        answer = await self.control_raw({"op": op} | fields)
        assert answer["ok"], answer
        return dict(answer["result"])

    async def control_raw(self, body: Any) -> dict[str, Any]:
        """What the control port answers to any body at all."""
        async with self.session.post(self.control_url, json=body) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[TestVenue]:
    """A venue on free ports with blocks every few milliseconds. Options are those of `VenueOptions`."""
    chosen = VenueOptions(**({"block_ms": FAST_BLOCK_MS, "flow": False} | options))
    async with running_venue(chosen) as venue, aiohttp.ClientSession() as session:
        yield TestVenue(venue, session)
