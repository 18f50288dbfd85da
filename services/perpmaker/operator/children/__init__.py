"""Children: the complete Kubernetes objects that an account or a maker is to have. Pure; applied elsewhere.

Objects come in apply order, with owner, labels and the hash of what is applied. Before asking for children, ask
`account_refusals` or `maker_refusals`: an object with refusals has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perpmaker.api.desired import Revisions, desired_parts
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.operator.children import parts
from perpmaker.operator.children.gateway import gateway
from perpmaker.operator.children.order_state import order_state
from perpmaker.operator.children.quoter import quoter
from perpmaker.operator.children.refusals import Refusal, RefusalReason, account_refusals, maker_refusals
from perpmaker.operator.children.revisions import next_revisions
from perpmaker.operator.children.risk import risk
from perpmaker.operator.children.store import store
from perpmaker.operator.children.venue import venue
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

__all__ = [
    "Refusal",
    "RefusalReason",
    "account_children",
    "account_refusals",
    "documents",
    "maker_children",
    "maker_refusals",
    "next_revisions",
    "quoter_document",
]


def account_children(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    settings: OperatorSettings,
    revisions: Revisions,
    left_alone: Sequence[str] = (),
) -> tuple[Manifest, ...]:
    """Every child of an account: exchange (Simulated) and store (Managed) first, then the services.

    `makers` are the account's accepted makers; their markets and limits are in the documents. `left_alone` are markets
    whose orders stay in the book although their maker was deleted.
    """
    at = parts.addressing(account, makers, settings)
    wanted = desired_parts(account, makers, at, revisions=revisions, left_alone=left_alone)
    return (
        *(venue(account, settings) if parts.is_simulated(account) else ()),
        *(store(account, settings) if parts.has_managed_store(account) else ()),
        *order_state(account, wanted.order_state, settings),
        *gateway(account, wanted.gateway, settings),
        *risk(account, wanted.risk, settings),
    )


def maker_children(
    maker: MarketMaker, account: TradingAccount, settings: OperatorSettings, *, running: bool, flatten: bool = False
) -> tuple[Manifest, ...]:
    """Every child of a maker. Without `running` its quoter has no pod; `flatten` as in `quoter_document`."""
    part = parts.quoter_part(maker, account, settings, flatten=flatten)
    return quoter(maker, account, part, settings, running=running)


def documents(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    settings: OperatorSettings,
    revisions: Revisions,
    left_alone: Sequence[str] = (),
) -> Mapping[Role, str]:
    """The documents of the account's services, exactly as in their ConfigMaps, to be sent by ApplyConfig."""
    wanted = parts.account_parts(account, makers, settings, revisions, left_alone)
    return {role: parts.document(part) for role, part in wanted.items()}


def quoter_document(
    maker: MarketMaker,
    account: TradingAccount,
    settings: OperatorSettings,
    *,
    flatten: bool = False,
    leave_orders: bool = False,
) -> str:
    """The document of one quoter, exactly as in its ConfigMap; `flatten` makes it close the position and no more,
    `leave_orders` makes it stop without emptying the book."""
    return parts.document(parts.quoter_part(maker, account, settings, flatten=flatten, leave_orders=leave_orders))
