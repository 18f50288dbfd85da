"""A document's revision grows exactly when its content does, whoever asks and whatever was lost."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.children import REVISIONS, account, maker, pick, settings

from perpmaker.api.desired import Revisions
from perpmaker.operator.children import account_children, next_revisions
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role

NOW_MS = 1_800_000_000_000
KEPT = {Role.GATEWAY: REVISIONS.gateway, Role.ORDER_STATE: REVISIONS.order_state, Role.RISK: REVISIONS.risk}


def _live(revisions: Revisions = REVISIONS) -> dict[Role, Manifest | None]:
    children = account_children(account(), [maker()], settings(), revisions)
    return {role: copy.deepcopy(pick(children, "ConfigMap", f"main-{role.value}-config")) for role in KEPT}


def _next(
    live: dict[Role, Manifest | None],
    *,
    changes: dict[str, Any] | None = None,
    now_ms: int = NOW_MS,
    applied: dict[Role, int] | None = None,
) -> dict[Role, int]:
    found = next_revisions(account(changes), [maker()], settings(), live=live, now_ms=now_ms, applied=applied)
    return {Role.GATEWAY: found.gateway, Role.ORDER_STATE: found.order_state, Role.RISK: found.risk}


def test_an_unchanged_document_keeps_its_revision() -> None:
    assert _next(_live()) == KEPT


def test_only_the_document_that_changed_gets_a_new_revision() -> None:
    assert _next(_live(), changes={"spec.risk.maxDailyLoss": "400"}) == KEPT | {Role.RISK: NOW_MS}


def test_a_new_account_starts_at_the_clock() -> None:
    assert set(_next(dict.fromkeys(KEPT)).values()) == {NOW_MS}


def test_a_lost_document_starts_above_everything_given_before() -> None:
    assert _next(_live() | {Role.RISK: None}) == KEPT | {Role.RISK: NOW_MS}


def test_a_clock_that_went_back_does_not_take_the_revision_with_it() -> None:
    found = _next(_live(), changes={"spec.risk.maxDailyLoss": "400"}, now_ms=5)
    assert found[Role.RISK] == REVISIONS.risk + 1


def test_a_document_that_somebody_edited_gets_a_new_revision() -> None:
    live = _live()
    assert live[Role.RISK] is not None
    live[Role.RISK]["data"]["part.json"] = live[Role.RISK]["data"]["part.json"].replace("50000000000", "50000000001", 1)
    assert _next(live)[Role.RISK] == NOW_MS


def test_a_service_that_has_seen_a_newer_document_is_given_one_above_it() -> None:
    assert _next(_live(), applied={Role.RISK: NOW_MS + 5})[Role.RISK] == NOW_MS + 6
    assert _next(_live(), applied={Role.RISK: REVISIONS.risk})[Role.RISK] == REVISIONS.risk


def test_what_is_no_document_counts_as_changed() -> None:
    for text in ("", "{", "[]", '"text"', '{"revision": true}', '{"revision": "7"}'):
        live = _live()
        assert live[Role.RISK] is not None
        live[Role.RISK]["data"] = {"part.json": text}
        assert _next(live)[Role.RISK] == NOW_MS
    assert _next(_live() | {Role.RISK: {"metadata": {"annotations": None}, "data": None}})[Role.RISK] == NOW_MS


@given(
    revision=st.integers(1, 2**52),
    now_ms=st.integers(0, 2**52),
    applied=st.integers(0, 2**52),
    loss=st.sampled_from(["500", "400", "300"]),
)
def test_a_revision_never_falls_and_settles_after_one_step(revision: int, now_ms: int, applied: int, loss: str) -> None:
    live = _live(Revisions(risk=revision))
    changes = {"spec.risk.maxDailyLoss": loss}
    first = _next(live, changes=changes, now_ms=now_ms, applied={Role.RISK: applied})[Role.RISK]
    assert first >= max(revision, applied)
    assert (first == revision) == (loss == "500" and revision >= applied)
    children = account_children(account(changes), [maker()], settings(), Revisions(risk=first))
    live[Role.RISK] = pick(children, "ConfigMap", "main-risk-config")
    again = _next(live, changes=changes, now_ms=now_ms + 1, applied={Role.RISK: first})[Role.RISK]
    assert again == first


def test_the_revision_is_in_the_document_and_on_its_config_map() -> None:
    for role, config_map in _live().items():
        assert config_map is not None
        assert json.loads(config_map["data"]["part.json"])["revision"] == KEPT[role]
        assert config_map["metadata"]["annotations"]["perpmaker.io/revision"] == str(KEPT[role])
