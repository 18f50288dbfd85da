"""Whether others behind the same network address are said to have used up what its sockets may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from perpmaker.venue.engine.limits.sockets import (
    too_many_messages,
    too_many_posts,
    too_many_subscriptions,
    too_many_users,
)
from perpmaker.venue.faults.board import Board
from perpmaker.venue.faults.switches import Crowd
from perpmaker.venue.shell.connection import Connection


@dataclass(frozen=True, slots=True)
class Crowding:
    """Asks the board at every door of the sockets. Refusals are the texts of the limits themselves."""

    board: Board

    def is_full(self) -> bool:
        """Whether no new connection is taken."""
        return bool(self.board.armed) and self.board.strike(Crowd, "connections") is not None

    def refusal(self, connection: Connection, limit: Literal["messages", "posts"], post: int = 0) -> str | None:
        """Why a message, or the post of this id, is not taken."""
        if not self.board.armed or not self.board.strike(Crowd, limit, connection.concerned):
            return None
        return too_many_posts(post) if limit == "posts" else too_many_messages(connection.use.rules)

    def of_subscription(self, connection: Connection, user: str | None) -> str | None:
        """Why a subscription, about a user or not, is not taken."""
        if not self.board.armed:
            return None
        if self.board.strike(Crowd, "subscriptions", connection.concerned):
            return too_many_subscriptions(connection.use.rules)
        if user is not None and self.board.strike(Crowd, "users", connection.concerned | {user}):
            return too_many_users(connection.use.rules)
        return None
