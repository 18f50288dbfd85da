"""A key that is replaced while the gateway runs: taken over when it may trade, told when it may not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from tests.support.gateway import TestGateway, running_gateway
from tests.support.venue import TestVenue, VenueClient, key_of, running
from tests.support.waiting import until

from perpmaker.common.clock import ManualClock
from perpmaker.gateway.desk import FORMER_SIGNERS_KEPT_MS, ForgottenSignerError, SigningDesk
from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.nonces import Nonces
from perpmaker.gateway.signing import Signer
from perpmaker.hyperliquid.wire import NoopAction
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

OWNER, FIRST, SECOND, STRANGER = 1, 11, 12, 99
SOONER_S = 20
"""Less than the pause after which a refused key is asked about anyway."""


class MountedSecret:
    """A directory as the kubelet keeps it: files are links into `..data`, which is a link to the newest content."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._versions = 0
        directory.mkdir()

    @property
    def key_file(self) -> Path:
        return self._directory / "key"

    def put(self, content: str) -> None:
        """Replace the content in one step."""
        self._versions += 1
        version = self._directory / f"..version_{self._versions}"
        version.mkdir()
        file = version / "key"
        file.write_text(content)
        file.chmod(0o440)
        link = self._directory / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self._directory / "..data")
        if not self.key_file.is_symlink():
            self.key_file.symlink_to(Path("..data") / "key")


def text_of(key: LocalAccount) -> str:
    return key.key.hex()


def address_of(number: int) -> str:
    return key_of(number).address.lower()


async def _owner_with_two_agents(venue: TestVenue) -> VenueClient:
    owner = venue.client(OWNER)
    await venue.control("fund", address=owner.address, usdc=10_000)
    for number, name in ((FIRST, "first"), (SECOND, "second")):
        assert (await owner.approve_agent(key_of(number), name))["status"] == "ok"
    return owner


def _secret(tmp_path: Path) -> MountedSecret:
    secret = MountedSecret(tmp_path / "secret")
    secret.put(text_of(key_of(FIRST)))
    return secret


def _identity(owner: VenueClient, secret: MountedSecret) -> dict[str, object]:
    return {
        "address": owner.address,
        "key_file": secret.key_file,
        "key_file_group_readable": True,
        "expected_signer": None,
    }


async def _signs_with(gateway: TestGateway, number: int) -> None:
    async def is_taken_over() -> bool:
        return gateway.service.status().signer_address == address_of(number)

    await until("the new key signs", is_taken_over, within_s=SOONER_S)


async def _is_refused(gateway: TestGateway, words: str) -> pb.GetStatusResponse:
    async def says() -> bool:
        return words in gateway.service.status().key_refusal

    await until(f"the refusal says {words!r}", says, within_s=SOONER_S)
    return gateway.service.status()


async def _places(gateway: TestGateway, number: int) -> bool:
    cloid = gateway.cloid(number)
    told = await gateway.execute(places=[gateway.order(cloid, px="10000", sz="0.001")])
    return told.outcome_of(cloid).HasField("resting")


async def test_orders_after_a_rotation_are_signed_by_the_new_agent(tmp_path: Path) -> None:
    async with running() as venue:
        owner, secret = await _owner_with_two_agents(venue), _secret(tmp_path)
        async with running_gateway(venue, tmp_path, **_identity(owner, secret)) as gateway:
            assert gateway.service.status().signer_address == address_of(FIRST)
            assert await _places(gateway, 1)
            secret.put(text_of(key_of(SECOND)))
            await _signs_with(gateway, SECOND)
            # The former agent is withdrawn: only what the new one signs is accepted from here on.
            assert (await owner.approve_agent(key_of(7), "first"))["status"] == "ok"
            assert await _places(gateway, 2)
            assert gateway.service.status().ready
            assert gateway.service.status().key_refusal == ""
        assert len(await owner.mine("openOrders")) == 2


async def test_the_end_of_the_new_agents_approval_is_told(tmp_path: Path) -> None:
    async with running() as venue:
        owner, secret = await _owner_with_two_agents(venue), _secret(tmp_path)
        ends = {agent["address"]: agent["validUntil"] for agent in await owner.mine("extraAgents")}
        async with running_gateway(venue, tmp_path, **_identity(owner, secret)) as gateway:
            assert gateway.service.status().signer_valid_until_ms == ends[address_of(FIRST)]
            secret.put(text_of(key_of(SECOND)))

            async def is_told() -> bool:
                return gateway.service.status().signer_valid_until_ms == ends[address_of(SECOND)]

            await until("the new end is told", is_told, within_s=SOONER_S)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (text_of(key_of(STRANGER)), f"approve {address_of(STRANGER)}"),
        ("not a key", "does not hold a key"),
        ("0" * 64, "valid secp256k1 key"),
    ],
)
async def test_a_bad_key_changes_nothing_but_what_is_told_until_a_good_one_comes(
    tmp_path: Path, content: str, words: str
) -> None:
    async with running() as venue:
        owner, secret = await _owner_with_two_agents(venue), _secret(tmp_path)
        async with running_gateway(venue, tmp_path, **_identity(owner, secret)) as gateway:
            secret.put(content)
            status = await _is_refused(gateway, words)
            assert content not in status.key_refusal
            assert status.signer_address == address_of(FIRST)
            assert status.ready
            assert await _places(gateway, 1)
            secret.put(text_of(key_of(SECOND)))
            await _signs_with(gateway, SECOND)
            assert gateway.service.status().key_refusal == ""


async def test_the_former_key_put_back_ends_the_refusal(tmp_path: Path) -> None:
    async with running() as venue:
        owner, secret = await _owner_with_two_agents(venue), _secret(tmp_path)
        async with running_gateway(venue, tmp_path, **_identity(owner, secret)) as gateway:
            secret.put(text_of(key_of(STRANGER)))
            await _is_refused(gateway, "approve")
            secret.put(text_of(key_of(FIRST)))

            async def is_accepted() -> bool:
                return gateway.service.status().key_refusal == ""

            await until("the refusal is over", is_accepted, within_s=SOONER_S)


async def test_a_key_that_is_not_the_expected_one_is_refused_although_it_is_approved(tmp_path: Path) -> None:
    async with running() as venue:
        owner, secret = await _owner_with_two_agents(venue), _secret(tmp_path)
        identity = _identity(owner, secret) | {"expected_signer": key_of(FIRST).address}
        async with running_gateway(venue, tmp_path, **identity) as gateway:
            secret.put(text_of(key_of(SECOND)))
            status = await _is_refused(gateway, f"{address_of(FIRST)} is expected")
            assert status.signer_address == address_of(FIRST)


async def test_a_key_that_disappears_is_told_and_the_old_one_goes_on(tmp_path: Path) -> None:
    async with running() as venue:
        owner, secret = await _owner_with_two_agents(venue), _secret(tmp_path)
        async with running_gateway(venue, tmp_path, **_identity(owner, secret)) as gateway:
            secret.key_file.unlink()
            await _is_refused(gateway, "cannot be opened")
            assert await _places(gateway, 1)


def _signer(number: int) -> Signer:
    return Signer(SigningKey(bytes(key_of(number).key)), "b")


def test_a_nonce_of_the_past_is_signed_by_the_key_that_used_it_as_long_as_that_proves_anything() -> None:
    clock = ManualClock(now_ms=int(time.time() * 1000))
    desk = SigningDesk(_signer(FIRST), Nonces(clock, 0), clock, Measurements())
    before = desk.sign(NoopAction()).nonce
    desk.replace_signer(_signer(SECOND))
    after = desk.sign(NoopAction()).nonce
    assert after > before
    burn = desk.sign(NoopAction(), nonce=before).body
    assert burn == _signer(FIRST).sign(NoopAction(), before).body
    assert desk.sign(NoopAction(), nonce=after).body == _signer(SECOND).sign(NoopAction(), after).body
    clock.advance_ms(FORMER_SIGNERS_KEPT_MS + 1)
    with pytest.raises(ForgottenSignerError):
        desk.sign(NoopAction(), nonce=before)
    assert desk.sign(NoopAction(), nonce=after).body == _signer(SECOND).sign(NoopAction(), after).body
