"""What must be true before anything is sent: the key may trade for the account, the markets exist, the clocks agree.

Refusals are StartErrors that say what to do; an exchange that does not answer is waited for, since restarting would not
bring it back.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from perpmaker.api.parts import LeveragePart
from perpmaker.common import logs
from perpmaker.common.clock import Clock
from perpmaker.common.service import StartError
from perpmaker.gateway.connections.order_entry import Answered
from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.decode import reference_wire
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.exchange_clock import WARN_OFFSET_MS, ExchangeClock
from perpmaker.gateway.identity import Identity
from perpmaker.gateway.instruments import UnknownMarketError, dexes_of, resolve
from perpmaker.gateway.outcomes import Accepted, Malformed, Refused, read_answer
from perpmaker.gateway.reads import AccountReads
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.hyperliquid.wire import UpdateLeverageAction

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 2.0
_AGENT_EXPIRY_WARNING_MS = 7 * 24 * 3600 * 1000
_REST_TIMEOUT_S = 5.0
_LEVERAGE_CAP = re.compile(r"leverage\D*?(\d+)\s*x|(\d+)\s*x\D*?leverage", re.IGNORECASE)

_log = logs.get(__name__)

T = TypeVar("T")


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """Repeat a read until the exchange answers."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await read()
        except ReadError as error:
            _log.warning("preflight.waiting_for_exchange", read=error.kind, reason=error.reason)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


async def sample_clock(rest: Rest, clock: Clock, exchange_clock: ExchangeClock) -> None:
    """Read the exchange's time once. Raises ReadError."""
    asked_ms = clock.now_ms()
    status = await rest.info(reference_wire.EXCHANGE_STATUS, "exchangeStatus")
    exchange_clock.observe(asked_ms, clock.now_ms(), status.time)
    offset_ms = exchange_clock.offset_ms
    if abs(offset_ms) >= WARN_OFFSET_MS:
        _log.warning("clock.offset", offset_ms=offset_ms, remedy="synchronise this machine's clock (NTP)")


def is_agent_of(role: reference_wire.UserRoleWire, *owners: str) -> bool:
    """Whether `userRole` of a signer says that it is an API wallet of one of the owners (lower case). Pure."""
    return role.role == "agent" and (role.data or {}).get("user", "").lower() in owners


def refusal_of_signer(role: reference_wire.UserRoleWire, signer: str, owners: tuple[str, ...]) -> str | None:
    """Why this signer may not trade for the account, as `userRole` of the signer says, or None. Pure.

    `owners` are the addresses whose agents may sign: the account, and its master when it is a sub-account. All lower
    case.
    """
    account = owners[0]
    if signer in owners or is_agent_of(role, *owners):
        return None
    if role.role == "agent":
        master = (role.data or {}).get("user", "").lower()
        return f"API wallet {signer} is approved for {master}, not for {account}; use the key approved by {account}"
    return (
        f"key of {signer} is no API wallet of {account} (the exchange says: {role.role});"
        f" approve {signer} as an API wallet of {account}, or use the key that is approved"
    )


async def why_not(account: str, signer: str, expected_signer: str | None, key_file: Path | None, rest: Rest) -> str:
    """Why a key may not trade for the account, with the remedy; empty when it may. Raises ReadError.

    Addresses are lower case, except that of `expected_signer`, which is as the user wrote it.
    """
    if expected_signer is not None and expected_signer.lower() != signer:
        return (
            f"key file {key_file} belongs to {signer}, but {expected_signer.lower()} is expected;"
            " mount the right key or correct the expected signer"
        )
    role = await rest.info(reference_wire.USER_ROLE, "userRole", user=signer)
    owners: tuple[str, ...] = (account,)
    if role.role == "agent" and not is_agent_of(role, account):
        own = await rest.info(reference_wire.USER_ROLE, "userRole", user=account)
        if own.role == "subAccount" and own.data is not None:
            owners = (account, own.data.get("master", "").lower())
    problem = refusal_of_signer(role, signer, owners) or ""
    if not problem and signer in owners:
        _log.warning("signer.is_master", remedy="use an API wallet, which cannot withdraw")
    return problem


async def check_signer(identity: Identity, expected_signer: str | None, rest: Rest) -> None:
    """Verify with the exchange that the key may trade for the account. Raises StartError."""
    account, signer = identity.address, identity.key.address
    problem = await patiently(lambda: why_not(account, signer, expected_signer, identity.key_file, rest))
    if problem:
        raise StartError(problem)


async def valid_until_ms(account: str, signer: str, rest: Rest, clock: Clock) -> int:
    """When the exchange's approval of the signer ends, ms; 0 when it does not say. Warns of the end. Raises ReadError.

    The exchange lists named API wallets only.
    """
    for agent in await rest.info(reference_wire.EXTRA_AGENTS, "extraAgents", user=account):
        if agent.address.lower() == signer and agent.valid_until is not None:
            left_ms = agent.valid_until - clock.now_ms()
            if left_ms < _AGENT_EXPIRY_WARNING_MS:
                _log.warning(
                    "signer.expires", days_left=round(left_ms / 86_400_000, 1), remedy="approve a new API wallet"
                )
            return agent.valid_until
    return 0


async def read_instruments(markets: Sequence[str], reads: AccountReads) -> dict[str, InstrumentRules]:
    """Rules of markets. Raises ReadError, UnknownMarketError."""
    universes, places = await reads.universes(dexes_of(markets))
    return resolve(markets, universes, places)


async def load_instruments(
    markets: Sequence[str], reads: AccountReads
) -> tuple[dict[str, InstrumentRules], dict[str, InstrumentRules]]:
    """The same, waiting for the exchange: of markets that can be traded, and of those that were delisted.

    The latter were good once, and the account's other markets still are. Raises StartError.
    """
    left = list(markets)
    delisted: dict[str, InstrumentRules] = {}
    while True:
        try:
            return await patiently(lambda: read_instruments(left, reads)), delisted
        except UnknownMarketError as error:
            if error.delisted is None:
                raise StartError(f"{error}; correct the market's symbol") from error
            _log.error("market.delisted", market=error.market, remedy="take it out of the configuration")
            delisted[error.market] = error.delisted
            left.remove(error.market)


def leverage_cap(text: str, wanted: int) -> int | None:
    """Leverage that a refusal names as allowed ("... leverage ... 25x"), if it is a lower one. Pure."""
    caps = [int(first or second) for first, second in _LEVERAGE_CAP.findall(text)]
    possible = [cap for cap in caps if 1 <= cap < wanted]
    return possible[-1] if possible else None


async def set_leverage(
    wanted: LeveragePart, rules: InstrumentRules, desk: SigningDesk, rest: Rest, reads: AccountReads
) -> None:
    """Set leverage and margin mode, follow a cap named in the refusal, and verify by reading it back."""
    in_force = await patiently(lambda: reads.trade_limits(wanted.market))
    value = min(wanted.value, rules.max_leverage)
    for _ in range(2):
        if in_force.leverage == value and in_force.cross == wanted.cross:
            break
        refusal = await update_leverage(rules.asset_id, value, wanted.cross, desk, rest)
        in_force = await patiently(lambda: reads.trade_limits(wanted.market))
        if refusal is None:
            break
        _log.warning("leverage.refused", market=wanted.market, requested=value, text=refusal)
        cap = leverage_cap(refusal, value)
        if cap is None:
            break
        value = cap
    if in_force.leverage != wanted.value or in_force.cross != wanted.cross:
        _log.warning("leverage.capped", market=wanted.market, requested=wanted.value, actual=in_force.leverage)


async def update_leverage(asset_id: int, value: int, cross: bool, desk: SigningDesk, rest: Rest) -> str | None:
    """Set leverage and margin mode once; why the exchange did not, or None."""
    signed = desk.sign(UpdateLeverageAction(asset=asset_id, is_cross=cross, leverage=value))
    result = await rest.exchange(signed.body, _REST_TIMEOUT_S)
    if not isinstance(result, Answered):
        return "no answer"
    match read_answer(result.payload):
        case Refused(text):
            return text
        case Malformed():
            return "malformed answer"
        case Accepted():
            return None
