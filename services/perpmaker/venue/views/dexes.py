"""Perpetual dexes as the views name them: the main one, whose name is empty, and the builders'.

Source: Hyperliquid documentation, "HIP-3: Builder-deployed perpetuals".
"""

from __future__ import annotations

from typing import Any

from perpmaker.venue.engine.state import State
from perpmaker.venue.units import E8, shown_e8
from perpmaker.venue.views import limits

MAIN = ""
_NEVER = "1970-01-01T00:00:00"


def dex_names(state: State) -> list[str]:
    """All dexes in the order of their index, the main one first."""
    return [dex.name for dex in state.dexes]


def descriptions(state: State) -> list[dict[str, Any] | None]:
    """The answer to `perpDexs`: null for the main dex."""
    return [_description(state, name) for name in dex_names(state)]


def _description(state: State, name: str) -> dict[str, Any] | None:
    dex = state.dex_named(name)
    if dex is None or name == MAIN:
        return None
    return {
        "name": dex.name,
        "fullName": dex.full_name,
        "deployer": dex.deployer,
        "oracleUpdater": None,
        "feeRecipient": None,
        "assetToStreamingOiCap": limits.coin_to_oi_cap(state, name),
        "subDeployers": [],
        "deployerFeeScale": shown_e8(dex.deployer_fee_scale_e6 * (E8 // 10**6)),
        "lastDeployerFeeScaleChangeTime": _NEVER,
        "assetToFundingMultiplier": [],
        "assetToFundingInterestRate": [],
    }
