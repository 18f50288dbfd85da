"""The README's own market is one that `perpmaker validate` accepts."""

from __future__ import annotations

import re
from pathlib import Path

from perpmaker.api.load import load

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_market_of_the_readme_is_valid_with_the_example_account(tmp_path: Path) -> None:
    (document,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    market = tmp_path / "market.yaml"
    market.write_text(document)
    loaded = load((ROOT / "deploy" / "examples" / "account.yaml", market))
    assert loaded.report.ok
    assert [maker.spec.market.symbol for maker in loaded.makers] == ["BTC"]
