"""Nothing the venue can be made to do to an order is without a test of what the gateway makes of it."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType

from tests.hazards.claims import CLAIM, Claim, Hazard

from perpmaker.venue.engine.statuses import Status
from perpmaker.venue.faults.families import FAMILIES, Family

_HERE = Path(__file__).parent
_MOVES_THE_MARKET = "episode"
"""It has simulated traders trade, and befalls no order of an account by itself."""


def _modules() -> list[Path]:
    return sorted(path for path in _HERE.glob("test_*.py") if path != Path(__file__))


def _claims(module: ModuleType) -> list[Claim]:
    return [getattr(test, CLAIM) for test in vars(module).values() if hasattr(test, CLAIM)]


def _all_claims() -> list[Claim]:
    return [claim for path in _modules() for claim in _claims(importlib.import_module(f"tests.hazards.{path.stem}"))]


def _words(path: Path) -> set[str]:
    """Every word in the literals of a file."""
    tree = ast.parse(path.read_text())
    literals = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return {word for literal in literals for word in literal.split()}


def test_every_hazard_is_claimed_by_a_test() -> None:
    claimed = {hazard for claim in _all_claims() for hazard in claim.hazards}
    assert [hazard.value for hazard in Hazard if hazard not in claimed] == []


def test_every_switch_that_befalls_orders_or_their_market_is_thrown_at_a_gateway() -> None:
    befalls = {name for name, families in FAMILIES.items() if families & {Family.ORDER_STATE, Family.MARKET}}
    thrown = {switch for claim in _all_claims() for switch in claim.switches}
    assert sorted(befalls - thrown - {_MOVES_THE_MARKET}) == []


def test_claims_name_switches_that_exist() -> None:
    assert [claim for claim in _all_claims() if not claim.switches <= set(FAMILIES)] == []


def test_every_word_for_an_engine_cancel_is_met() -> None:
    words = {status.value for status in Status if status.is_cancellation}
    met = {word for path in _modules() for word in _words(path)}
    assert sorted(words - met) == []


def test_every_word_for_a_refusal_is_met() -> None:
    words = {status.value for status in Status if status.is_rejection and status is not Status.REJECTED}
    met = {word for path in _modules() for word in _words(path)}
    assert sorted(words - met) == []
