"""`perpmaker transfer` on the simulated exchange: what the owner's key moves, and what is said when it did not."""

from __future__ import annotations

import asyncio
from pathlib import Path

from click.testing import Result
from tests.support.venue import TestVenue, VenueClient, key_of, running
from typer.testing import CliRunner

from perpmaker.cli.main import app

OWNER = 1


async def an_owner(venue: TestVenue, directory: Path) -> tuple[VenueClient, Path]:
    """An account with money in perpetuals, and the file of its own key."""
    key_file = directory / "owner.key"
    key_file.write_text(bytes(key_of(OWNER).key).hex())
    key_file.chmod(0o600)
    client = venue.client(OWNER)
    assert (await client.approve_agent(key_of(OWNER + 1)))["status"] == "ok"
    return client, key_file


async def transfer(venue: TestVenue, key_file: Path, amount: str, to: str) -> Result:
    """Run the command."""
    told = ("--amount", amount, "--to", to, "--key-file", str(key_file), "--api-url", venue.api_url)
    return await asyncio.to_thread(CliRunner().invoke, app, ["transfer", *told])


async def balances(client: VenueClient) -> tuple[float, float]:
    """USDC in perpetuals and in spot."""
    perp = (await client.mine("clearinghouseState"))["marginSummary"]["accountValue"]
    spot = (await client.mine("spotClearinghouseState"))["balances"]
    return float(perp), sum(float(entry["total"]) for entry in spot if entry["coin"] == "USDC")


async def test_the_owner_moves_money_to_spot_and_back(tmp_path: Path) -> None:
    async with running() as venue:
        client, key_file = await an_owner(venue, tmp_path)
        perp, spot = await balances(client)
        there = await transfer(venue, key_file, "250.5", "spot")
        assert (there.exit_code, there.stdout) == (0, f"250.5 USDC of {client.address} moved to spot\n"), there.stderr
        assert await balances(client) == (perp - 250.5, spot + 250.5)
        assert (await transfer(venue, key_file, "50.5", "perp")).exit_code == 0
        assert await balances(client) == (perp - 200, spot + 200)


async def test_a_refused_transfer_fails_with_the_words_of_the_exchange(tmp_path: Path) -> None:
    async with running() as venue:
        client, key_file = await an_owner(venue, tmp_path)
        before = await balances(client)
        result = await transfer(venue, key_file, "1", "perp")
        assert result.exit_code == 1
        assert result.stderr.startswith("the exchange refused: ")
        assert await balances(client) == before


async def test_an_api_wallet_cannot_move_what_it_trades_with(tmp_path: Path) -> None:
    async with running() as venue:
        client, key_file = await an_owner(venue, tmp_path)
        key_file.write_text(bytes(key_of(OWNER + 1).key).hex())
        before = await balances(client)
        result = await transfer(venue, key_file, "1", "spot")
        assert (result.exit_code, await balances(client)) == (1, before)
        assert "refused" in result.stderr


async def test_a_transfer_without_an_answer_is_told_as_not_known(tmp_path: Path) -> None:
    async with running() as venue:
        client, key_file = await an_owner(venue, tmp_path)
        perp, spot = await balances(client)
        await venue.control("drop_after_commit", n=1)
        result = await transfer(venue, key_file, "10", "spot")
        assert result.exit_code == 1
        assert "whether it was moved is not known" in result.stderr
        assert await balances(client) == (perp - 10, spot + 10)


async def test_where_nobody_listens_nothing_is_moved(tmp_path: Path) -> None:
    async with running() as venue:
        client, key_file = await an_owner(venue, tmp_path)
        before = await balances(client)
        told = ("--amount", "1", "--to", "spot", "--key-file", str(key_file), "--api-url", "http://127.0.0.1:9")
        result = await asyncio.to_thread(CliRunner().invoke, app, ["transfer", *told])
        assert (result.exit_code, await balances(client)) == (1, before)
        assert result.stderr.startswith("no exchange at http://127.0.0.1:9: ")
