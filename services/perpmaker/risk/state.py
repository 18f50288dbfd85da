"""One immutable picture of a market, and one of the account, for one evaluation.

Every monitor reads the same picture, so no two checks of an evaluation can disagree about the facts. Every input has an
age in milliseconds; None means it was never seen, which is not the same as old.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from perpmaker.common.decimals import E8

DRIFT_GRACE_MS = 5_000
"""How long a difference to the exchange may be fills in flight; afterwards the exchange's figure counts as well."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What live orders could still do to the position, base units of 1e-8.

    `active` counts what rests; `max_possible` everything non-terminal; `unknown` the part whose outcome is not known.
    """

    active_bid_e8: int = 0
    active_ask_e8: int = 0
    max_possible_bid_e8: int = 0
    max_possible_ask_e8: int = 0
    unknown_bid_e8: int = 0
    unknown_ask_e8: int = 0
    open_orders: int = 0
    oldest_unknown_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class TradeLimits:
    """Size the exchange would let us add per side, base units of 1e-8, and the age of that statement."""

    max_buy_e8: int
    max_sell_e8: int
    age_ms: int


@dataclass(frozen=True, slots=True)
class Instrument:
    """What risk needs of a market's rules."""

    lot_e8: int
    max_leverage: int
    delisted: bool = False


@dataclass(frozen=True, slots=True)
class RiskState:
    """Facts about one market at one moment. Sizes in base units of 1e-8, money in quote units of 1e-8."""

    market: str
    max_position_e8: int = 0
    """Local limit in whole lots at the current mark, rounded down; 0 while mark or lot are not known."""
    position_e8: int = 0
    was_over_limit: bool = False
    """Whether the evaluation before this one found the position over its limit."""
    pending: Pending = Pending()
    mark_px_e8: int = 0
    """0 while no price was ever seen."""
    day_pnl_e8: int = 0
    peak_pnl_e8: int = 0
    drift_e8: int = 0
    """Exchange position minus ledger position."""
    drift_age_ms: int = 0
    liquidation_px_e8: int = 0
    """0 for none."""
    liquidation_sz_e8: int = 0
    """Signed position that the exchange gave this price for; a moment older than the ledger's."""
    instrument: Instrument | None = None
    trade_limits: TradeLimits | None = None
    order_state_live: bool = True
    market_data_live: bool = True
    """False when the gateway's stream or its feed of this market is down."""
    standing_age_ms: int | None = None
    book_age_ms: int | None = None
    mark_age_ms: int | None = None

    def with_pending_exposure(self, bid_e8: int, ask_e8: int) -> RiskState:
        """The same picture with this much resting per side and nothing in doubt."""
        return replace(
            self,
            pending=Pending(
                active_bid_e8=bid_e8,
                active_ask_e8=ask_e8,
                max_possible_bid_e8=bid_e8,
                max_possible_ask_e8=ask_e8,
            ),
        )

    @property
    def net_pending_e8(self) -> int:
        """Resting buys minus resting sells."""
        return self.pending.active_bid_e8 - self.pending.active_ask_e8

    @property
    def worst_max_e8(self) -> int:
        """Position if every buy that can still fill does."""
        return self.position_e8 + self.pending.max_possible_bid_e8

    @property
    def worst_min_e8(self) -> int:
        """Position if every sell that can still fill does."""
        return self.position_e8 - self.pending.max_possible_ask_e8

    @property
    def worst_case_exceeds_long_limit(self) -> bool:
        """Whether the buys alone could carry the position over the limit."""
        return self.worst_max_e8 > self.max_position_e8

    @property
    def worst_case_exceeds_short_limit(self) -> bool:
        """Whether the sells alone could carry the position under the negative limit."""
        return self.worst_min_e8 < -self.max_position_e8

    @property
    def worst_case_exceeds_limits(self) -> bool:
        """Either of the two."""
        return self.worst_case_exceeds_long_limit or self.worst_case_exceeds_short_limit

    @property
    def worst_case_notional_e8(self) -> int:
        """Value of the larger worst case at the mark."""
        return max(abs(self.worst_max_e8), abs(self.worst_min_e8)) * self.mark_px_e8 // E8

    @property
    def is_book_balanced(self) -> bool:
        """Whether resting buys and sells differ by less than a tenth of their sum; an empty book is balanced."""
        total = self.pending.active_bid_e8 + self.pending.active_ask_e8
        return total == 0 or 10 * abs(self.net_pending_e8) < total

    @property
    def assumed_position_e8(self) -> int:
        """The ledger's position or, once they have differed for the grace, the exchange's if it is larger."""
        if self.drift_age_ms < DRIFT_GRACE_MS:
            return self.position_e8
        return max(self.position_e8, self.position_e8 + self.drift_e8, key=abs)

    @property
    def notional_e8(self) -> int:
        """Value of the assumed position at the mark, rounded up."""
        return -(-abs(self.assumed_position_e8) * self.mark_px_e8 // E8)

    @property
    def signed_notional_e8(self) -> int:
        """The same with the position's sign."""
        return self.notional_e8 if self.assumed_position_e8 >= 0 else -self.notional_e8

    @property
    def drawdown_e8(self) -> int:
        """Fall from the day's best P&L, not negative."""
        return max(0, self.peak_pnl_e8 - self.day_pnl_e8)


@dataclass(frozen=True, slots=True)
class AccountRisk:
    """Facts about the whole account at one moment, money in quote units of 1e-8."""

    equity_e8: int = 0
    margin_used_e8: int = 0
    account_age_ms: int | None = None
    """Age of equity and margin."""
    gap_open: bool = False
    """The account stream has a hole that is not closed yet."""
    store_live: bool = True
    verified_fresh: bool = True
    """False until a store without any record was proven to belong to an account that never traded through us."""
    gross_notional_e8: int = 0
    net_notional_e8: int = 0
    day_pnl_e8: int = 0
    peak_pnl_e8: int = 0

    @property
    def drawdown_e8(self) -> int:
        """Fall from the day's best P&L, not negative."""
        return max(0, self.peak_pnl_e8 - self.day_pnl_e8)


def limit_in_lots_e8(max_notional_e8: int, mark_px_e8: int, lot_e8: int) -> int:
    """Largest position in whole lots worth no more than the limit at the mark; 0 when price or lot is missing."""
    if mark_px_e8 <= 0 or lot_e8 <= 0:
        return 0
    return max_notional_e8 * E8 // (mark_px_e8 * lot_e8) * lot_e8
