"""A key in a Secret is replaced while it signs: the new one takes over without a restart, a wrong one never does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import pytest
import pytest_asyncio
from eth_account.signers.local import LocalAccount
from tests.e2e.cluster.cluster import Cluster
from tests.e2e.desk import Desk, desk_of
from tests.e2e.house import ACCOUNT, START_S, House, Installation, account, installed, maker
from tests.e2e.measure import Measure
from tests.e2e.workloads import IMAGE
from tests.support.venue import key_of, sign_as_owner

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

OWNER, FIRST, SECOND, ANOTHER, STRANGER = (key_of(number) for number in (1001, 1011, 1012, 1013, 1099))
SECRET: Final = "main-api-wallet"
NEWS_S: Final = 60.0
"""Time for a Secret's new content to reach a pod."""


@pytest.fixture(scope="module")
def installation(node_cluster: Cluster) -> Iterator[Installation]:
    """An installation of its own, whose account is the test's."""
    with installed(node_cluster, IMAGE, tls=False) as made:
        yield made


@pytest_asyncio.fixture
async def desk(house: House) -> Desk:
    """A maker on an account whose key is FIRST."""
    if await house.api.get("TradingAccount", ACCOUNT, house.namespace) is None:
        wallet = {"secretRef": {"name": SECRET}}
        await house.apply(account(address=OWNER.address, apiWallet=wallet), maker("eth"))

        async def funded() -> bool:
            return bool(await house.venue.control("fund", address=OWNER.address, usdc=100_000))

        await house.until("the exchange runs", funded, within_s=START_S)
        await _approve(house, FIRST, "first")
        await _put(house, FIRST)
    return await desk_of(house, "eth")


async def _approve(house: House, agent: LocalAccount, name: str) -> None:
    """Have the exchange accept an API wallet; the one of that name before it is withdrawn."""
    nonce = time.time_ns() // 1_000_000
    action = {
        "type": "approveAgent",
        "signatureChainId": "0x66eee",
        "hyperliquidChain": "Testnet",
        "agentAddress": agent.address.lower(),
        "agentName": name,
        "nonce": nonce,
    }
    envelope = {"action": action, "nonce": nonce, "signature": sign_as_owner(OWNER, action)}
    answer = await house.venue.exchange(envelope)
    assert answer["status"] == "ok", answer


async def _put(house: House, key: LocalAccount) -> None:
    """Make this the content of the account's Secret."""
    await house.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET},
            "stringData": {"privateKey": key.key.hex()},
        }
    )


async def _signer(house: House) -> str:
    found = await house.api.read("TradingAccount", ACCOUNT, house.namespace)
    return str((found.get("status") or {}).get("apiWalletAddress", ""))


async def _signs(house: House, key: LocalAccount) -> None:
    async def told() -> bool:
        return await _signer(house) == key.address.lower()

    await house.until(f"status tells that {key.address} signs", told, within_s=NEWS_S)


async def _still_places(desk: Desk) -> None:
    """The exchange takes orders signed from now on, not only those it has."""
    await desk.placed_after(await desk.newest())


async def _gateway(house: House) -> tuple[str, int]:
    pod = await house.pod("main-gateway")
    return pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]


async def test_a_new_key_signs_without_a_restart(house: House, desk: Desk, measured: Measure) -> None:
    await _signs(house, FIRST)
    before = await _gateway(house)
    await _approve(house, SECOND, "second")
    began = time.monotonic()
    await _put(house, SECOND)
    await _signs(house, SECOND)
    measured("Secret replaced to the new key's name in status", f"{time.monotonic() - began:.1f} s")
    # The former API wallet is withdrawn: what the exchange takes from here on is signed by the new one.
    await _approve(house, ANOTHER, "first")
    await _still_places(desk)
    assert await _gateway(house) == before
    assert await house.events("CredentialsRotated", ACCOUNT)
    await house.condition("TradingAccount", ACCOUNT, "CredentialsValid", "True")
    await desk.is_sound()


async def test_a_key_that_is_not_approved_leaves_the_old_one_in_use_and_says_so(house: House, desk: Desk) -> None:
    signer, before = await _signer(house), await _gateway(house)
    await _put(house, STRANGER)
    told = await house.condition("TradingAccount", ACCOUNT, "CredentialsValid", "False", within_s=NEWS_S)
    assert f"approve {STRANGER.address.lower()}" in told["message"]
    assert STRANGER.key.hex() not in str(told)
    assert await _signer(house) == signer
    await _still_places(desk)
    await _approve(house, STRANGER, "late")
    await house.condition("TradingAccount", ACCOUNT, "CredentialsValid", "True", within_s=NEWS_S)
    await _signs(house, STRANGER)
    await _still_places(desk)
    assert await _gateway(house) == before
    assert await desk.notional() <= Decimal(5000)
