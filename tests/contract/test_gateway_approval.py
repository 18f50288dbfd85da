"""The approval of an API wallet is what an independent implementation of typed-data signing makes of it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from tests.support.venue import key_of, sign_approval

from perpmaker.gateway.approval import AGENT_NAME, approval
from perpmaker.gateway.key import SigningKey

NONCE = 1_760_000_000_123


@pytest.mark.parametrize("number", [1, 7, 2**200 + 3])
def test_the_signature_is_the_one_an_ethereum_wallet_makes(number: int) -> None:
    master, agent = key_of(number), key_of(number + 1).address.lower()
    body = approval(SigningKey(bytes(master.key)), agent, NONCE)
    signature = cast("dict[str, Any]", body["signature"])
    expected = sign_approval(master, cast("dict[str, Any]", body["action"]))
    assert {name: int(value, 16) if name != "v" else value for name, value in signature.items()} == {
        name: int(value, 16) if name != "v" else value for name, value in expected.items()
    }


def test_the_action_names_the_agent_and_repeats_the_nonce() -> None:
    agent = key_of(2).address.lower()
    body = approval(SigningKey(bytes(key_of(1).key)), agent, NONCE)
    action = cast("dict[str, Any]", body["action"])
    assert (action["agentAddress"], action["agentName"], action["nonce"], body["nonce"]) == (
        agent,
        AGENT_NAME,
        NONCE,
        NONCE,
    )
