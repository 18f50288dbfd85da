"""The request by which an account approves its API wallet.

On a real network only the account's owner does this, with a wallet of theirs; here it serves simulated accounts alone.
"""

from __future__ import annotations

from perpmaker.gateway.key import SigningKey
from perpmaker.gateway.owner_request import approve_agent, signed_body
from perpmaker.hyperliquid.networks import Network

AGENT_NAME = "perpmaker"


def approval(master: SigningKey, agent_address: str, nonce: int) -> bytes:
    """Body of POST /exchange that makes `agent_address` the API wallet named AGENT_NAME of the master's account."""
    return signed_body(master, approve_agent(Network.SIMULATED, agent_address, AGENT_NAME, nonce))
