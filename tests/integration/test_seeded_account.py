"""A simulated account made from a text, over real processes: it signs up, survives a new exchange, and closes up."""

from __future__ import annotations

from decimal import Decimal

from tests.support.seeded_stack import MARKET, SEED, SeededStack, running

from perpmaker.gateway.identity import derive


async def _hold_something(stack: SeededStack) -> int:
    """Have somebody trade with us until order-state holds a position; its size."""

    async def hit() -> int:
        await stack.control(op="trade", coin=MARKET, side="A", sz="0.004")
        summary = await stack.summary()
        return int(summary.standing.position.sz_e8)

    return int(await stack.wait("a position", hit, within_s=30))


async def _agrees(stack: SeededStack) -> bool:
    """Whether order-state and exchange hold the same position."""
    ours = (await stack.summary()).standing
    return Decimal(ours.position.sz_e8) == Decimal(await stack.position()) * 10**8 and ours.drift_e8 == 0


async def test_a_new_exchange_at_the_old_address_is_traded_on_without_anybodys_help() -> None:
    async with running() as stack:
        status = await stack.gateway_status()
        assert (status.account_address, status.signer_address) == (
            derive(SEED, "account").address,
            derive(SEED, "api wallet").address,
        )
        assert status.exchange_connected
        await _hold_something(stack)
        before_ms = int((await stack.info(type="exchangeStatus"))["time"])
        realised = (await stack.summary()).standing.position.fills
        stack.kill("venue")
        await stack.wait_quoted(after_ms=before_ms)

        async def is_healed() -> bool:
            summary = await stack.summary()
            known = {order["cloid"] for order in await stack.open_orders()}
            return await _agrees(stack) and bool(known) and not summary.standing.exposure.unknown_orders

        await stack.wait("position and orders agree with the new exchange", is_healed, within_s=40)
        assert stack.children["gateway"].restarts == 1
        assert (await stack.gateway_status()).account_address == status.account_address
        assert (await stack.summary()).standing.position.fills >= realised
        said = (stack.folder / "gateway.log").read_text()
        assert said.count('"account.signed_up"') == 2
        assert said.count('"account.forgotten"') == 1


async def test_flatten_closes_the_position_at_the_exchange() -> None:
    async with running() as stack:
        await _hold_something(stack)
        await stack.apply(mode="Flatten", flatten_max_slippage_bps=50.0)

        async def is_flat() -> bool:
            return (await stack.quoter_status()).flat

        await stack.wait("it is flat", is_flat, within_s=30)
        assert await stack.open_orders() == []
        assert Decimal(await stack.position()) == 0
        await stack.wait("the books agree", lambda: _agrees(stack))
