"""What is told of one plan while it is under way, and of what did not leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from perpmaker.common import logs
from perpmaker.gateway import metrics
from perpmaker.gateway.orders.fencing import Refusal
from perpmaker.gateway.outcomes import not_sent
from perpmaker.proto.gateway.v1 import gateway_pb2 as pb

Emit = Callable[[pb.ExecuteResponse], None]

LABELS: Final = {pb.ACTION_KIND_CANCEL: "cancel", pb.ACTION_KIND_MODIFY: "modify", pb.ACTION_KIND_PLACE: "place"}
"""Word of an action for logs and metrics."""

_log = logs.get(__name__)


class Report:
    """Tells whoever sent a plan what becomes of it; each message carries the plan's number."""

    def __init__(self, request: pb.ExecuteRequest, emit: Emit) -> None:
        self._request = request
        self._emit = emit

    def sent(self, sent: pb.Sent) -> None:
        """An action with items of the plan is about to leave."""
        self._emit(pb.ExecuteResponse(request_id=self._request.request_id, sent=sent))

    def outcomes(self, outcomes: pb.Outcomes) -> None:
        """What became of items of the plan."""
        self._emit(pb.ExecuteResponse(request_id=self._request.request_id, outcomes=outcomes))

    def done(self) -> None:
        """Every item was told of; a late answer may still correct what is unknown."""
        self._emit(pb.ExecuteResponse(request_id=self._request.request_id, done=pb.Done()))

    def refuse(self, kind: pb.ActionKind.ValueType, names: Sequence[str], reason: Refusal) -> None:
        """Items that are not sent, and why."""
        if not names:
            return
        metrics.NOT_SENT.labels(LABELS[kind], reason).inc(len(names))
        _log.warning("plan.not_sent", action=LABELS[kind], reason=reason, items=len(names))
        self.outcomes(pb.Outcomes(action=kind, items=not_sent(names, reason)))

    def refuse_orders(self, reason: Refusal) -> None:
        """All modifies and placements."""
        self.refuse(pb.ACTION_KIND_MODIFY, [modify.order.cloid for modify in self._request.modifies], reason)
        self.refuse(pb.ACTION_KIND_PLACE, [place.cloid for place in self._request.places], reason)

    def refuse_all(self, reason: Refusal) -> None:
        """The whole plan, which is done then."""
        cancels = [cancel.cloid or str(cancel.oid) for cancel in self._request.cancels]
        self.refuse(pb.ACTION_KIND_CANCEL, cancels, reason)
        self.refuse_orders(reason)
        self.done()
