"""Twenty years of daily prices: they come in, and everything else goes on as before."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.history.candles import Tick, fold
from stockstream.history.queries import FetchCandles, FetchTicks
from stockstream.history.recording import Record
from stockstream.history.rolling import RollUp
from stockstream.history.tick_lines import write_lines
from stockstream.history.upkeep import Retain
from stockstream.times import DAY_MS, now_ms
from tests.support.database import psql
from tests.support.gateway import batch, running_history

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.cli.conftest import Ended

    Run = Callable[..., Ended]

TODAY = now_ms() // DAY_MS
YEARS = {"OLDA": 20, "OLDB": 2}
PARTITIONS = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ticks'::regclass"


def walk(symbol: str, years: int) -> list[Tick]:
    """A price a day, on five days of the week; received when it was made."""
    rng = random.Random(years)
    price, ticks = 100.0, []
    for day in range(TODAY - 365 * years, TODAY - 10):
        if day % 7 not in {2, 3}:
            price = max(1.0, round(price * rng.uniform(0.97, 1.031), 4))
            ts = day * DAY_MS + 75_600_000
            ticks.append(Tick(symbol, "SIM", price, ts, ts + 50, 0, 0))
    return ticks


@pytest.mark.proves("H4", "H6", "H12", "H13")
def test_twenty_years_of_days_are_imported_and_nothing_else_suffers(
    stockstream: Run, database_url: str, tmp_path: Path
) -> None:
    """Queries, four at once, live recording, export and backup: beside it, and afterwards."""
    ticks = {name: walk(name, years) for name, years in YEARS.items()}
    file = tmp_path / "old.csv"
    everything = [tick for name in ticks for tick in ticks[name]]
    file.write_text(write_lines(everything, "csv", header=True))

    def db(*arguments: str) -> dict[str, object]:
        ended = stockstream("db", *arguments, "--json", DATABASE_URL=database_url)
        assert (ended.code, ended.err) == (0, ""), ended
        found: dict[str, object] = json.loads(ended.out)
        return found

    assert db("import", "old.csv")["new"] == len(everything)
    assert db("import", "old.csv")["new"] == 0
    # A partition per day would be some five thousand.
    assert int(psql(database_url, PARTITIONS)) < 10
    trio.run(_used, database_url, ticks)
    assert db("export", "--output", "again.csv")["ticks"] == len(everything) + 1
    assert db("backup", "prices.dump")["bytes"]
    trio.run(_kept_up, database_url, ticks)


async def _used(url: str, ticks: dict[str, list[Tick]]) -> None:
    """Prices are recorded, and those of old days are found, by several at once."""
    now = now_ms()
    live = Tick("LIVE", None, 1.0, now, now, 1, 1)
    async with running_history(url) as history:
        await history.until_up()
        assert await history.ask(Record([batch(1, live)])) == 1

        async def look(name: str) -> None:
            found = await history.ask(FetchTicks(name, 0, now, 9_999))
            assert found == ticks[name]

        async with trio.open_nursery() as nursery:
            for name in [*ticks, *ticks]:
                nursery.start_soon(look, name)


async def _kept_up(url: str, ticks: dict[str, list[Tick]]) -> None:
    """Retention takes what is old, in steps, and the days stay."""
    now = now_ms()
    async with running_history(url) as history:
        await history.until_up()
        steps = [await history.ask(Retain(now))]
        while steps[-1].more:
            steps.append(await history.ask(Retain(now)))
        assert len(steps) < 20
        assert await history.select("SELECT symbol FROM ticks") == [("LIVE",)]
        # Before their hours were rolled up, of which there are thousands, and while they are.
        await history.ask(RollUp(now))
        for name, told in ticks.items():
            found = await history.ask(FetchCandles(name, "1d", 0, now, 9_999))
            assert found == fold(told, DAY_MS)
