"""What may replace a part in force, and that a replacement happens whole or not at all."""

from __future__ import annotations

import asyncio

import pytest

from perpmaker.common.config import ConfigError
from perpmaker.common.reconfigure import (
    Configuration,
    NeedsRestartError,
    NotNowError,
    OutdatedError,
    UnusableError,
    VersionedPart,
    check,
)


class Thing(VersionedPart):
    """Two hot fields, two that only a restart changes."""

    markets: tuple[str, ...] = ()
    limit: int = 1
    account: str = "main"
    target: str = "unix:/a"


HOT = ("markets", "limit")
IN_FORCE = Thing(revision=5, markets=("BTC",))


def changed(revision: int, **fields: object) -> Thing:
    return IN_FORCE.model_copy(update={"revision": revision, **fields})


def test_the_same_document_again_changes_nothing() -> None:
    assert not check(IN_FORCE, IN_FORCE, HOT)


def test_a_newer_document_is_taken_even_when_it_says_the_same() -> None:
    assert check(IN_FORCE, changed(6), HOT)
    assert check(IN_FORCE, changed(6, markets=("BTC", "ETH"), limit=2), HOT)


def test_an_older_document_is_refused_whatever_it_says() -> None:
    with pytest.raises(OutdatedError, match="revision 4 is older than 5"):
        check(IN_FORCE, changed(4, account="other"), HOT)


def test_one_revision_has_one_content() -> None:
    with pytest.raises(OutdatedError, match="in force with another limit"):
        check(IN_FORCE, changed(5, limit=2), HOT)


def test_every_field_that_needs_a_restart_is_named() -> None:
    with pytest.raises(NeedsRestartError) as refused:
        check(IN_FORCE, changed(6, account="other", target="unix:/b", limit=2), HOT)
    assert refused.value.fields == ("account", "target")


class House:
    """Something that works by a Thing."""

    def __init__(self) -> None:
        self.works_by = IN_FORCE
        self.refuses: Exception | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.began = asyncio.Event()
        self.configuration = Configuration(IN_FORCE, HOT, self._put_in_force)

    async def _put_in_force(self, part: Thing) -> None:
        self.began.set()
        await self.may_go_on.wait()
        if self.refuses is not None:
            raise self.refuses
        self.works_by = part

    async def offer(self, part: Thing) -> int:
        return await self.configuration.offer(part.revision, part.model_dump_json())


async def test_what_is_offered_is_in_force_when_the_answer_comes() -> None:
    house = House()
    assert await house.offer(changed(7, limit=3)) == 7
    assert (house.works_by.limit, house.configuration.revision) == (3, 7)


async def test_a_refused_replacement_leaves_the_old_part_in_force_and_can_be_offered_again() -> None:
    house = House()
    house.refuses = NotNowError("busy")
    with pytest.raises(NotNowError):
        await house.offer(changed(7, limit=3))
    assert house.configuration.part == IN_FORCE
    house.refuses = None
    assert await house.offer(changed(7, limit=3)) == 7


async def test_a_replacement_is_carried_through_although_its_caller_went_away() -> None:
    house = House()
    house.may_go_on.clear()
    caller = asyncio.create_task(house.offer(changed(7, limit=3)))
    await house.began.wait()
    caller.cancel()
    await asyncio.wait((caller,))
    house.may_go_on.set()
    assert await house.offer(changed(7, limit=3)) == 7
    assert house.works_by.limit == 3


async def test_replacements_offered_at_once_happen_one_after_the_other() -> None:
    house = House()
    house.may_go_on.clear()
    first = asyncio.create_task(house.offer(changed(7, limit=3)))
    await house.began.wait()
    second = asyncio.create_task(house.offer(changed(6, limit=2)))
    house.may_go_on.set()
    assert await first == 7
    with pytest.raises(OutdatedError):
        await second


async def test_a_document_that_cannot_be_read_names_every_problem() -> None:
    house = House()
    with pytest.raises(ConfigError) as refused:
        await house.configuration.offer(6, '{"revision": 6, "limit": "much", "colour": "red"}')
    assert {problem.split(":")[0] for problem in refused.value.problems} == {"limit", "colour"}


async def test_the_revision_told_is_the_documents() -> None:
    house = House()
    with pytest.raises(UnusableError, match="revision 8 does not match"):
        await house.configuration.offer(8, changed(7).model_dump_json())
