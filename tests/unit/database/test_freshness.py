"""How old a replica's data is, by where its primary was when. Time is virtual."""

from __future__ import annotations

import pytest
import trio

from stockstream.database.freshness import LATE_SECONDS, PRIMARY_SECONDS, Freshness
from stockstream.database.replication import WalPosition
from stockstream.times import Moment


def primary(position: int) -> WalPosition:
    return WalPosition(is_replica=False, bytes=position)


def replica(position: int | None, commit_age: float | None = None) -> WalPosition:
    return WalPosition(is_replica=True, bytes=position, commit_age=commit_age)


async def noted(*positions: int) -> Freshness:
    """Of a primary that was at these positions, a second apart, and at the last of them now."""
    freshness = Freshness()
    for number, position in enumerate(positions):
        if number:
            await trio.sleep(1)
        freshness.note(primary(position), Moment.now())
    return freshness


def age(freshness: Freshness, position: WalPosition) -> object:
    as_of = freshness.as_of(position)
    return None if as_of is None else pytest.approx(as_of.age, abs=0.2)


async def test_it_is_as_old_as_the_newest_position_that_it_has_reached(
    autojump_clock: object,
) -> None:
    """Whether it is there exactly or on its way to the next."""
    freshness = await noted(100, 200, 300)
    ages = [age(freshness, replica(position)) for position in (100, 199, 200, 299, 300, 301)]
    assert ages == [2, 2, 1, 1, 0, 0]


async def test_an_idle_primary_makes_nothing_look_old(autojump_clock: object) -> None:
    """Nothing was committed for an hour, and the replica has all of it."""
    freshness = await noted(100)
    await trio.sleep(3600)
    freshness.note(primary(100), Moment.now())
    assert age(freshness, replica(100, commit_age=3600)) == 0


async def test_where_it_has_reached_nothing_that_is_known_its_last_commit_tells(
    autojump_clock: object,
) -> None:
    """At a start; it is not younger than what it has not reached, whatever its clock says."""
    assert age(Freshness(), replica(100, commit_age=15)) == 15
    assert age(Freshness(), replica(100)) is None
    freshness = await noted(100, 200)
    assert age(freshness, replica(50, commit_age=15)) == 15
    assert age(freshness, replica(50, commit_age=-7200)) == 1


async def test_who_tells_no_position_is_not_judged(autojump_clock: object) -> None:
    """One that is no replica, or does not follow its log; nor is it noted as the primary."""
    freshness = await noted(100)
    for silent in (None, replica(None), primary(100)):
        assert freshness.as_of(silent) is None
        assert not freshness.is_late(None)
    for silent in (None, replica(100), WalPosition(is_replica=False, bytes=None)):
        unknowing = Freshness()
        unknowing.note(silent, Moment.now())
        assert age(unknowing, replica(100)) is None


async def test_answers_of_the_primary_may_come_in_any_order(autojump_clock: object) -> None:
    """Two connections ask it. The later question counts, also where it found less."""
    freshness = Freshness()
    early = Moment.now()
    await trio.sleep(1)
    freshness.note(primary(100), Moment.now())
    freshness.note(primary(90), early)
    assert age(freshness, replica(95, commit_age=9)) == 9
    await trio.sleep(1)
    freshness.note(primary(98), Moment.now())
    assert age(freshness, replica(98)) == 0


async def test_it_is_late_while_there_is_a_primary_to_ask(autojump_clock: object) -> None:
    """Not when the primary is gone: old prices are better than none."""
    freshness = await noted(100)
    behind = freshness.as_of(replica(100))
    freshness.note(primary(200), Moment.now().after(0.001))
    await trio.sleep(LATE_SECONDS + 0.1)
    assert not freshness.is_late(behind)
    freshness.note(primary(300), Moment.now())
    assert freshness.is_late(behind)
    await trio.sleep(PRIMARY_SECONDS + 0.1)
    assert not freshness.is_late(behind)
