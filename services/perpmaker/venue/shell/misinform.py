"""Info answers as the armed switches want them: late indexes, missing orders, snapshots of the past."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from perpmaker.venue.core import Venue
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import OmitOrders, StaleInfo, UnknownOid
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire import info_requests as ask

_SNAPSHOTS = (ask.OpenOrders, ask.FrontendOpenOrders, ask.ClearinghouseState)


@dataclass(slots=True)
class Misinformer:
    """Answers info requests while switches are armed."""

    venue: Venue
    board: Board
    _past: dict[tuple[str, str], Any] = field(default_factory=dict)

    def keep_the_present(self) -> None:
        """Remember the snapshots of every account that is not the house's, for `stale_info`."""
        users = [a.address for a in self.venue.state.accounts.values() if not a.is_house]
        self._past = {
            (kind.__name__, user): answer_info(self.venue, kind(user=user)) for user in users for kind in _SNAPSHOTS
        }

    def answer(self, request: ask.InfoRequest) -> Any:
        """The JSON value; what no switch touches is the truth. Raises `UnreadableError`."""
        user = getattr(request, "user", None)
        addresses = frozenset(() if user is None else (user,))
        past = self._past.get((type(request).__name__, str(user)))
        if past is not None and self.board.strike(StaleInfo, "", addresses):
            return past
        value = answer_info(self.venue, request)
        if isinstance(request, (ask.OpenOrders, ask.FrontendOpenOrders)):
            return [order for order in value if not self.board.strike(OmitOrders, "", addresses)]
        if isinstance(request, ask.OrderStatus) and value["status"] == "order":
            lag = self.board.holding(UnknownOid, "", addresses)
            age_ms = self.venue.state.now_ms - value["order"]["order"]["timestamp"]
            if lag is not None and age_ms < lag.younger_than_ms and self.board.strike(UnknownOid, "", addresses):
                return {"status": "unknownOid"}
        return value
