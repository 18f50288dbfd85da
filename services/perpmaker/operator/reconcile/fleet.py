"""The makers of an account: who has which market, who is accepted, and by which spec each is to run.

A maker whose newest spec is not accepted goes on with the one that was accepted last, which is kept beside its part: an
invalid update never stops a quoter, and what never was accepted never starts.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from perpmaker.api.v1alpha1 import MarketMaker
from perpmaker.api.v1alpha1.shared import DeletionPolicy, TeardownStep
from perpmaker.operator import acceptance, names
from perpmaker.operator.acceptance import Claim
from perpmaker.operator.children.objects import stamped
from perpmaker.operator.conditions.findings import find
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import ConditionType, Reason
from perpmaker.operator.interfaces import Manifest, Ref, World
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.names import Role
from perpmaker.operator.observe.values import AccountView, Instrument, RiskFacts
from perpmaker.operator.reconcile.deps import Deps

_NEEDS_NO_QUOTER = frozenset({Reason.LEVERAGE_TOO_HIGH, Reason.BELOW_TICK_OR_LOT})
"""Found only once the exchange's rules are known, for which the market has to be configured."""


@dataclass(frozen=True, slots=True)
class Assessed:
    """One maker, judged."""

    body: Manifest
    verdict: Verdict
    symbol: str
    owns_market: bool
    parsed: MarketMaker | None
    """The object as it is now; None when it cannot be read."""
    runs: MarketMaker | None
    """What its quoter is to run by: the object, or the spec accepted last; None when it is not to be started."""
    documented: MarketMaker | None
    """What the account's services are to be told of its market; None for nothing."""

    @property
    def ref(self) -> Ref:
        """Its identity."""
        return kinds.ref_of(self.body)

    @property
    def is_terminating(self) -> bool:
        """Whether it is being deleted."""
        return "deletionTimestamp" in self.body["metadata"]


def makers_of(world: World, namespace: str, account: str) -> list[Manifest]:
    """MarketMakers that refer to an account, oldest first."""
    return list(world.makers_of(namespace, account))


def left_alone(world: World, account: Ref, makers: Sequence[Manifest]) -> tuple[str, ...]:
    """Markets whose orders stay in the book without a maker: of those that go with policy Orphan, and, as the account's
    own document remembers, of those that have gone so. A maker that is there again looks after its market itself."""
    going = {
        acceptance.market_of(body)[1]
        for body in makers
        if "deletionTimestamp" in body["metadata"]
        and (body.get("spec") or {}).get("deletionPolicy") == DeletionPolicy.ORPHAN.value
    }
    staying = {acceptance.market_of(body)[1] for body in makers if "deletionTimestamp" not in body["metadata"]}
    return tuple(sorted((going | told_to_leave(world, account)) - staying))


def told_to_leave(world: World, account: Ref) -> frozenset[str]:
    """Markets that order-state has been told to leave alone."""
    name = names.config_map(account.name, Role.ORDER_STATE)
    config = world.get(Ref(kinds.CONFIG_MAP, account.namespace, name))
    try:
        document = json.loads(((config or {}).get("data") or {}).get(names.PART_FILE, ""))
    except ValueError:
        return frozenset()
    listed = document.get("left_alone") if isinstance(document, dict) else None
    return frozenset(item for item in listed if isinstance(item, str)) if isinstance(listed, list) else frozenset()


def claims_on(makers: Sequence[Manifest], symbol: str) -> list[Claim]:
    """Claims on one market."""
    return [acceptance.claim_of(body) for body in makers if acceptance.market_of(body)[1] == symbol]


def assess(deps: Deps, body: Manifest, makers: Sequence[Manifest], view: AccountView) -> Assessed:
    """Judge one maker. `makers` are all of its account, itself included."""
    account_name, symbol = acceptance.market_of(body)
    namespace, meta = body["metadata"]["namespace"], body["metadata"]
    account = Ref(kinds.TRADING_ACCOUNT, namespace, account_name)
    claims = claims_on(makers, symbol) or [acceptance.claim_of(body)]
    owns = acceptance.winner(claims).uid == meta.get("uid")
    parsed = acceptance.parse_maker(body)
    last = accepted_last(deps.world, namespace, meta["name"])
    if isinstance(parsed, Verdict):
        runs = _with_spec(body, last) if owns and last is not None else None
        return Assessed(body, parsed, symbol, owns, None, runs, _documented(body, runs))
    is_settled = last is not None and last["generation"] == meta.get("generation")
    risk = view.risk.markets.get(symbol) if isinstance(view.risk, RiskFacts) else None
    verdict = acceptance.judge_maker(
        parsed,
        claims,
        refused_symbol=deps.ledger.refusal(account, symbol),
        refused_leverage=deps.ledger.leverage_refusal(account, symbol, parsed.spec.leverage),
        # What was accepted stays so: a price that moves must not undo it.
        instrument=None if is_settled else instrument_of(view, symbol, body),
        mark_px_e8=risk.mark_px_e8 if risk is not None else 0,
    )
    if verdict.reason is Reason.VALID:
        return Assessed(body, verdict, symbol, owns, parsed, parsed, _documented(body, parsed))
    runs = None
    if owns and verdict.reason is not Reason.UNKNOWN_SYMBOL and last is not None:
        runs = _with_spec(body, last)
    documented = parsed if runs is None and verdict.reason in _NEEDS_NO_QUOTER else runs
    if documented is not None and verdict.reason is Reason.LEVERAGE_TOO_HIGH:
        was_refused = deps.ledger.leverage_refusal(account, symbol, documented.spec.leverage)
        documented = _without_leverage(documented) if runs is None or was_refused else documented
    return Assessed(body, verdict, symbol, owns, parsed, runs, _documented(body, documented))


def _without_leverage(maker: MarketMaker) -> MarketMaker:
    """The maker as its account's services are to know its market before it may be quoted."""
    return maker.model_copy(update={"spec": maker.spec.model_copy(update={"leverage": None})})


def _documented(body: Manifest, maker: MarketMaker | None) -> MarketMaker | None:
    """A market leaves the documents when its maker's teardown has proved it empty, not before."""
    step = ((body.get("status") or {}).get("teardown") or {}).get("step")
    return None if step == TeardownStep.DONE.value else maker


def instrument_of(view: AccountView, symbol: str, body: Manifest) -> Instrument | None:
    """Rules of the market: the gateway's, else those in status."""
    told = view.instruments.get(symbol)
    known = (body.get("status") or {}).get("market") or {}
    if told is not None or not {"assetId", "sizeDecimals", "maxLeverage"} <= known.keys():
        return told
    return Instrument(known["assetId"], known["sizeDecimals"], known["maxLeverage"], 0)


def accepted_last(world: World, namespace: str, name: str) -> dict[str, Any] | None:
    """Generation and spec of a maker that were accepted last."""
    config = world.get(Ref(kinds.CONFIG_MAP, namespace, names.config_map(name, Role.QUOTER)))
    text = ((config or {}).get("metadata", {}).get("annotations") or {}).get(names.ACCEPTED, "")
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and {"uid", "generation", "spec"} <= value.keys() else None


def _with_spec(body: Manifest, last: dict[str, Any]) -> MarketMaker | None:
    """The object with the spec that was accepted last; None if that was another object's."""
    meta = body["metadata"]
    if last["uid"] != meta.get("uid"):
        return None
    old = {**body, "metadata": {**meta, "generation": last["generation"]}, "spec": last["spec"]}
    parsed = acceptance.parse_maker(old)
    return None if isinstance(parsed, Verdict) else parsed


def remember_accepted(manifests: Sequence[Manifest], maker: MarketMaker) -> list[Manifest]:
    """The children with the accepted spec noted on the ConfigMap."""
    note = json.dumps(
        {
            "uid": maker.metadata.uid,
            "generation": maker.metadata.generation,
            "spec": maker.spec.model_dump(mode="json", by_alias=True, exclude_none=True),
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    noted = []
    for manifest in manifests:
        if manifest["kind"] == kinds.CONFIG_MAP.kind:
            meta = manifest["metadata"]
            annotations = {**(meta.get("annotations") or {}), names.ACCEPTED: note}
            manifest = stamped({**manifest, "metadata": {**meta, "annotations": annotations}})
        noted.append(manifest)
    return noted


def refusal_in_status(body: Manifest) -> str:
    """The words of an earlier refusal of the symbol, from a time before this operator started."""
    found = find((body.get("status") or {}).get("conditions"), ConditionType.ACCEPTED)
    if found is None or found.get("reason") != Reason.UNKNOWN_SYMBOL.value:
        return ""
    text: str = found.get("message", "").partition("; spec.market is immutable")[0]
    return text
