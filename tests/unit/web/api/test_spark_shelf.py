"""Courses of the day are read once for all who ask, and again after a minute."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.database.query import Answered
from stockstream.history.sparks import Spark, Wanted
from stockstream.market.exchange_days import day_at
from stockstream.quotes import Symbol
from stockstream.times import DAY_MS
from web.api import spark_shelf
from web.api.spark_shelf import FRESH_SECONDS, WAIT_SECONDS, SparkShelf, tag_of
from web.asking import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY = 20_000 * DAY_MS
TODAY, TOMORROW = (Wanted(day_at("UTC", DAY + n * DAY_MS), None) for n in range(2))


class Database:
    """Answers after a while, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.takes = 0.5
        self.away = False
        self.price = 1.0

    async def read(self, wanted: Mapping[Symbol, Wanted]) -> Answered[dict[str, Spark]]:
        self.asked.append(list(wanted))
        await trio.sleep(self.takes)
        if self.away:
            raise UnavailableError("away", retry_after=2)
        return Answered({s: Spark(w.day.start, [self.price]) for s, w in wanted.items()})


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def shelf(database: Database) -> SparkShelf:
    return SparkShelf(database.read)


def named(*symbols: str, wanted: Wanted = TODAY) -> dict[Symbol, Wanted]:
    return {Symbol(symbol): wanted for symbol in symbols}


async def test_a_thousand_who_ask_at_once_are_one_question(
    shelf: SparkShelf, database: Database, autojump_clock: trio.abc.Clock
) -> None:
    """And somebody who wants one more asks for that one only."""
    tags = set()

    async def page() -> None:
        tags.add(tag_of(await shelf.get(named("A", "B"))))

    async with trio.open_nursery() as nursery:
        for _ in range(1_000):
            nursery.start_soon(page)
    assert database.asked == [["A", "B"]]
    assert len(tags) == 1
    found = await shelf.get(named("B", "C", "A"))
    assert database.asked == [["A", "B"], ["C"]]
    assert [json.loads(one.body)["symbol"] for one in found] == ["B", "C", "A"]


async def test_it_is_read_again_after_a_minute_and_on_another_day(
    shelf: SparkShelf, database: Database, autojump_clock: trio.abc.Clock
) -> None:
    """The tag is another one when the prices are others, and the same when they are not."""
    first = tag_of(await shelf.get(named("A")))
    await trio.sleep(FRESH_SECONDS)
    assert tag_of(await shelf.get(named("A"))) == first
    database.price = 2.0
    assert tag_of(await shelf.get(named("A"))) == first, "within the minute"
    [found] = await shelf.get(named("A", wanted=TOMORROW))
    assert json.loads(found.body) == {
        "symbol": "A",
        "zone": "UTC",
        "from": "2024-10-05T00:00:00.000Z",
        "to": "2024-10-06T00:00:00.000Z",
        "first": "2024-10-05T00:00:00.000Z",
        "closes": [2.0],
    }
    assert database.asked == [["A"]] * 3


async def test_those_who_waited_for_a_question_that_failed_do_not_ask_it_again(
    shelf: SparkShelf, database: Database, autojump_clock: trio.abc.Clock
) -> None:
    """Who comes later does; what nobody knows of is kept from nobody."""
    database.away = True
    refused = 0

    async def page(symbol: str) -> None:
        nonlocal refused
        with pytest.raises(UnavailableError):
            await shelf.get(named(symbol))
        refused += 1

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(page, f"S{number}")
    assert (refused, len(database.asked)) == (100, 1)
    database.away = False
    assert len(await shelf.get(named("S1"))) == 1


async def test_who_asks_and_leaves_leaves_the_question_to_the_next(
    shelf: SparkShelf, database: Database, autojump_clock: trio.abc.Clock
) -> None:
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(database.takes / 2):
            await shelf.get(named("A"))
        nursery.start_soon(shelf.get, named("A"))
    assert database.asked == [["A"], ["A"]]


async def test_nobody_waits_for_ever(
    shelf: SparkShelf, database: Database, autojump_clock: trio.abc.Clock
) -> None:
    database.takes = 1_000.0
    began = trio.current_time()
    with pytest.raises(UnavailableError, match="no answer of the database yet"):
        await shelf.get(named("A"))
    assert trio.current_time() - began == pytest.approx(WAIT_SECONDS)


async def test_what_is_kept_is_bounded(
    shelf: SparkShelf,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.abc.Clock,
) -> None:
    """Those that were read longest ago go first; an answer has all that was asked for."""
    monkeypatch.setattr(spark_shelf, "MOST_KEPT", 3)
    await shelf.get(named("A", "B"))
    assert len(await shelf.get(named("C", "D", "B"))) == 3
    assert len(shelf) == 3
    await shelf.get(named("B", "C", "D"))
    assert database.asked == [["A", "B"], ["C", "D"]]
    assert len(await shelf.get(named("E", "F", "G", "H"))) == 4


async def test_a_day_without_prices_has_no_bin(autojump_clock: trio.abc.Clock) -> None:
    """It is kept like another: nobody asks for it again within the minute."""
    asked = 0

    async def read(wanted: Mapping[Symbol, Wanted]) -> Answered[dict[str, Spark]]:
        nonlocal asked
        asked += 1
        return Answered({})

    shelf = SparkShelf(read)
    for _ in range(2):
        [found] = await shelf.get(named("A"))
        told = json.loads(found.body)
        assert (told["first"], told["closes"]) == (None, [])
    assert asked == 1
