"""All quotes as one answer: made once for everybody, and anew when there is news."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.delivery.flush_book import FlushBook
from stockstream.quotes import Symbol
from stockstream.statuses import Confirmations, Lapse, StaleReason
from tests.unit.delivery.support import NOON, row
from web.api.all_quotes import PART, AllQuotes

if TYPE_CHECKING:
    from web.api.all_quotes import Document


class World:
    """A book with quotes, and a clock that the test moves; making an answer takes a second."""

    def __init__(self, symbols: int) -> None:
        self.book = FlushBook()
        self.now = 0.0
        self.confirmations: dict[str, Confirmations] = {}
        self.quotes = AllQuotes(self.book, self.confirmations, {}, self.clock)
        self.symbols = [f"S{number:04}" for number in range(symbols)]
        self.flush(1)

    def clock(self) -> float:
        self.now += 1.0
        return self.now

    def flush(self, seq: int) -> None:
        self.book.note([row(symbol, 100.0 + seq, seq) for symbol in self.symbols])
        self.book.flush()
        self.book.fetched(NOON + seq, seq)
        self.fetched(seq)

    def fetched(self, at: int, *, lapsed: dict[Symbol, Lapse] | None = None) -> None:
        told = frozenset(map(Symbol, self.symbols)).difference(lapsed or {})
        self.confirmations["api"] = Confirmations(at, told, lapsed=lapsed or {})


def read(document: Document) -> list[tuple[str, float]]:
    return [(quote["symbol"], quote["price"]) for quote in json.loads(document.body)["quotes"]]


async def test_it_is_made_once_for_all_who_ask_and_in_turns() -> None:
    """Sorted by symbol; others run between its parts."""
    world = World(3 * PART)
    turns = 0
    answers: list[Document] = []

    async def ask() -> None:
        answers.append(await world.quotes.get())

    async def others() -> None:
        nonlocal turns
        while len(answers) < 5:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        for _ in range(5):
            nursery.start_soon(ask)
    assert read(answers[0]) == [(symbol, 101.0) for symbol in world.symbols]
    assert all(answer is answers[0] for answer in answers)
    assert turns >= 3


async def test_news_make_it_anew_but_not_all_the_time() -> None:
    """Its making takes a tenth of the time at most; its tag changes with it."""
    world = World(2)
    first = await world.quotes.get()
    world.flush(2)
    assert await world.quotes.get() is first
    world.now += 10
    second = await world.quotes.get()
    assert read(second) == [("S0000", 102.0), ("S0001", 102.0)]
    assert second.etag != first.etag
    world.now += 100
    assert await world.quotes.get() is second, "nothing has changed"
    world.book.fetched(NOON + 3, 3)
    world.fetched(3)
    third = await world.quotes.get()
    assert third.etag != second.etag
    assert json.loads(third.body)["as_of"] != json.loads(second.body)["as_of"]


@pytest.mark.parametrize("asked", [["S0001", "NONE"], [], ["NONE"]])
async def test_some_are_told_as_of_now(asked: list[str]) -> None:
    """Those that there are, in the order in which they were asked for."""
    world = World(3)
    await world.quotes.get()
    world.flush(2)
    found = world.quotes.of(asked)
    assert read(found) == [("S0001", 102.0)] * ("S0001" in asked)


@pytest.mark.proves("W21")
async def test_each_says_how_it_stands_and_when_exactly_it_was_confirmed(autojump_clock) -> None:
    """The states of those that a fetch did not confirm are worked out when somebody asks."""
    await trio.sleep(60)
    world = World(3)
    lapse = Lapse(StaleReason.NOT_TOLD, confirmed=51_000, due=54_000)
    world.fetched(59_000, lapsed={Symbol("S0001"): lapse})
    for document in (await world.quotes.get(), world.quotes.of(world.symbols)):
        told = {
            quote["symbol"]: (quote["state"], quote["reason"], _seconds(quote["confirmed"]))
            for quote in json.loads(document.body)["quotes"]
        }
        now = told["S0000"][2]
        assert told == {
            "S0000": ("live", None, now),
            "S0001": ("stale", "not_told", now - 8),
            "S0002": ("live", None, now),
        }


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


async def test_tags_of_two_starts_differ() -> None:
    """Flushes are counted from the start of the process: the same number says nothing."""
    assert World(1).quotes.of([]).etag != World(1).quotes.of([]).etag
