"""Every operation of the venue that means broken connections or refused admission is tried on the gateway."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from perpmaker.venue.faults.engine_ops import AnyEngineOp, Fund
from perpmaker.venue.faults.families import FAMILIES, Family
from perpmaker.venue.faults.switches import AnySwitch, name_of
from perpmaker.venue.shell.operations import KINDS, Disconnect, RateLimit

HERE = Path(__file__).parent


def test_every_operation_that_means_trouble_has_its_families_and_no_other_has() -> None:
    kinds = {*get_args(AnySwitch), *get_args(AnyEngineOp), Disconnect, RateLimit} - {Fund}
    assert set(FAMILIES) == {name_of(kind) for kind in kinds} <= set(KINDS)
    assert all(FAMILIES.values())


@pytest.mark.parametrize("family", [Family.CONNECTIVITY, Family.ADMISSION])
def test_every_operation_of_a_family_is_thrown_by_one_of_its_tests(family: Family) -> None:
    tests = "".join(path.read_text() for path in sorted(HERE.glob(f"test_{family}_*.py")) if path != Path(__file__))
    thrown = set(re.findall(r'(?:control\(|"op": )"(\w+)"', tests))
    assert {name for name, families in FAMILIES.items() if family in families} - thrown == set()
