"""Names by which services know each other: the URI in a peer's certificate.

`spiffe://perpmaker.io/ns/<namespace>/account/<account>/<role>` for the services of an account and for people at the
command line, `spiffe://perpmaker.io/operator` for the operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

TRUST_DOMAIN: Final = "perpmaker.io"
_NAME = r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?"
_MEMBER = re.compile(
    rf"spiffe://{re.escape(TRUST_DOMAIN)}/ns/(?P<ns>{_NAME})/account/(?P<account>{_NAME})/(?P<role>.+)"
)
_OPERATOR = f"spiffe://{TRUST_DOMAIN}/operator"


class Role(StrEnum):
    """What a peer is."""

    GATEWAY = "gateway"
    ORDER_STATE = "order-state"
    RISK = "risk"
    QUOTER = "quoter"
    CLI = "cli"
    """A person with the command line."""
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a certificate says its holder is. The operator belongs to no account."""

    role: Role
    namespace: str | None = None
    account: str | None = None

    @property
    def uri(self) -> str:
        """The name as it stands in a certificate."""
        if self.role is Role.OPERATOR:
            return _OPERATOR
        return f"spiffe://{TRUST_DOMAIN}/ns/{self.namespace}/account/{self.account}/{self.role.value}"

    @property
    def scope(self) -> tuple[str | None, str | None]:
        """Namespace and account."""
        return self.namespace, self.account


class NotAnIdentityError(Exception):
    """A URI names nobody we know."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri!r} names none of ours; it must be {_OPERATOR} or"
            f" spiffe://{TRUST_DOMAIN}/ns/<namespace>/account/<account>/<role> with role one of"
            f" {', '.join(role.value for role in Role if role is not Role.OPERATOR)}"
        )
        self.uri = uri


def parse_identity(uri: str) -> Identity:
    """Read a certificate's URI. Raises NotAnIdentityError."""
    if uri == _OPERATOR:
        return Identity(Role.OPERATOR)
    match = _MEMBER.fullmatch(uri)
    if match is None or match["role"] not in {role.value for role in Role} or match["role"] == Role.OPERATOR:
        raise NotAnIdentityError(uri)
    return Identity(Role(match["role"]), match["ns"], match["account"])
