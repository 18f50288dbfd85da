"""What a trader may change about a pod: the check that becomes a condition, and the result that becomes a pod."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from pydantic import ValidationError

from perpmaker.api.v1alpha1 import MarketMaker, TradingAccount
from perpmaker.operator.children.override_models import ALLOWED, Overrides
from perpmaker.operator.names import Role

_FIELDS: Final[Mapping[Role, str]] = {
    Role.GATEWAY: "spec.gateway.pod",
    Role.ORDER_STATE: "spec.orderState.pod",
    Role.RISK: "spec.riskService.pod",
    Role.QUOTER: "spec.pod",
}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """A field that cannot be used, and what would be right."""

    field: str
    """Path in the trader's object."""
    message: str


class InvalidPodOverrideError(ValueError):
    """Children were asked for although `pod_override_problems` had found something."""

    def __init__(self, field: str, problems: tuple[FieldProblem, ...]) -> None:
        super().__init__("; ".join(f"{problem.field} {problem.message}" for problem in problems))
        self.field = field
        self.problems = problems


def pod_override_problems(owner: TradingAccount | MarketMaker) -> tuple[FieldProblem, ...]:
    """Everything wrong with the pod overrides of an object; nothing when they can be used."""
    roles = (Role.QUOTER,) if isinstance(owner, MarketMaker) else (Role.GATEWAY, Role.ORDER_STATE, Role.RISK)
    return tuple(problem for role in roles for problem in _problems(_FIELDS[role], _raw(owner, role)))


def overrides_of(owner: TradingAccount | MarketMaker, role: Role) -> Overrides:
    """What the object says about the pod of one role. Raises InvalidPodOverrideError."""
    raw = _raw(owner, role)
    try:
        return Overrides.model_validate(raw)
    except ValidationError as error:
        field = _FIELDS[role]
        raise InvalidPodOverrideError(field, tuple(_problems(field, raw))) from error


def _raw(owner: TradingAccount | MarketMaker, role: Role) -> Mapping[str, Any]:
    if isinstance(owner, MarketMaker):
        return owner.spec.pod or {}
    match role:
        case Role.GATEWAY:
            options = owner.spec.gateway
        case Role.ORDER_STATE:
            options = owner.spec.order_state
        case Role.RISK:
            options = owner.spec.risk_service
        case Role.STORE | Role.VENUE | Role.QUOTER:
            return {}
        case _:
            assert_never(role)
    return (options.pod if options is not None else None) or {}


def _problems(field: str, raw: Mapping[str, Any]) -> Iterator[FieldProblem]:
    try:
        Overrides.model_validate(raw)
    except ValidationError as error:
        for found in error.errors(include_url=False):
            steps = found["loc"]
            path = ".".join((field, *(str(step) for step in steps if step != "[key]")))
            yield FieldProblem(path, _message(found["type"], found["msg"], len(steps)))


def _message(type_: str, message: str, depth: int) -> str:
    if type_ != "extra_forbidden":
        return message[:1].lower() + message[1:]
    if depth == 1:
        return f"may not be set; allowed are {', '.join(ALLOWED)}"
    return "is not a field that Kubernetes has here; remove it or correct its name"
