"""Who has to look when something changed: pure, one function per kind of change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from perpmaker.operator.interfaces import Manifest, Ref, World
from perpmaker.operator.kube.resources import MARKET_MAKER, TRADING_ACCOUNT
from perpmaker.operator.names import ACCOUNT_LABEL, MAKER_LABEL
from perpmaker.operator.runtime.world import Change, account_of


def woken_by(change: Change, world: World) -> Iterator[tuple[Ref, str]]:
    """Objects to look at because of a change, each with the source that is counted.

    A change of our own wakes nobody but the other kind: makers follow their account's conditions and the account its
    makers', whoever wrote them.
    """
    if change.resource in {TRADING_ACCOUNT, MARKET_MAKER}:
        yield from _owner(change, world)
    elif not change.is_own:
        yield from _child(change)


def gist(manifest: Manifest | None) -> Any:
    """What the other kind can depend on; figures that change all the time are left out."""
    if manifest is None:
        return None
    metadata = manifest["metadata"]
    status = manifest.get("status") or {}
    return (
        metadata["uid"],
        metadata.get("generation"),
        metadata.get("deletionTimestamp"),
        metadata.get("annotations"),
        status.get("killSwitch"),
        [(c.get("type"), c.get("status"), c.get("reason")) for c in status.get("conditions") or ()],
    )


def _owner(change: Change, world: World) -> Iterator[tuple[Ref, str]]:
    ref = _ref_of(change)
    if not change.is_own:
        yield ref, "object"
    if gist(change.old) == gist(change.new):
        return
    if change.resource == TRADING_ACCOUNT:
        for maker in world.makers_of(ref.namespace, ref.name):
            yield Ref(MARKET_MAKER, ref.namespace, maker["metadata"]["name"]), "account"
    else:
        accounts = {account_of(side) for side in (change.old, change.new) if side is not None}
        yield from ((Ref(TRADING_ACCOUNT, ref.namespace, account), "maker") for account in accounts if account)


def _child(change: Change) -> Iterator[tuple[Ref, str]]:
    owners = {_owner_of(side) for side in (change.old, change.new) if side is not None}
    yield from ((owner, change.resource.kind.lower()) for owner in owners if owner is not None)


def _ref_of(change: Change) -> Ref:
    newest = change.new if change.new is not None else change.old
    metadata = (newest or {})["metadata"]
    return Ref(change.resource, metadata["namespace"], metadata["name"])


def _owner_of(child: Manifest) -> Ref | None:
    labels = child["metadata"].get("labels") or {}
    namespace = child["metadata"].get("namespace", "")
    if MAKER_LABEL in labels:
        return Ref(MARKET_MAKER, namespace, labels[MAKER_LABEL])
    if ACCOUNT_LABEL in labels:
        return Ref(TRADING_ACCOUNT, namespace, labels[ACCOUNT_LABEL])
    return None
