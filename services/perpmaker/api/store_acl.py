"""Who may do what in an account's store: the users of its ACL file.

order-state and risk each see their own keys and nothing else; nobody connects without a password. order-state brings
Redis Functions along, so it may load them and call them; both ask how durable the server is (`CONFIG GET`) and wait for
the disk (`WAITAOF`). Commands are named by category because a server refuses a whole file for one command it does not
know.
"""

from __future__ import annotations

import hashlib

ORDER_STATE_USER = "order-state"
RISK_USER = "risk"

_COMMON = "resetchannels -@all +@read +@write +@connection"
_NEVER = "-@admin -@dangerous +config|get"


def acl_file(order_state_password: str, risk_password: str) -> str:
    """Text of `users.acl`. Passwords go in as SHA-256 digests. Raises ValueError for an empty password."""
    order_state = f"{_digest(order_state_password)} ~pm:{{*}}:orders:* {_COMMON} +@scripting {_NEVER}"
    risk = f"{_digest(risk_password)} ~pm:{{*}}:risk:* {_COMMON} -@scripting {_NEVER}"
    return (
        "user default off resetpass resetkeys resetchannels -@all\n"
        f"user {ORDER_STATE_USER} on {order_state}\n"
        f"user {RISK_USER} on {risk}\n"
    )


def _digest(password: str) -> str:
    if not password:
        raise ValueError("a user of the store needs a password")
    return "#" + hashlib.sha256(password.encode()).hexdigest()
