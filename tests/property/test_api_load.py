"""Whatever a file holds, it is loaded or reported: nothing escapes as an exception, nothing wrong gets through."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.api import FULL_ACCOUNT, FULL_MAKER, account_document, changed, maker_document

from perpmaker.api.load import Loaded, load

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(),
    st.sampled_from(["", "0", "-1", "1e9", "250", "Active", "Fixed", "GLFT", "External", "Spot", "0x" + "ab" * 20]),
    st.text(max_size=20),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_SCALARS.filter(lambda k: k == k), inner, max_size=3),
    max_leaves=6,
)


def _paths(value: Any, prefix: str = "") -> list[str]:
    if not isinstance(value, dict):
        return [prefix] if prefix else []
    inner = [path for key, item in value.items() for path in _paths(item, f"{prefix}.{key}".removeprefix("."))]
    return [*([prefix] if prefix else []), *inner]


_OPTIONAL = [
    "spec.quoting.fixed",
    "spec.quoting.glft",
    "spec.killSwitch",
    "spec.redis",
    "spec.pod",
    "spec.deadMansSwitch",
]
_CASES = [
    (document, path)
    for document in (FULL_MAKER, FULL_ACCOUNT, maker_document(), account_document())
    for path in [*_paths(document), *_OPTIONAL, "status.conditions", "surprise"]
]


def _load_text(text: str) -> Loaded:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "objects.yaml"
        file.write_text(text, encoding="utf-8", newline="")
        return load([file])


@settings(max_examples=200, deadline=None)
@given(case=st.sampled_from(_CASES), value=_VALUES)
def test_any_value_in_any_field_is_loaded_or_reported(case: tuple[dict[str, Any], str], value: Any) -> None:
    document, path = case
    loaded = _load_text(yaml.safe_dump(changed(document, {path: value})))
    objects = (*loaded.accounts, *loaded.makers)
    assert bool(objects) or not loaded.report.ok
    for object_ in objects:
        # What is let through can be written and read again: it satisfies every field and every rule.
        type(object_).model_validate(object_.model_dump(mode="json", by_alias=True, exclude_none=True))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet="{}[]:-?&*!|>'\"%@#,~ \n\tab0.", max_size=40))
def test_any_text_is_reported(text: str) -> None:
    assert not _load_text(text).report.ok


@pytest.fixture
def usual_depth() -> Iterator[None]:
    """The interpreter's own limit of nesting: libraries that other tests import raise it a hundredfold."""
    raised = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(raised)


@pytest.mark.usefixtures("usual_depth")
def test_an_alias_of_itself_and_an_alias_bomb_are_reported() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
    for text, problem in (
        ("a: &a {b: *a}", "an alias inside"),
        (bomb, "more than 100000"),
        ("a: " + "[" * 3000, "deeply"),
    ):
        (violation,) = _load_text(text).report.violations
        assert problem in violation.value
