"""Hot changes of the gateway: markets, leverage, budgets and the dead man's switch, while everything else goes on.

What can be refused is asked first: the exchange's rules of new markets, then leverage, which is set back if a later
entry is refused. After that nothing can fail, and no connection is opened anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from perpmaker.api.parts import GatewayPart, LeveragePart
from perpmaker.common import logs
from perpmaker.common.reconfigure import NotNowError, UnusableError, UnusableLeverageError
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.connections.rest import ReadError, Rest
from perpmaker.gateway.dead_mans_switch import DeadMansSwitch
from perpmaker.gateway.desk import SigningDesk
from perpmaker.gateway.instruments import UnknownMarketError, dexes_of, resolve
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.preflight import update_leverage
from perpmaker.gateway.reads import AccountReads
from perpmaker.hyperliquid.rules import InstrumentRules
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

HOT_FIELDS: Final = (
    "markets",
    "leverage",
    "max_actions_per_minute",
    "reserved_for_cancels_percent",
    "dead_mans_switch",
)

_log = logs.get(__name__)


class LeverageRefusedError(UnusableLeverageError):
    """The exchange did not set what was asked for."""

    def __init__(self, wanted: LeveragePart, in_force: pb.TradeLimits, text: str) -> None:
        mode = "cross" if in_force.cross else "isolated"
        super().__init__(
            f"leverage {wanted.value} of market {wanted.market!r} is refused: {text}; {in_force.leverage} {mode} stays"
            " in force; choose a lower one, or reduce the position first",
            (wanted.market,),
        )


def changed_leverage(before: Sequence[LeveragePart], after: Sequence[LeveragePart]) -> tuple[LeveragePart, ...]:
    """Entries that are new or differ. Pure."""
    return tuple(entry for entry in after if entry not in before)


def excessive_leverage(entry: LeveragePart, rules: InstrumentRules) -> str | None:
    """Why the exchange can never grant an entry, or None. Pure."""
    if entry.value <= rules.max_leverage:
        return None
    return f"leverage {entry.value} of market {entry.market!r} exceeds the exchange's limit of {rules.max_leverage}"


class Reconfigurator:
    """Carries a new part into everything that works by it."""

    def __init__(
        self,
        part: GatewayPart,
        markets: Markets,
        desk: SigningDesk,
        rest: Rest,
        reads: AccountReads,
        budgets: Budgets,
        switch: DeadMansSwitch,
        market_stream: MarketDataStream,
        account_stream: AccountStream,
    ) -> None:
        self._leverage = part.leverage
        self._markets = markets
        self._desk = desk
        self._rest = rest
        self._reads = reads
        self._budgets = budgets
        self._switch = switch
        self._market_stream = market_stream
        self._account_stream = account_stream

    async def put_in_force(self, part: GatewayPart, now_s: float) -> None:
        """Work by a part that differs in hot fields only. Raises UnusableError, NotNowError; then nothing changed."""
        if not self._markets.is_loaded:
            raise NotNowError("the gateway is starting; offer it again when it has started")
        rules = await self._rules_of([market for market in part.markets if market not in self._markets])
        await self._set_leverage(part, {known.market: known for known in self._markets.rules} | rules)
        self._leverage = part.leverage
        self._markets.serve(part.markets, rules)
        self._budgets.apply(BudgetSettings(part.max_actions_per_minute, part.reserved_for_cancels_percent), now_s)
        self._switch.apply(part.dead_mans_switch)
        await self._market_stream.follow(part.markets)
        await self._account_stream.follow_markets()

    async def _rules_of(self, added: Sequence[str]) -> dict[str, InstrumentRules]:
        if not added:
            return {}
        try:
            universes, places = await self._reads.universes(dexes_of(added))
        except ReadError as error:
            raise NotNowError(f"{error}; the rules of {', '.join(added)} are not known") from error
        rules: dict[str, InstrumentRules] = {}
        unknown: list[UnknownMarketError] = []
        for market in added:
            try:
                rules |= resolve((market,), universes, places)
            except UnknownMarketError as error:
                unknown.append(error)
        if unknown:
            told = "; ".join(map(str, unknown))
            raise UnusableError(f"{told}; correct the market's symbol", [error.market for error in unknown])
        return rules

    async def _set_leverage(self, part: GatewayPart, rules: Mapping[str, InstrumentRules]) -> None:
        wanted = [entry for entry in changed_leverage(self._leverage, part.leverage) if entry.market in part.markets]
        excessive = {entry.market: excessive_leverage(entry, rules[entry.market]) for entry in wanted}
        refused = [market for market, problem in excessive.items() if problem]
        if refused:
            raise UnusableLeverageError("; ".join(excessive[market] or "" for market in refused), refused)
        done: list[tuple[LeveragePart, pb.TradeLimits]] = []
        try:
            for entry in wanted:
                before = await self._reads.trade_limits(entry.market)
                if (before.leverage, before.cross) == (entry.value, entry.cross):
                    continue
                done.append((entry, before))
                await self._set_one(entry, rules[entry.market])
        except ReadError as error:
            await self._set_back(done, rules)
            raise NotNowError(f"{error}; leverage cannot be verified") from error
        except UnusableError:
            await self._set_back(done, rules)
            raise

    async def _set_one(self, entry: LeveragePart, rules: InstrumentRules) -> None:
        refusal = await update_leverage(rules.asset_id, entry.value, entry.cross, self._desk, self._rest)
        in_force = await self._reads.trade_limits(entry.market)
        if (in_force.leverage, in_force.cross) != (entry.value, entry.cross):
            raise LeverageRefusedError(entry, in_force, refusal or "the exchange shows another value")
        _log.info("leverage.set", market=entry.market, value=entry.value, cross=entry.cross)

    async def _set_back(
        self, done: Sequence[tuple[LeveragePart, pb.TradeLimits]], rules: Mapping[str, InstrumentRules]
    ) -> None:
        for entry, before in done:
            asset_id = rules[entry.market].asset_id
            refusal = await update_leverage(asset_id, before.leverage, before.cross, self._desk, self._rest)
            if refusal is not None:
                _log.warning("leverage.not_set_back", market=entry.market, wanted=before.leverage, text=refusal)
