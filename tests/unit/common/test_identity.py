"""Names in certificates."""

from __future__ import annotations

import pytest

from perpmaker.common.identity import Identity, NotAnIdentityError, Role, parse_identity


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_a_members_name_is_read_as_it_is_written(role: Role) -> None:
    identity = Identity(role, "trading", "main-1.a")
    assert identity.uri == f"spiffe://perpmaker.io/ns/trading/account/main-1.a/{role.value}"
    assert parse_identity(identity.uri) == identity


def test_the_operator_belongs_to_no_account() -> None:
    identity = parse_identity("spiffe://perpmaker.io/operator")
    assert identity == Identity(Role.OPERATOR)
    assert identity.uri == "spiffe://perpmaker.io/operator"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "https://perpmaker.io/operator",
        "spiffe://elsewhere.io/operator",
        "spiffe://perpmaker.io/operator/",
        "spiffe://perpmaker.io/ns/trading/account/main",
        "spiffe://perpmaker.io/ns/trading/account/main/",
        "spiffe://perpmaker.io/ns/trading/account/main/king",
        "spiffe://perpmaker.io/ns/trading/account/main/operator",
        "spiffe://perpmaker.io/ns/trading/account/main/risk/more",
        "spiffe://perpmaker.io/ns/a/b/account/main/risk",
        "spiffe://perpmaker.io/ns//account/main/risk",
        "spiffe://perpmaker.io/ns/trading/account/../risk",
        "spiffe://perpmaker.io/ns/trading/account/main/risk\n",
        " spiffe://perpmaker.io/ns/trading/account/main/risk",
    ],
)
def test_any_other_name_is_nobodys(uri: str) -> None:
    with pytest.raises(NotAnIdentityError, match="names none of ours; it must be spiffe"):
        parse_identity(uri)
