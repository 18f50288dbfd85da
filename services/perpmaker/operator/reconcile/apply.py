"""Children as they are to be: applied only where something is missing, never over somebody else's object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from perpmaker.operator import metrics, names
from perpmaker.operator.children import adoption, drift, revisions
from perpmaker.operator.children.adoption import Ownership
from perpmaker.operator.children.objects import Owner
from perpmaker.operator.conditions.maker import Verdict
from perpmaker.operator.conditions.reasons import Reason
from perpmaker.operator.interfaces import KubeError, Manifest, Ref, Resource
from perpmaker.operator.kube import resources as kinds
from perpmaker.operator.reconcile.deps import Deps
from perpmaker.operator.runtime.events import Reason as EventReason

_PATHS_TOLD = 3


@dataclass(slots=True)
class Outcome:
    """What became of a set of children."""

    changed: int = 0
    problems: list[Verdict] = field(default_factory=list)

    @property
    def worst(self) -> Verdict | None:
        """The first problem; it needs a person."""
        return self.problems[0] if self.problems else None


def template_hash(deployment: Manifest | None) -> str:
    """Hash of what a pod of this Deployment is started with."""
    template = ((deployment or {}).get("spec") or {}).get("template") or {}
    text: str = ((template.get("metadata") or {}).get("annotations") or {}).get(names.CONFIG_HASH, "")
    return text


def replaces_pod(desired: Manifest, live: Manifest | None) -> bool:
    """Whether applying this Deployment would replace a pod that runs."""
    if live is None or desired["kind"] != kinds.DEPLOYMENT.kind or not (live.get("spec") or {}).get("replicas"):
        return False
    return template_hash(desired) != template_hash(live)


def live_children(deps: Deps, owner: Owner) -> list[Manifest]:
    """Children of an owner that the watches know."""
    labels = {names.ACCOUNT_LABEL: owner.account, names.MANAGED_BY_LABEL: names.MANAGER}
    if owner.kind == kinds.MARKET_MAKER.kind:
        labels[names.MAKER_LABEL] = owner.name
    return [item for resource in kinds.CHILDREN for item in deps.world.list(resource, owner.namespace, labels)]


async def ensure(
    deps: Deps, body: Manifest, owner: Owner, desired: Sequence[Manifest], *, postponed: Iterable[Ref] = ()
) -> Outcome:
    """Bring the children of an object to what is wanted; `postponed` ones are left as they are for now.

    What is refused for good (a missing right, a missing kind, a foreign object) is reported, not raised: it does not
    keep the rest from being done. Raises KubeError for what may pass.
    """
    outcome = Outcome()
    later = set(postponed)
    unserved: set[Resource] = set()
    for manifest in desired:
        ref = kinds.ref_of(manifest)
        if ref in later or ref.resource in unserved:
            continue
        try:
            await _one(deps, body, owner, manifest, ref, outcome)
        except KubeError as error:
            problem = _report(deps, body, error, outcome)
            if problem.reason is Reason.KIND_MISSING:
                unserved.add(ref.resource)
    for ref in adoption.surplus(desired, live_children(deps, owner), owner):
        if ref in later:
            continue
        live = deps.world.get(ref)
        try:
            await deps.kube.delete(ref, uid=live["metadata"].get("uid") if live is not None else None)
            outcome.changed += 1
        except KubeError as error:
            _report(deps, body, error, outcome)
        deps.ledger.applied.pop(ref, None)
    return outcome


def _report(deps: Deps, body: Manifest, error: KubeError, outcome: Outcome) -> Verdict:
    """Note what only a person can put right, each in an Event of its own; raise what may pass."""
    problem = lasting(error)
    if problem is None:
        raise error
    outcome.problems.append(problem)
    deps.tell(body, EventReason.RECONCILE_ERROR, problem.message, warning=True)
    return problem


def lasting(error: KubeError) -> Verdict | None:
    """What only a person can put right; None for what may pass by itself."""
    plural = error.ref.resource.plural
    match error.status:
        case 403:
            return Verdict(
                Reason.FORBIDDEN,
                f"the operator may not {error.verb} {plural} in {error.ref.namespace}: {error.message};"
                " grant the verb in its Role",
            )
        case 404 | 405 if not error.is_absent:
            return Verdict(
                Reason.KIND_MISSING,
                f"the API server has no {plural} ({error.ref.resource.api_version}), needed for {error.ref.name};"
                " install the kind or turn off the setting that needs it",
            )
        case 400 | 422:
            causes = "; ".join(error.causes) or error.message
            return Verdict(
                Reason.REFUSED_BY_API_SERVER, f"{error.ref.resource.kind} {error.ref.name} is refused: {causes}"
            )
        case _:
            return None


async def _one(deps: Deps, body: Manifest, owner: Owner, manifest: Manifest, ref: Ref, outcome: Outcome) -> None:
    live = deps.world.get(ref)
    if live is None:
        # Somebody else's object lacks our label and is not watched; applying would take it over.
        live = await deps.kube.get(ref)
    if adoption.ownership(live, owner) is Ownership.FOREIGN:
        text = f"{ref.resource.kind} {ref.name} exists and is not ours; remove it or give the {owner.kind} another name"
        outcome.problems.append(Verdict(Reason.NAME_CONFLICT, text))
        deps.tell(body, EventReason.NAME_CONFLICT, text, warning=True)
        return
    steps = drift.to_apply(manifest, live)
    manifest = steps[-1]
    content = _content_hash(manifest)
    lacking = drift.missing(manifest, live) if live is not None else ["(all of it)"]
    if not lacking:
        deps.ledger.applied[ref] = content
        return
    if live is not None and live["metadata"].get("deletionTimestamp"):
        return
    lost = _lost(manifest, live) if live is not None else lacking
    is_drift = bool(lost) if live is not None else deps.ledger.applied.get(ref, "") == content
    for stage in steps:
        await deps.kube.apply(stage)
    outcome.changed += 1
    deps.ledger.applied[ref] = content
    if is_drift:
        metrics.DRIFT_REPAIRS.labels(ref.resource.kind).inc()
        what = ", ".join(lost[:_PATHS_TOLD])
        deps.tell(body, EventReason.DRIFT_REPAIRED, f"{ref.resource.kind} {ref.name} was put right: {what}")


def _lost(manifest: Manifest, live: Manifest) -> list[str]:
    """Paths that were applied and that somebody else has changed; empty when what is wanted is what changed.

    A document that was changed by hand gets a new revision, so that its service takes it: what was applied is then what
    is wanted now, under the revision of then.
    """
    applied = (revisions.renumbered(manifest, number) for number in sorted(revisions.revisions_of(live), reverse=True))
    same = (item for item in applied if item["metadata"]["annotations"][names.APPLIED_HASH] == _hash_of(live))
    return next((drift.missing(item, live) for item in same), [])


def _content_hash(manifest: Manifest) -> str:
    """Hash of a manifest whatever its revision."""
    text: str = revisions.renumbered(manifest, 0)["metadata"]["annotations"][names.APPLIED_HASH]
    return text


def _hash_of(live: Manifest) -> str:
    text: str = (live["metadata"].get("annotations") or {}).get(names.APPLIED_HASH, "")
    return text
