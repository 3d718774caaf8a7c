"""A minute of a node as one row, and what of many minutes is shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import trio

from stockstream.delivery.lanes import Connections
from stockstream.figures.minutes import MOST_WAITING, MinuteBook
from stockstream.figures.rows import MOST_POINTS, NAMES, course_of
from stockstream.market.fetches import Fetches, Outcome
from stockstream.tables import Tables
from stockstream.telemetry.process import ProcessSample
from stockstream.telemetry.telemetry import Telemetry
from supervision.context import current_cell

NOON = 1_795_348_800_000
MINUTE = 60_000


def book_at(started: int) -> tuple[MinuteBook, Tables, Connections, Telemetry]:
    tables, connections, telemetry = Tables(), Connections(), Telemetry()
    telemetry.process.started = started
    return MinuteBook(tables, connections, telemetry), tables, connections, telemetry


def being(path: str) -> Any:
    return current_cell.set(cast("Any", SimpleNamespace(path=path)))


async def test_a_minute_ends_with_that_of_the_clock_and_holds_what_happened_in_it() -> None:
    """Rates are of the time that was measured; of the process the highest counts."""
    book, tables, connections, telemetry = book_at(NOON + 30_000)
    assert not book.take(NOON + 59_999)
    token = being("market/feeds/api/feed")
    fetches = Fetches("api", tables.fetches)
    for seconds in (0.01, 0.02, 0.4):
        fetches.ended(Outcome.SUCCESSFUL, seconds)
    fetches.ended(Outcome.FAILED, 5.0)
    fetches.items(90, 60, 2)
    current_cell.reset(token)
    token = being("telemetry")
    for lag in (1.0, 70.0, 2.0):
        telemetry.process.add(ProcessSample(NOON + 40_000, 5_000, None, 1, 1, lag, lag))
    current_cell.reset(token)
    connections.counts.updates += 300
    assert book.take(NOON + MINUTE)
    assert not book.take(NOON + MINUTE)
    (minute,) = book.waiting
    assert minute.at == NOON + MINUTE
    figures = minute.figures
    assert (figures.prices, figures.updates, figures.refused) == (2.0, 10.0, 2)
    assert (figures.fetches_failed, figures.fetch_p95, figures.loop_ms) == (1, 0.4, 70.0)
    assert (figures.memory, figures.clients) == (5_000, 0)
    assert book.take(NOON + 2 * MINUTE + 500)
    assert (book.waiting[-1].figures.prices, book.waiting[-1].figures.refused) == (0.0, 0)
    for number in range(3, MOST_WAITING + 9):
        book.take(NOON + number * MINUTE)
    assert len(book.waiting) == MOST_WAITING
    await trio.lowlevel.checkpoint()


def test_a_week_is_put_together_and_an_hour_is_told_by_the_minute() -> None:
    """The highest of what is too much, the sum of what is counted; where nothing was, none."""
    rows: list[tuple[int, dict[str, float | None]]] = [
        (NOON + n * MINUTE, {"clients": float(n % 2), "loop_ms": float(n), "refused": 1.0})
        for n in range(1, 61)
        if not 20 <= n < 30
    ]
    hour = course_of(rows, NOON, NOON + 60 * MINUTE, [])
    assert (hour.step, len(hour.points)) == (MINUTE, 50)
    week = course_of(rows, NOON - 6 * 86_400_000, NOON + 86_400_000, [])
    assert week.step >= 7 * 86_400_000 / MOST_POINTS
    last = dict(zip(("at", *NAMES), week.points[-1], strict=True))
    minutes = week.step // MINUTE
    assert last["loop_ms"] == 60.0 or last["loop_ms"] is not None
    assert last["refused"] is not None
    assert last["refused"] <= minutes
    assert last["memory"] is None
    assert course_of([], NOON, NOON + MINUTE, []).points == []
