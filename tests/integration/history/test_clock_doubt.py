"""A clock far past what was recorded drops nothing until somebody agrees with it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from stockstream import paths
from stockstream.history import retention
from stockstream.history.clock_doubt import FetchRecorded, Recorded, agrees, doubt
from stockstream.history.recording import Record
from stockstream.statuses import UpstreamClock
from stockstream.tables import Tables
from stockstream.times import DAY_MS, HOUR_MS
from supervision import System
from supervision.context import current_cell
from tests.support.database import psql
from tests.support.gateway import DAY, batch, running_history, tick
from tests.support.host_clock import HostClock
from tests.support.retention import retaining_root
from tests.support.server import running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from stockstream.statuses import JobStatus
    from tests.support.gateway import History
    from tests.support.server import Server

YEAR_MS = 400 * DAY_MS
PARTITIONS = "SELECT count(*) FROM pg_class WHERE relname LIKE 'ticks\\_2024%'"


async def record(history: History, *received: int) -> None:
    """A tick for each moment."""
    ticks = [tick(n, ts=at, received=at) for n, at in enumerate(received, start=received[0] % 99)]
    await history.ask(Record([batch(received[0] // 1000, *ticks)]))


@pytest.mark.proves("H25")
async def test_what_was_recorded_is_seen_back_to_a_gap(database_url: str) -> None:
    """Of a day as many rows as fill many pages; a day that is still to come is not looked at."""
    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.ask(FetchRecorded(DAY + DAY_MS)) is None
        await record(history, *range(DAY, DAY + 20_000, 4))
        await record(history, DAY + 40 * HOUR_MS, DAY + 60 * HOUR_MS)
        end = DAY + 60 * HOUR_MS
        assert await history.ask(FetchRecorded(end)) == Recorded(DAY, end, None)
        later = end + 49 * HOUR_MS
        await record(history, later, later + 7)
        await record(history, later + YEAR_MS)
        assert await history.ask(FetchRecorded(later + 8)) == Recorded(later, later + 7, end)


@pytest.mark.proves("H25")
@pytest.mark.parametrize(
    ("recorded", "hours", "is_doubtful"),
    [
        (None, 0, False),
        (Recorded(DAY - DAY_MS, DAY, None), 48, False),
        (Recorded(DAY - DAY_MS, DAY, None), 49, True),
        (Recorded(DAY, DAY + HOUR_MS, DAY - YEAR_MS), 1, True),
        (Recorded(DAY, DAY + 40 * HOUR_MS, DAY - YEAR_MS), 48, True),
        (Recorded(DAY, DAY + 40 * HOUR_MS, DAY - YEAR_MS), 49, False),
        (Recorded(DAY - DAY_MS, DAY, None), -9000, False),
    ],
)
def test_when_a_clock_is_doubtful(recorded: Recorded | None, hours: int, is_doubtful: bool) -> None:
    """Far past the newest price, and when prices have come again after a gap for under two days:
    those were stamped by the very clock that is in doubt. One that is behind drops nothing wrongly.
    """
    assert (doubt(DAY + hours * HOUR_MS, recorded) is not None) is is_doubtful


@pytest.mark.proves("H25")
def test_an_upstream_that_agreed_speaks_for_the_clock_until_it_is_set() -> None:
    """By over an hour; how long ago it agreed does not matter, the monotonic clock tells."""
    agreed = UpstreamClock(agreed=DAY)
    assert not agrees(UpstreamClock(), DAY, 0)
    assert agrees(agreed, DAY, 0)
    assert agrees(agreed, DAY + YEAR_MS, YEAR_MS)
    assert not agrees(agreed, DAY + YEAR_MS, 0)
    assert not agrees(agreed, DAY - 2 * HOUR_MS, 0)


@asynccontextmanager
async def retaining(database_url: str, tables: Tables, now: int) -> AsyncIterator[None]:
    """The retention actor, with a wall clock that says `now`."""
    system = System()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, retaining_root(database_url, tables, clock=lambda: now))
        try:
            yield
        finally:
            system.stop()


async def until_told(tables: Tables, *, waits: bool) -> str | None:
    """Wait until retention says whether it waits, and why."""
    with trio.fail_after(20):
        while not (row := tables.jobs.get("retention")) or _waits(row) is not waits:  # noqa: ASYNC110 - a table tells nobody
            await trio.sleep(0.02)
    return row.note


def _waits(row: JobStatus) -> bool | None:
    return None if row.outcome in {"", "failed"} else row.outcome == "waits"


@pytest.mark.proves("H25")
async def test_retention_waits_until_an_upstream_agrees(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A year ahead, and prices already recorded by that clock: nothing is dropped. Then an upstream
    says that it is so (the machine was off for a year), and all that is old goes.
    """
    monkeypatch.setattr(retention, "ROUND_SECONDS", 0.05)
    now = DAY + YEAR_MS
    async with running_history(database_url) as history:
        await history.until_up()
        await record(history, DAY, DAY + 1)
        await record(history, now - 500)
    before = await ask(database_url, PARTITIONS)
    assert before > 0
    tables = Tables()
    async with retaining(database_url, tables, now):
        why = await until_told(tables, waits=True)
        assert why is not None
        assert "2024-10-04T00:00:00.001Z" in why
        assert "stockstream db retention --yes" in why
        await trio.sleep(0.5)
        assert await ask(database_url, PARTITIONS) == before
        agreed = UpstreamClock(agreed=now - round(trio.current_time() * 1000))
        token = current_cell.set(cast("Any", SimpleNamespace(path=paths.feed("api"))))
        tables.upstream_clocks.put("api", agreed)
        current_cell.reset(token)
        await until_told(tables, waits=False)
        with trio.fail_after(20):
            while await ask(database_url, "SELECT count(*) FROM ticks") != 1:  # noqa: ASYNC110 - a server tells nobody
                await trio.sleep(0.05)


async def ask(database_url: str, sql: str) -> int:
    """In a thread: the tree in this process may hold the lock that the question waits for."""
    return int(await trio.to_thread.run_sync(psql, database_url, sql))


async def until_recorded(database_url: str, ticks: int) -> None:
    """Wait until so many are there."""
    with trio.fail_after(30):
        while await ask(database_url, "SELECT count(*) FROM ticks") < ticks:  # noqa: ASYNC110
            await trio.sleep(0.1)


@pytest.mark.proves("H25")
async def test_a_start_with_a_clock_a_year_ahead_drops_nothing(
    tmp_path: Path, database_url: str
) -> None:
    """A machine that does not know the time: its health says what it waits for, prices flow."""
    clock = HostClock(tmp_path)
    settings = {
        "DATABASE_URL": database_url,
        "STOCK_API_URL": "sim://?symbols=6&interval=0.1",
        **clock.environment,
    }
    async with running_server(tmp_path, settings) as server:
        await until_recorded(database_url, 6)
        await server.stop()  # one that is killed keeps the job for as long as its lease
    there = await ask(database_url, "SELECT count(*) FROM ticks")
    clock.set(400 * 86_400)
    async with running_server(tmp_path, settings) as server:
        await server.until_said("retention waits", 30)
        await until_recorded(database_url, there + 6)
        old = "SELECT count(*) FROM ticks WHERE received < now() + interval '1 d'"
        assert await ask(database_url, old) >= there
        # The log says it before it is stored how the run ended.
        with trio.fail_after(10):
            while (  # noqa: ASYNC110 - a server tells nobody
                "db retention --yes" not in (checks := await health(server))["history"]["retention"]
            ):
                await trio.sleep(0.05)
        assert checks["feed"]["state"] == "live"


async def health(server: Server) -> dict[str, dict[str, str]]:
    """What the server says of its parts."""
    checks: dict[str, dict[str, str]] = (await server.get("/health/ready")).json()["checks"]
    return checks
