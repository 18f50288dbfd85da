"""Whose a live object is, and which of ours are left over."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.support.children import EXTERNAL, REVISIONS, account, maker, pick, settings

from perpmaker.operator.children import account_children, maker_children
from perpmaker.operator.children.adoption import Ownership, ownership, surplus
from perpmaker.operator.children.objects import owner_of
from perpmaker.operator.interfaces import Manifest

OWNER = owner_of(account())


def _live(reference: dict[str, Any] | None, *, managed: bool = True) -> Manifest:
    live = copy.deepcopy(pick(account_children(account(), [], settings(), REVISIONS), "Deployment", "main-gateway"))
    if reference is None:
        del live["metadata"]["ownerReferences"]
    else:
        live["metadata"]["ownerReferences"][0].update(reference)
    if not managed:
        live["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "Helm"
    return live


@pytest.mark.parametrize(
    ("live", "expected"),
    [
        (None, Ownership.ABSENT),
        (_live({}), Ownership.OURS),
        (_live({}, managed=False), Ownership.OURS),
        (_live({"uid": "of-an-earlier-main"}), Ownership.ORPHAN),
        (_live(None), Ownership.ORPHAN),
        (_live({"uid": "x", "name": "other"}), Ownership.FOREIGN),
        (_live({"uid": "x", "kind": "MarketMaker"}), Ownership.FOREIGN),
        (_live({"uid": "x", "apiVersion": "example.org/v1alpha1"}), Ownership.FOREIGN),
        (_live({"uid": "of-an-earlier-main"}, managed=False), Ownership.FOREIGN),
        (_live(None, managed=False), Ownership.FOREIGN),
        ({"metadata": {"name": "main-gateway"}}, Ownership.FOREIGN),
        (_live({"controller": False}, managed=False), Ownership.FOREIGN),
    ],
)
def test_a_live_object_is_ours_an_orphan_or_foreign(live: Manifest | None, expected: Ownership) -> None:
    assert ownership(live, OWNER) is expected


def test_an_orphan_of_another_object_of_ours_is_foreign() -> None:
    live = _live(None)
    live["metadata"]["labels"]["app.kubernetes.io/instance"] = "second"
    assert ownership(live, OWNER) is Ownership.FOREIGN


def test_a_store_is_left_over_when_the_account_moves_to_an_external_one() -> None:
    before = account_children(account(), [], settings(), REVISIONS)
    after = account_children(account(EXTERNAL), [], settings(), REVISIONS)
    left = surplus(after, before, OWNER)
    assert {(ref.resource.kind, ref.name) for ref in left} == {
        (kind, "main-store") for kind in ("ServiceAccount", "Service", "NetworkPolicy", "StatefulSet")
    }


def test_nobody_elses_objects_are_left_over() -> None:
    theirs = maker_children(maker(), account(), settings(), running=True)
    assert surplus((), theirs, OWNER) == ()
