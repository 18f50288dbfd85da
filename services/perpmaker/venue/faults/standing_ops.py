"""Operations on what an account may do at all: who signs for it, what is left of its allowances, which phase it is."""

from __future__ import annotations

from typing import Annotated, Any, assert_never

from msgspec import Meta

from perpmaker.venue.core import Venue
from perpmaker.venue.engine.accounts import Account
from perpmaker.venue.engine.agents import ZERO_ADDRESS
from perpmaker.venue.engine.limits.address import exhaust
from perpmaker.venue.engine.limits.busy import spend
from perpmaker.venue.faults.operation import Address, BadOperationError, EngineOp, account_named, parse_address


class ExpireAgent(EngineOp, tag="expire_agent"):
    """Let an agent's approval run out now."""

    address: Annotated[str, Meta(description="address of the agent's key")]


class RemoveAgent(EngineOp, tag="remove_agent"):
    """Withdraw an agent's approval, as its master may do elsewhere."""

    address: Annotated[str, Meta(description="address of the agent's key")]


class ReplaceAgent(EngineOp, tag="replace_agent"):
    """Approve another key under the name of an agent, which is thereby replaced."""

    address: Annotated[str, Meta(description="address of the agent's key")]
    by: Annotated[str, Meta(description="address of the new key")]


class SpendRequests(EngineOp, tag="spend_requests"):
    """Count requests against an address, as if it had sent them: what a spent budget looks like."""

    address: Address
    requests: Annotated[int, Meta(description="how many", ge=1)]


class ExhaustRequests(EngineOp, tag="exhaust_requests"):
    """Use up all requests of an address, those that only cancels may make included."""

    address: Address


class SpendActions(EngineOp, tag="spend_actions"):
    """Count actions of today against an address: what is left of the day of a unified account."""

    address: Address
    actions: Annotated[int, Meta(description="how many", ge=1)]


class FireScheduledCancel(EngineOp, tag="fire_scheduled_cancel"):
    """Let the scheduled cancel of an account be due in the next block."""

    address: Address


class UpgradeGate(EngineOp, tag="upgrade_gate"):
    """Begin or end the time after a network upgrade in which only post-only orders pass."""

    on: Annotated[bool, Meta(description="whether it lasts")] = True


class Congestion(EngineOp, tag="congestion"):
    """Begin or end a busy time, in which an address has its share of the venue and no more."""

    on: Annotated[bool, Meta(description="whether it lasts")] = True


AnyStandingOp = (
    ExpireAgent
    | RemoveAgent
    | ReplaceAgent
    | SpendRequests
    | ExhaustRequests
    | SpendActions
    | FireScheduledCancel
    | UpgradeGate
    | Congestion
)


def apply_standing(venue: Venue, op: AnyStandingOp) -> dict[str, Any]:
    """Do it between two blocks. Raises `BadOperationError`, and then nothing has changed."""
    match op:
        case ExpireAgent(address):
            return _expire_agent(venue, parse_address(address))
        case RemoveAgent(address):
            return _reapprove(venue, parse_address(address), ZERO_ADDRESS)
        case ReplaceAgent(address, by):
            return _reapprove(venue, parse_address(address), parse_address(by))
        case SpendRequests(address, requests):
            account = account_named(venue, address)
            account.requests += requests
            return {"nRequestsUsed": account.requests}
        case ExhaustRequests(address):
            account = account_named(venue, address)
            exhaust(account, venue.state.rules.limits.address, venue.state.now_ms)
            return {"nRequestsUsed": account.requests}
        case SpendActions(address, actions):
            return {"today": spend(account_named(venue, address), actions, venue.state.now_ms)}
        case FireScheduledCancel(address):
            return _fire_scheduled_cancel(venue, account_named(venue, address))
        case UpgradeGate(on):
            venue.state.gates.post_only = on
            return {"postOnly": on}
        case Congestion(on):
            venue.state.gates.congested = on
            return {"congested": on}
        case _:
            assert_never(op)


def _expire_agent(venue: Venue, address: str) -> dict[str, Any]:
    if not venue.admission.agents.expire(address, venue.state.now_ms):
        raise BadOperationError(f"{address} is no agent")
    return {"expired": address}


def _reapprove(venue: Venue, address: str, by: str) -> dict[str, Any]:
    state, agents = venue.state, venue.admission.agents
    master = agents.master_of(address, state.now_ms)
    if master is None:
        raise BadOperationError(f"{address} is no agent")
    (name,) = (agent.name for agent in agents.of(master) if agent.address == address)
    refusal = agents.approve(master, by, name, state.now_ms)
    if refusal is not None:
        raise BadOperationError(refusal)
    return {"agents": [agent.address for agent in agents.of(master)]}


def _fire_scheduled_cancel(venue: Venue, account: Account) -> dict[str, Any]:
    if account.cancel_at_ms is None:
        raise BadOperationError(f"{account.address} has scheduled no cancel")
    account.cancel_at_ms = venue.state.now_ms
    return {"scheduledCancel": account.cancel_at_ms}
