"""Revisions of documents: a number that grows exactly when the content changes, without a counter to keep.

The number is in the document and in its ConfigMap, so an operator that starts anew continues where another stopped. A
document whose ConfigMap was lost takes the time in milliseconds, which is above every number given before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from perpmaker.api.desired import Revisions
from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.common.config import Part
from perpmaker.operator import names
from perpmaker.operator.children.objects import stamped
from perpmaker.operator.children.parts import account_parts, as_json, as_text
from perpmaker.operator.interfaces import Manifest
from perpmaker.operator.names import Role
from perpmaker.operator.settings import OperatorSettings

_FIELD = "revision"


def next_revision(part: Part, live: Manifest | None, *, now_ms: int, applied: int = 0) -> int:
    """Revision that a document gets.

    `live` is the ConfigMap with the document in force, `applied` the revision that the service told last (0 when it
    told none). The old revision while the content is the same and the service has not seen a newer one; otherwise a
    new one, above all that were seen and not below the clock.
    """
    document = _document(live)
    seen = max(_annotated(live), _number(document.get(_FIELD)))
    if seen >= max(applied, 1) and _content(document) == _content(as_json(part)):
        return seen
    return max(seen + 1, applied + 1, now_ms)


def next_revisions(
    account: TradingAccount,
    makers: Sequence[MarketMaker],
    settings: OperatorSettings,
    *,
    live: Mapping[Role, Manifest | None],
    now_ms: int,
    applied: Mapping[Role, int] | None = None,
    left_alone: Sequence[str] = (),
) -> Revisions:
    """Revisions of the documents of an account's three services; `live` and `applied` as in `next_revision`."""
    parts = account_parts(account, makers, settings, Revisions(), left_alone)
    numbers = {
        role: next_revision(part, live.get(role), now_ms=now_ms, applied=(applied or {}).get(role, 0))
        for role, part in parts.items()
    }
    return Revisions(gateway=numbers[Role.GATEWAY], order_state=numbers[Role.ORDER_STATE], risk=numbers[Role.RISK])


def renumbered(manifest: Manifest, revision: int) -> Manifest:
    """A ConfigMap as it would be under another revision; a manifest without a revision as it is."""
    metadata = manifest["metadata"]
    if names.REVISION not in metadata["annotations"]:
        return manifest
    annotations = {**metadata["annotations"], names.REVISION: str(revision)}
    data = {**manifest["data"], names.PART_FILE: as_text({**_document(manifest), _FIELD: revision})}
    return stamped({**manifest, "metadata": {**metadata, "annotations": annotations}, "data": data})


def revisions_of(live: Manifest) -> frozenset[int]:
    """Revisions that a live ConfigMap may have been applied under: its annotation's and its document's, of which a
    hand may have changed one.
    """
    return frozenset({_annotated(live), _number(_document(live).get(_FIELD))})


def _document(config_map: Manifest | None) -> dict[str, Any]:
    text = ((config_map or {}).get("data") or {}).get(names.PART_FILE, "")
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _annotated(config_map: Manifest | None) -> int:
    annotations = (config_map or {}).get("metadata", {}).get("annotations") or {}
    text = annotations.get(names.REVISION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _content(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != _FIELD}
