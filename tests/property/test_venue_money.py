"""Money adds up whatever happens to it: isolated margin, liquidations, funding, halts, in two collaterals at once."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.support.venue_core import ALICE, BOB, CAROL, Bench, bench

from perpmaker.venue.engine import halts, leverage, margin
from perpmaker.venue.engine.actions import UpdateLeverage
from perpmaker.venue.engine.invariants import violations
from perpmaker.venue.engine.orders import NewOrder, Tif
from perpmaker.venue.units import E8

SOL, GOLD, THIN = 0, 110_000, 110_001
_AROUND = {SOL: 18_000, GOLD: 410_000, THIN: 1_240}
"""Start price in cents."""

DAVE = "0x" + "d" * 40
"""Has money, and stands in the way of those who are liquidated."""

traders = st.sampled_from([ALICE, BOB, CAROL])
assets = st.sampled_from([SOL, GOLD, THIN])
shifts = st.integers(-6, 6)
values = st.integers(10, 20_000)


class HardTimes(RuleBasedStateMachine):
    """Three poor traders with much leverage, in markets that jump."""

    @initialize()
    def open_venue(self) -> None:
        coins = ("SOL", "tst:GOLD", "tst:THIN")
        self.venue: Bench = bench(coins=coins, faucet=2_000, funding_interval_ms=60_000)

    @rule(
        who=traders,
        asset=assets,
        buys=st.booleans(),
        shift=shifts,
        usd=st.integers(10, 20_000),
        tif=st.sampled_from(Tif),
    )
    def place(self, who: str, asset: int, buys: bool, shift: int, usd: int, tif: Tif) -> None:
        market = self.venue.state.market(asset)
        px = market.round_px(_AROUND[asset] * (100 + shift) * E8 // 10_000, up=False)
        sz = max(market.floor_sz(usd * E8 * E8 // px), market.lot_e8)
        self.venue.place(who, NewOrder(asset, buys, px, sz, tif))

    @rule(
        buyer=traders,
        seller=traders,
        asset=assets,
        usd=st.sampled_from([5_000, 9_000, 30_000]),
        bids=st.booleans(),
        permille=st.sampled_from([*range(945, 975), 900, 1_000, 1_026, 1_035, 1_045, 1_100]),
    )
    def trade_and_jump(self, buyer: str, seller: str, asset: int, usd: int, bids: bool, permille: int) -> None:
        """Both take as much leverage as there is and trade at the mark, if they may; then the mark moves."""
        market = self.venue.state.market(asset)
        px = self.venue.state.mark_px_e8(asset)
        sz = max(market.floor_sz(usd * E8 * E8 // px), market.lot_e8)
        for who in (seller, buyer):
            self.venue.run(who, UpdateLeverage(asset, not market.margin_mode, market.max_leverage))
            self.venue.place(who, NewOrder(asset, who == buyer, px, sz, Tif.GTC))
        moved = market.round_px(px * permille // 1_000, up=False)
        if bids:
            self.venue.state.deposit(DAVE, 100_000 * E8, dex=market.dex)
            self.venue.place(DAVE, NewOrder(asset, permille < 1_000, moved, sz, Tif.GTC))
        self._move(asset, moved)

    @rule(who=traders, asset=assets, times=st.integers(1, 20), is_cross=st.booleans())
    def choose_leverage(self, who: str, asset: int, times: int, is_cross: bool) -> None:
        self.venue.run(who, UpdateLeverage(asset, is_cross, times))

    @rule(who=traders, asset=assets, usd=st.integers(-500, 500))
    def move_margin(self, who: str, asset: int, usd: int) -> None:
        account = self.venue.state.accounts.get(who)
        if account is not None:
            leverage.update_isolated_margin(self.venue.state, account, self.venue.state.market(asset), usd * E8)
        self.venue.step()

    @rule(asset=assets, percent=st.integers(70, 130))
    def jump(self, asset: int, percent: int) -> None:
        market = self.venue.state.market(asset)
        self._move(asset, market.round_px(_AROUND[asset] * percent * E8 // 10_000, up=False))

    @rule(asset=assets)
    def halt_and_resume(self, asset: int) -> None:
        market = self.venue.state.market(asset)
        halts.halt(self.venue.state, market)
        self.venue.step()
        halts.resume(self.venue.state, market)

    @rule()
    def settle_funding(self) -> None:
        self.venue.step(61_000)

    def _move(self, asset: int, px_e8: int) -> None:
        self.venue.state.marks[asset].pin(px_e8)
        self.venue.state.events.marks_moved = True
        self.venue.step()

    @invariant()
    def everything_adds_up(self) -> None:
        if hasattr(self, "venue"):
            assert violations(self.venue.state) == []

    @invariant()
    def only_isolated_positions_hold_cash(self) -> None:
        for account in self.venue.state.accounts.values() if hasattr(self, "venue") else ():
            for asset, position in account.positions.items():
                if not position.szi_e8 or not margin.is_isolated(account, self.venue.state.market(asset)):
                    assert position.isolated_raw_e8 == 0


TestHardTimes = HardTimes.TestCase
TestHardTimes.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
