"""Every text a whole action is refused with, and whether the refusal uses up its nonce.

The order in which the exchange checks is that of `tests/unit/venue/test_admission_order.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.catalogue.action_scripts import RefusedAction
from tests.catalogue.refused_account_actions import REFUSED_WHEN_RUN
from tests.catalogue.refused_actions import REFUSED_BEFORE_RUNNING
from tests.catalogue.sections import constants_of, template_of, unnamed
from tests.support.venue import running
from tests.support.venue_core import bench

from perpmaker.venue import engine
from perpmaker.venue.engine import action_texts
from perpmaker.venue.engine.actions import Noop
from perpmaker.venue.engine.answers import Err, Ok

ROWS = (*REFUSED_BEFORE_RUNNING, *REFUSED_WHEN_RUN)
UNRECOVERABLE = "Unable to recover signer."
"""Said at the door: an action without a signer never reaches the engine."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.case)
def test_a_refused_action_says_so_and_burns_its_nonce_unless_it_names_nobody(row: RefusedAction) -> None:
    venue = bench(**row.rules)
    signed = row.script(venue)
    nonce = signed.pop("nonce", None) or getattr(signed["action"], "nonce", None) or venue.now_ms
    who, action = signed.pop("who"), signed.pop("action")
    refused = venue.run(who, action, nonce=nonce, **signed)
    assert refused == Err(row.text), row.section
    venue.state.deposit(who, 1)
    again = venue.run(who, Noop(), nonce=nonce)
    assert row.burns == (isinstance(again, Err) and again.text.startswith("Invalid nonce"))


async def test_a_signature_without_a_signer_is_told_so() -> None:
    async with running(markets=("BTC",), virtual_time=True) as venue:
        alice = venue.client()
        body = alice.envelope({"type": "noop"}) | {"signature": {"r": "0x0", "s": "0x0", "v": 27}}
        assert await alice.post("/exchange", body) == (200, {"status": "err", "response": UNRECOVERABLE})


def test_every_text_has_a_row() -> None:
    assert unnamed(constants_of(action_texts), [UNRECOVERABLE, *(row.text for row in ROWS)]) == []


def test_what_nobody_has_recorded_is_marked_in_rows_and_product_alike() -> None:
    for row in ROWS:
        is_own = template_of(constants_of(action_texts), row.text) in action_texts.OWN_WORDS
        assert is_own == (row.section.kind == "own"), row.text


def test_no_refusal_has_words_elsewhere() -> None:
    core = Path(engine.__path__[0])
    sources = [*core.rglob("*.py"), *core.parent.glob("*.py"), *(core.parent / "shell").glob("*.py")]
    assert len(sources) > 50
    found = {path.name: words for path in sources if (words := list(_refusals_in(path.read_text())))}
    assert found == {}


def _refusals_in(source: str) -> Iterator[str]:
    """Literal words that a piece of code answers with `Err`, or returns as a sentence."""
    for node in ast.walk(ast.parse(source)):
        is_err = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Err"
        said = node.args[0] if is_err else node.value if isinstance(node, ast.Return) else None  # type: ignore[attr-defined]
        if isinstance(said, ast.Constant | ast.JoinedStr):
            words = ast.unparse(said).strip("f'\"")
            if is_err or (words[:1].isupper() and len([word for word in words.split() if word.isalpha()]) > 2):
                yield words


def test_the_search_for_words_finds_them() -> None:
    source = "def f(x):\n    if x: return Err(f'No {x}')\n    return 'Not a good idea.'\ndef g(): return 'Open Long'"
    assert list(_refusals_in(source)) == ["Not a good idea.", "No {x}"]


def test_an_accepted_action_is_not_refused() -> None:
    assert bench().run("0x" + "a" * 40, Noop()) == Ok({"type": "default"})
