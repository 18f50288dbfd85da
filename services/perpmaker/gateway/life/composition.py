"""What a gateway consists of: every part made once, and given what it works with. Nothing runs yet."""

from __future__ import annotations

import asyncio

from perpmaker.api.parts import GatewayPart
from perpmaker.common.attendance import Attendance
from perpmaker.common.clock import Clock
from perpmaker.common.reconfigure import Configuration
from perpmaker.common.service import StartError
from perpmaker.gateway.account_hub import AccountHub
from perpmaker.gateway.budget import Budgets, BudgetSettings
from perpmaker.gateway.connections.account import AccountStream
from perpmaker.gateway.connections.dispatch import Dispatch
from perpmaker.gateway.connections.market_data import MarketDataStream
from perpmaker.gateway.connections.order_entry import OrderEntry
from perpmaker.gateway.connections.rest import Rest
from perpmaker.gateway.dead_mans_switch import DeadMansSwitch
from perpmaker.gateway.exchange_clock import ExchangeClock
from perpmaker.gateway.identity import Identity, open_identity
from perpmaker.gateway.key import KeyFileError
from perpmaker.gateway.key_watch import KeyWatch
from perpmaker.gateway.life.signer_in_force import SignerInForce
from perpmaker.gateway.listings import Listings
from perpmaker.gateway.market_hub import MarketHub
from perpmaker.gateway.markets import Markets
from perpmaker.gateway.measurements import Measurements
from perpmaker.gateway.orders.admission import Admission
from perpmaker.gateway.orders.execution import Execution
from perpmaker.gateway.orders.fencing import Fence
from perpmaker.gateway.reads import AccountReads
from perpmaker.gateway.reconfigure import HOT_FIELDS, Reconfigurator
from perpmaker.gateway.resolving import PlacementResolver
from perpmaker.gateway.sign_up import Membership


def open_wallet(part: GatewayPart) -> Identity:
    """Account and key of the part. Raises StartError."""
    try:
        return open_identity(part)
    except KeyFileError as error:
        raise StartError(str(error)) from error


class Composition:
    """The parts of one gateway, for the stages of its life and for its services."""

    def __init__(self, part: GatewayPart, clock: Clock) -> None:
        """Raises StartError when the key cannot be used or signing does not work on this machine."""
        self.part = part
        self.clock = clock
        self.changed = asyncio.Event()
        """Set when something may have changed that readiness depends on, order entry aside."""
        self.account_changed = asyncio.Event()
        self.measurements = Measurements()
        self.markets = Markets(part.markets)
        self.fence = Fence()
        self.attendance = Attendance(clock)
        self.exchange_clock = ExchangeClock(clock)
        self._compose_account()
        self._compose_streams()
        self._compose_execution()
        self._compose_hot_changes()

    def _compose_account(self) -> None:
        part, clock = self.part, self.clock
        self.identity = open_wallet(part)
        settings = BudgetSettings(part.max_actions_per_minute, part.reserved_for_cancels_percent)
        self.budgets = Budgets(settings, clock.monotonic_s())
        self.rest = Rest(part.api_url, self.budgets, clock)
        self.signer = SignerInForce(part, self.identity, self.rest, clock, self.measurements)
        self.membership = Membership(self.identity, self.rest) if self.identity.master is not None else None
        self.is_ours = self.membership.confirm if self.membership is not None else None
        """Asks whether the exchange still knows the account; None where it cannot forget one."""
        self.reads = AccountReads(self.rest, self.identity.address, self.markets, self.exchange_clock, self.is_ours)
        self.switch = DeadMansSwitch(
            part.dead_mans_switch, self.signer.desk, self.rest, self.exchange_clock, self.attendance
        )

    def _compose_streams(self) -> None:
        part, address = self.part, self.identity.address
        self.market_hub = MarketHub()
        self.account_hub = AccountHub()
        self.listings = Listings(self.markets, self.reads, self.market_hub, self.clock, self._follow_served)
        self.market_stream = MarketDataStream(
            part.markets,
            address,
            self.market_hub,
            self.clock,
            part.feed_timeout_s,
            self.changed.set,
            self.exchange_clock.now_ms,
            self.markets.tick_e8,
        )
        self.account_stream = AccountStream(
            address,
            self.markets,
            self.account_hub,
            self.clock,
            self.exchange_clock,
            self._on_account_changed,
            self.switch.fired,
            self.is_ours,
            self.listings.doubt,
        )

    async def _follow_served(self) -> None:
        await self.market_stream.follow(self.markets.names)
        await self.account_stream.follow_markets()

    def _on_account_changed(self) -> None:
        self.account_changed.set()
        self.changed.set()

    def _compose_execution(self) -> None:
        part, clock, desk = self.part, self.clock, self.signer.desk
        self.entry = OrderEntry()
        admission = Admission(
            self.markets,
            self.entry,
            self.budgets,
            self.fence,
            clock,
            self.exchange_clock,
            part.expires_in_ms,
            self.market_hub.mark_px_e8,
        )
        self.execution = Execution(
            self.markets,
            admission,
            desk,
            self.entry,
            Dispatch(self.entry, self.rest, clock, self.measurements, part.post_timeout_ms),
            self.budgets,
            clock,
            self.exchange_clock,
            self.measurements,
        )
        self.resolver = PlacementResolver(desk, self.rest, self.reads, self.exchange_clock)

    def _compose_hot_changes(self) -> None:
        part = self.part
        self.reconfigurator = Reconfigurator(
            part,
            self.markets,
            self.signer.desk,
            self.rest,
            self.reads,
            self.budgets,
            self.switch,
            self.market_stream,
            self.account_stream,
        )
        self.configuration = Configuration(part, HOT_FIELDS, self._put_in_force)
        self.key_watch: KeyWatch | None = None
        if self.identity.key_file is not None:
            self.key_watch = KeyWatch(
                self.identity.address,
                self.identity.key_file,
                part.key_file_group_readable,
                part.expected_signer,
                self.rest,
                self.clock,
                lambda: self.signer.address,
                self.signer.take_over,
            )

    async def _put_in_force(self, part: GatewayPart) -> None:
        await self.reconfigurator.put_in_force(part, self.clock.monotonic_s())
        self.listings.tell()
        self.changed.set()
