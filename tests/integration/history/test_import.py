"""Importing while others write: what it must not disturb, and what must not disturb it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest
import trio

from stockstream.database.query import Purpose, Query
from stockstream.history.candles import Tick, fold
from stockstream.history.queries import FetchCandles
from stockstream.history.recording import Record, copy_ticks, join_candles
from stockstream.history.rolling import Rebuild, RollUp
from stockstream.history.transfer import ImportTicks
from tests.support.database import psql
from tests.support.gateway import DAY, batch, running_history, tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.database.query import Connection

ROUNDS = 10
EVER = 4_000_000_000_000
HOUR = DAY // 3_600_000
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@dataclass(frozen=True, slots=True)
class SlowRecord(Query[None]):
    """Record ticks, and commit when told to."""

    ticks: list[Tick]
    written: threading.Event
    may_commit: Callable[[], bool]
    purpose: ClassVar[Purpose] = Purpose.WRITE

    async def run(self, connection: Connection) -> None:
        async with connection.transaction():
            await copy_ticks(connection, self.ticks)
            await join_candles(connection, "a", fold(self.ticks))
            self.written.set()
            while not self.may_commit():  # noqa: ASYNC110 - this is asyncio
                await asyncio.sleep(0.01)


@pytest.mark.proves("H8", "H12")
async def test_an_import_waits_for_who_writes_the_same_candle(database_url: str) -> None:
    """What is not committed yet is seen by nobody, and must not be lost from the candle."""
    ticks = [tick(n) for n in range(5)]
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(3_600))]))  # makes the day's partition
        written, waiting = threading.Event(), threading.Event()
        async with trio.open_nursery() as nursery:
            slow = SlowRecord(ticks[:1], written, waiting.is_set)
            nursery.start_soon(history.ask, slow)
            await trio.to_thread.run_sync(written.wait, 10)
            nursery.start_soon(history.ask, ImportTicks(ticks[1:]))
            with trio.fail_after(20):
                # Its connection is busy with the import, so another one looks: as an operator.
                while psql(database_url, WAITING) != "1":  # noqa: ASYNC110
                    await trio.sleep(0.02)
            waiting.set()
        assert await history.ask(FetchCandles("AAPL", "1m", 0, DAY + 60_000, 99)) == fold(ticks)


@pytest.mark.proves("H8", "H12")
async def test_candles_are_right_after_an_import_into_minutes_that_are_recorded(
    database_url: str,
) -> None:
    """Both write the same few candles at once; rebuilding and rolling up go on meanwhile too."""
    # Each part has a tick in most minutes of the hour.
    ticks = [
        tick(n, ts=DAY + n * 70_001 % 3_600_000, price=100 + n % 83) for n in range(ROUNDS * 400)
    ]
    recorded, imported = ticks[::2], ticks[1::2]
    in_time = sorted(ticks, key=lambda tick: tick.ts)

    async with running_history(database_url) as history:
        await history.until_up()

        async def record() -> None:
            for number, part in enumerate(parts(recorded)):
                await history.ask(Record([batch(number, *part)]))

        async def bring_in() -> None:
            for part in parts(imported):
                assert (await history.ask(ImportTicks(part))).new == len(part)

        async def keep_up() -> None:
            for _ in range(ROUNDS // 5):
                await history.ask(RollUp(EVER))
                await history.ask(Rebuild(HOUR))

        async with trio.open_nursery() as nursery:
            for work in (record, bring_in, keep_up):
                nursery.start_soon(work)
        found = await history.ask(FetchCandles("AAPL", "1m", 0, EVER, 99))
        assert found == fold(in_time)
        assert await history.ask(FetchCandles("AAPL", "1h", 0, EVER, 99)) == fold(
            in_time, 3_600_000
        )


def parts(ticks: list[Tick]) -> list[list[Tick]]:
    size = len(ticks) // ROUNDS
    return [ticks[start : start + size] for start in range(0, len(ticks), size)]
