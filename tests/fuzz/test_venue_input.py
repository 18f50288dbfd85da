"""Whatever arrives at the venue, it answers with a status of its table, lives on, and changes nothing.

Nobody there has an account, so no action is admitted, and any change of state would be wrong.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.venue import key_of, order_wire, orders_action, running, sign_action, sign_as_owner
from tests.support.venue_core import bench

from perpmaker.venue.admission import SignedAction
from perpmaker.venue.engine.answers import Answer, Err
from perpmaker.venue.engine.digest import state_hash
from perpmaker.venue.views.info import answer_info
from perpmaker.venue.wire.decode import UnreadableError, decode_envelope, to_engine
from perpmaker.venue.wire.info_requests import REQUEST_TYPES, decode_info
from perpmaker.venue.wire.signatures import UnrecoverableError, signers_of
from perpmaker.venue.wire.subscriptions import Subscribe, decode_request, decode_subscription

KEY = key_of(9)
USER = KEY.address.lower()
UNREADABLE = {400, 422}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["BTC", USER, "0x", "-1", "1e5", "0.000000001", "9" * 5000, "\ud800", "valid_until"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)


def envelope(action: dict[str, Any], nonce: int = 1_760_000_000_000) -> dict[str, Any]:
    sign = sign_as_owner if action["type"] == "approveAgent" else None
    signature = sign(KEY, action) if sign else sign_action(KEY, action, nonce)
    return {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": None, "expiresAfter": None}


APPROVAL = {
    "type": "approveAgent",
    "signatureChainId": "0x1",
    "hyperliquidChain": "Testnet",
    "agentAddress": "0x" + "1" * 40,
    "agentName": "mm",
    "nonce": 1_760_000_000_000,
}
ENVELOPES = [
    envelope(action)
    for action in (
        orders_action(order_wire(0, is_buy=True, px="60000", sz="0.01")),
        {"type": "cancel", "cancels": [{"a": 0, "o": 1}]},
        {"type": "reserveRequestWeight", "weight": 1},
        {"type": "subAccountTransfer", "subAccountUser": "0x" + "2" * 40, "isDeposit": True, "usd": 1},
        {"type": "noop"},
        APPROVAL,
    )
]
QUESTIONS = [{"type": kind, "user": USER, "coin": "BTC", "startTime": 0} for kind in sorted(REQUEST_TYPES)]
SUBSCRIPTIONS = [
    {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "BTC"}},
    {"method": "unsubscribe", "subscription": {"type": "orderUpdates", "user": USER}},
    {"method": "post", "id": 1, "request": {"type": "info", "payload": QUESTIONS[0]}},
    {"method": "post", "id": 2, "request": {"type": "action", "payload": ENVELOPES[0]}},
    {"method": "ping"},
]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        found += paths_of(inner, (*path, key))
    return found


@st.composite
def damaged(draw: st.DrawFn, originals: list[dict[str, Any]]) -> bytes:
    """A sensible message with something wrong: a value replaced, a key added, dropped or doubled, the end missing."""
    message = json.loads(json.dumps(draw(st.sampled_from(originals))))
    path = draw(st.sampled_from(paths_of(message)))
    owner = message
    for step in path[:-1]:
        owner = owner[step]
    how = draw(st.sampled_from(["replace", "drop", "add", "double", "cut", "tail"]))
    if how == "replace":
        owner[path[-1]] = draw(values)
    elif how == "drop":
        del owner[path[-1]]
    elif how == "add":
        message[draw(st.text(max_size=5))] = draw(values)
    text = json.dumps(message)
    if how == "double":
        text = "{" + f"{json.dumps(next(iter(message)))}: {json.dumps(draw(values))}, " + text[1:]
    elif how == "cut":
        text = text[: draw(st.integers(0, len(text)))]
    elif how == "tail":
        text += draw(st.text(max_size=5))
    return text.encode("utf-8", "surrogatepass")


def bodies(originals: list[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    nested = st.sampled_from([b"[" * 100_000, b'{"a":' * 50_000, b'{"type":' + b"[" * 5_000 + b"]" * 5_000 + b"}"])
    plain = values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))
    return st.one_of(st.binary(max_size=60), plain, damaged(originals), damaged(originals), nested)


HOUSE = bench(faucet=0, coins=("BTC", "ETH"))
NESTED = b"[" * 100_000
SURROGATE = b'{"type":"userFees","user":"\\ud800"}'
FUZZED = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZED
@given(body=bodies(QUESTIONS))
@example(body=NESTED)
@example(body=SURROGATE)
def test_no_question_breaks_the_venue_or_moves_its_state(body: bytes) -> None:
    still = state_hash(HOUSE.state)
    try:
        msgspec.json.encode(answer_info(HOUSE.venue, decode_info(body)))
    except UnreadableError as refused:
        assert refused.status in UNREADABLE or (refused.status, refused.text) == (500, "null")
        refused.text.encode("utf-8", "strict")
    assert state_hash(HOUSE.state) == still


@FUZZED
@given(body=bodies(ENVELOPES))
@example(body=NESTED)
def test_no_action_of_a_stranger_is_admitted_or_moves_the_state(body: bytes) -> None:
    try:
        envelope = decode_envelope(body)
        signers = signers_of(envelope, "b")
    except UnreadableError as refused:
        assert refused.status in UNREADABLE
        refused.text.encode("utf-8", "strict")
        return
    except UnrecoverableError:
        return
    action = to_engine(envelope.action)
    signed = SignedAction(action, signers, envelope.nonce, envelope.vault_address, envelope.expires_after)
    answers: list[Answer] = []
    before = sorted(HOUSE.state.accounts), HOUSE.state.next_oid, HOUSE.state.pool.deposits_e8
    HOUSE.venue.submit(signed, answers.append)
    HOUSE.step()
    assert len(answers) == 1 and isinstance(answers[0], Err), answers
    assert (sorted(HOUSE.state.accounts), HOUSE.state.next_oid, HOUSE.state.pool.deposits_e8) == before


@FUZZED
@given(frame=bodies([*SUBSCRIPTIONS, *QUESTIONS]))
@example(frame=NESTED)
@example(frame=b'{"method":"subscribe","subscription":' + b"[" * 900 + b"]" * 900 + b"}")
def test_a_frame_is_a_request_or_it_is_none(frame: bytes) -> None:
    request = decode_request(frame)
    if isinstance(request, Subscribe):
        decode_subscription(request.subscription)


async def test_a_body_may_be_followed_by_anything_but_say_nothing_twice() -> None:
    async with running(markets=("BTC",)) as venue:
        body = json.dumps(venue.client().envelope({"type": "noop"}))
        headers = {"content-type": "application/json"}
        for sent, status in ((body + "}garbage", 200), ('{"nonce":1,' + body[1:], 422)):
            async with venue.session.post(venue.api_url + "/exchange", data=sent, headers=headers) as response:
                assert response.status == status, await response.text()
