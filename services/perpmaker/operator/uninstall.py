"""Take everything down in order: MarketMakers first, then the accounts they trade on, each waited for.

Run before the operator itself is removed, since only a running operator can release them. Needs get, list and delete
on our two kinds and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from perpmaker.operator.interfaces import KubeError, Manifest, Ref, Resource
from perpmaker.operator.kube import credentials
from perpmaker.operator.kube.client import ApiServer
from perpmaker.operator.kube.resources import MARKET_MAKER, TRADING_ACCOUNT

POLL_S: Final = 0.5
TELL_EVERY_S: Final = 10.0

Say = Callable[[str], None]


def main(namespaces: Sequence[str], timeout_s: float, say: Say) -> bool:
    """Uninstall; True when nothing is left. Raises CredentialsError."""
    return asyncio.run(_main(namespaces, timeout_s, say))


async def _main(namespaces: Sequence[str], timeout_s: float, say: Say) -> bool:
    async with ApiServer(credentials.find()) as api:
        return await uninstall(api, namespaces, timeout_s, say)


async def uninstall(api: ApiServer, namespaces: Sequence[str], timeout_s: float, say: Say) -> bool:
    """Delete all makers, then all accounts, in the namespaces (none: in the cluster); True when nothing is left."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    for resource in (MARKET_MAKER, TRADING_ACCOUNT):
        left = await _remove(api, resource, namespaces, deadline, say)
        if left:
            say(f"not gone after {timeout_s:.0f} s:")
            for item in left:
                say(f"    {_name(item)}: {_why(item)}")
            say("Look at its events (kubectl describe), make sure the operator runs, and run this again.")
            return False
    say("nothing is left")
    return True


async def _remove(
    api: ApiServer, resource: Resource, namespaces: Sequence[str], deadline: float, say: Say
) -> Sequence[Manifest]:
    clock = asyncio.get_running_loop().time
    asked: set[str] = set()
    told_at = clock()
    left: Sequence[Manifest] = ()
    while True:
        try:
            left = [item for space in namespaces or (None,) for item in (await api.list(resource, space)).items]
            if not left:
                if asked:
                    say(f"all {resource.plural} are gone")
                return ()
            for item in left:
                metadata = item["metadata"]
                if metadata["uid"] not in asked:
                    ref = Ref(resource, metadata["namespace"], metadata["name"])
                    await api.delete(ref, uid=metadata["uid"], children_first=False)
                    asked.add(metadata["uid"])
                    say(f"deleting {_name(item)}")
        except KubeError as error:
            if 400 <= error.status < 429:
                raise
            say(f"the API server does not answer, trying again: {error}")
        if clock() > deadline:
            return left
        if clock() - told_at > TELL_EVERY_S:
            told_at = clock()
            say(f"waiting for {', '.join(_name(item) for item in left)}")
        await asyncio.sleep(POLL_S)


def _name(item: Manifest) -> str:
    return f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"


def _why(item: Manifest) -> str:
    """What the object says about its own teardown."""
    status = item.get("status") or {}
    step = (status.get("teardown") or {}).get("step")
    stalled: Manifest = next((c for c in status.get("conditions") or () if c.get("type") == "Stalled"), {})
    if stalled.get("status") == "True":
        return f"{stalled.get('reason')}: {stalled.get('message')}"
    return f"teardown is at {step}" if step else "the operator has not begun with it"
