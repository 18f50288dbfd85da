"""Every HTTP status of the exchange, with its body, over real sockets."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.catalogue.sections import Section, documented, measured
from tests.support import venue as support
from tests.support.venue import order_wire, orders_action

from perpmaker import venue as product

JSON = "application/json"
MALFORMED = "Failed to parse the request body as JSON"
UNREADABLE = "Failed to deserialize the JSON body into the target type"
WRONG_TYPE = "Expected request with `Content-Type: application/json`"
ADDRESS = "0x" + "a" * 40
NOBODY = {"r": "0x1", "s": "0x1", "v": 27}
_READING = measured("testnet, bodies that differ from a good one in one place")
_FAILING = measured("reports of clients, mainnet")
_INFO = documented("Info endpoint", "requests")
_ENVELOPE = documented("Exchange endpoint", "an answer of status err is HTTP 200")


@dataclass(frozen=True)
class Answered:
    """A body sent to a path, and how the answer begins. `fault` arms a switch of the control port before."""

    section: Section
    case: str
    path: str
    body: bytes
    status: int
    begins: str
    content_type: str = JSON
    answers: str = ""
    fault: tuple[tuple[str, Any], ...] = ()


def info(**fields: Any) -> bytes:
    return json.dumps(fields).encode()


def action(order: dict[str, Any] | None = None, *, kind: str = "order", **envelope: Any) -> bytes:
    """An envelope with one order, signed by nobody: whatever can be read is answered with 200."""
    good = order_wire(0, is_buy=True, px="64000", sz="0.001")
    placed = orders_action(good | (order or {})) | {"type": kind}
    return json.dumps({"action": placed, "nonce": 1, "signature": NOBODY} | envelope).encode()


def refusing(status: int, door: str) -> tuple[tuple[str, Any], ...]:
    return (("op", "refuse"), ("kind", str(status)), ("channel", door), ("n", 1))


READ = (
    Answered(_INFO, "a request", "/info", info(type="meta"), 200, '{"universe"'),
    Answered(_READING, "trailing bytes", "/info", info(type="meta") + b" trailing", 200, '{"universe"'),
    Answered(_READING, "an unknown field", "/info", info(type="meta", nope=1), 200, '{"universe"'),
    Answered(_READING, "by position", "/info", json.dumps(["userRole", ADDRESS]).encode(), 200, '{"role":"missing"}'),
    Answered(_READING, "an address without 0x", "/info", info(type="userRole", user="a" * 40), 200, '{"role"'),
    Answered(_READING, "an address in capitals", "/info", info(type="userRole", user="0x" + "A" * 40), 200, '{"role"'),
    Answered(_READING, "another JSON type", "/info", info(type="meta"), 200, '{"universe"', "application/vnd.api+json"),
    Answered(_READING, "the book of an unknown coin", "/info", info(type="l2Book", coin="NOPE"), 200, "null"),
    Answered(_ENVELOPE, "an action", "/exchange", action(), 200, '{"status":'),
    Answered(
        _ENVELOPE, "an action of no known kind of expiry", "/exchange", action(expiresAfter=None), 200, '{"status":'
    ),
    Answered(_ENVELOPE, "a refused signature", "/exchange", action(), 200, '{"status":"err","response":"'),
)

UNREAD = (
    Answered(_READING, "no JSON", "/info", b"{", 400, MALFORMED),
    Answered(_READING, "JSON too deep", "/info", b"[" * 200_000, 400, MALFORMED),
    Answered(_READING, "no JSON as action", "/exchange", b"{", 400, MALFORMED),
    Answered(_READING, "text", "/info", info(type="meta"), 415, WRONG_TYPE, "text/plain"),
    Answered(_READING, "an action as text", "/exchange", action(), 415, WRONG_TYPE, "text/plain"),
    Answered(_READING, "an unknown request", "/info", info(type="nope"), 422, UNREADABLE),
    Answered(_READING, "a field of another type", "/info", info(type="l2Book", coin=7), 422, UNREADABLE),
    Answered(_READING, "a missing field", "/info", info(type="l2Book"), 422, UNREADABLE),
    Answered(_READING, "a key given twice", "/info", b'{"type":"meta","type":"meta"}', 422, UNREADABLE),
    Answered(_READING, "an address after 0X", "/info", info(type="userRole", user="0X" + "a" * 40), 422, UNREADABLE),
    Answered(_READING, "an empty envelope", "/exchange", b"{}", 422, UNREADABLE),
    Answered(_READING, "an unknown key of the envelope", "/exchange", action(nope=1), 422, UNREADABLE),
    Answered(_READING, "an unknown action", "/exchange", action(kind="nope"), 422, UNREADABLE),
    Answered(_READING, "an unknown key of an order", "/exchange", action({"nope": 1}), 422, UNREADABLE),
    Answered(_READING, "a price as a number", "/exchange", action({"p": 64000}), 422, UNREADABLE),
    Answered(_READING, "a size as a number", "/exchange", action({"s": 0.001}), 422, UNREADABLE),
    Answered(_READING, "a price in scientific notation", "/exchange", action({"p": "6.4e4"}), 422, UNREADABLE),
    Answered(_READING, "a negative price", "/exchange", action({"p": "-64000"}), 422, UNREADABLE),
    Answered(_READING, "nine decimals", "/exchange", action({"s": "0.000000001"}), 422, UNREADABLE),
    Answered(_READING, "nine decimals of which the last is zero", "/exchange", action({"s": "0.100000000"}), 200, "{"),
)

FAILED = (
    *(
        Answered(
            _READING, f"{figures} figures", "/info", info(type="l2Book", coin="BTC", nSigFigs=figures), 500, "null"
        )
        for figures in (0, 1, 6)
    ),
    *(
        Answered(
            _READING,
            f"mantissa {mantissa} of {figures} figures",
            "/info",
            info(type="l2Book", coin="BTC", nSigFigs=figures, mantissa=mantissa),
            500,
            "null",
        )
        for figures, mantissa in ((5, 3), (5, 1), (4, 2), (None, 5))
    ),
    Answered(
        documented("Info endpoint", "L2 book snapshot"),
        "mantissa 1 where the documentation is believed",
        "/info",
        info(type="l2Book", coin="BTC", nSigFigs=5, mantissa=1),
        200,
        '{"coin":"BTC"',
        answers="accept_mantissa_1=1",
    ),
    Answered(
        _FAILING,
        "fundings of an unknown coin",
        "/info",
        info(type="fundingHistory", coin="NOPE", startTime=0),
        500,
        "null",
    ),
    *(
        Answered(_FAILING, f"{status} at {path}", path, body, status, begins, fault=refusing(status, door))
        for path, body, door in (("/info", info(type="meta"), "rest_info"), ("/exchange", action(), "rest_exchange"))
        for status, begins in ((500, "null"), (502, "<html>"), (503, "<html>"))
    ),
    *(
        Answered(
            documented("Rate limits and user limits", "IP"),
            f"a spent address at {path}",
            path,
            body,
            429,
            "null",
            fault=refusing(429, door),
        )
        for path, body, door in (("/info", info(type="meta"), "rest_info"), ("/exchange", action(), "rest_exchange"))
    ),
)

ROWS = (*READ, *UNREAD, *FAILED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
async def test_a_request_is_answered_with_its_status(row: Answered) -> None:
    async with support.running(markets=("BTC",), answers=row.answers) as venue:
        if row.fault:
            await venue.control(**dict(row.fault))
        headers = {"content-type": row.content_type}
        async with venue.session.post(venue.api_url + row.path, data=row.body, headers=headers) as response:
            text = await response.text()
            assert (response.status, text[: len(row.begins)]) == (row.status, row.begins), row.section
            if response.status == 200 or text == "null":
                assert response.content_type == JSON
            assert response.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("said", [False, True])
async def test_when_to_come_back_is_said_only_where_the_venue_is_told_to(said: bool) -> None:
    rules = f"ip.sends_retry_after={int(said)}"
    async with support.running(markets=("BTC",), virtual_time=True, limit_rules=rules) as venue:
        alice = venue.client()
        for _ in range(20):
            await alice.post("/info", {"type": "userRole", "user": ADDRESS})
        async with venue.session.post(venue.api_url + "/info", json={"type": "meta"}) as response:
            assert (response.status, response.headers.get("Retry-After")) == (429, "1" if said else None)


def test_every_status_that_the_venue_can_answer_has_a_row() -> None:
    sources = Path(product.__path__[0]).rglob("*.py")
    found = {status for path in sources if path.name != "control.py" for status in _statuses_in(path.read_text())}
    assert found >= {400, 415, 422, 500}
    assert found | {200, 429, 502, 503} == {row.status for row in ROWS}


def _statuses_in(source: str) -> Iterator[int]:
    """Statuses named as literals: of a refusal that is raised, or of an answer."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        is_refusal = isinstance(node.func, ast.Name) and node.func.id == "UnreadableError"
        named = [keyword.value for keyword in node.keywords if keyword.arg == "status"]
        for value in [*node.args[:1], *named] if is_refusal else named:
            if isinstance(value, ast.Constant) and isinstance(value.value, int):
                yield value.value
