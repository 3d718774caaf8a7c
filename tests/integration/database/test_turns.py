"""Turns of upkeep: of several nodes on one PostgreSQL each step is done by one."""

from __future__ import annotations

import subprocess
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream.database.embedded.programs import program
from stockstream.history import partitions, rolling
from stockstream.history.recording import Record
from stockstream.history.rolling import RollUp
from stockstream.history.upkeep import LEDGER_KEPT, Retain
from stockstream.times import DAY_MS, HOUR_MS, MINUTE_MS
from stockstream.users import purging
from stockstream.users.purging import Purge
from tests.support.gateway import DAY, History, batch, running_history, tick

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = 3
OLD_DAYS = 2
AUDIT_ROWS = 2_500
LEDGER_ROWS = LEDGER_KEPT + 12_345
NOW = DAY + 30 * DAY_MS
ROLL_UP = RollUp(NOW)
RETAIN = Retain(NOW, {"ticks": 7.0, "candles_1m": 7.0})
PURGE = Purge(NOW, alerts=90, deleted=30, audit=10)


@contextmanager
def turn_taken(url: str, lock: int) -> Iterator[None]:
    """Another node has the turn, for the time of a `with`."""
    command = [str(program("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"BEGIN; SELECT 'taken' FROM pg_advisory_xact_lock({lock});\n")
        process.stdin.flush()
        assert process.stdout.readline() == "taken\n"
        yield
        process.stdin.write("COMMIT; SELECT 'given back';\n")
        process.stdin.flush()
        assert process.stdout.readline() == "given back\n"


async def put_work(history: History) -> None:
    """Old days of ticks, a long ledger, and an old audit."""
    for day in range(OLD_DAYS):
        start = DAY + day * DAY_MS
        await history.ask(Retain(start))  # makes the partitions of that time
        ticks = [
            tick(day * 100 + n, ts=start + n * HOUR_MS // 2, received=start + n * HOUR_MS // 2)
            for n in range(48)
        ]
        await history.ask(Record([batch(day + 1, *ticks)]))
    await history.select(
        "INSERT INTO batches SELECT 'a', 1, n, to_timestamp($1) FROM generate_series(100, $2) n "
        "RETURNING no",
        DAY / 1000,
        LEDGER_ROWS + 99,
    )
    await history.select(
        "INSERT INTO audit (who, action, what, row_id, at) "
        "SELECT 'me', 'create', 'watchlists', n, to_timestamp($1) FROM generate_series(1, $2) n "
        "RETURNING 1",
        DAY / 1000,
        AUDIT_ROWS,
    )


@pytest.mark.proves("N24", "T18")
async def test_three_nodes_do_each_step_once(database_url: str) -> None:
    """All come at the same moment, again and again; what they did adds up to the work there was."""
    hours: list[int] = []
    done: list[Any] = []
    purged: list[int] = []

    async def work(history: History) -> None:
        for _ in range(100):
            rolled = await history.ask(ROLL_UP)
            kept = await history.ask(RETAIN)
            gone = await history.ask(PURGE)
            hours.append(rolled)
            done.append(kept)
            purged.append(gone.rows.get("audit", 0))
            left = await history.select("SELECT count(*) FROM rollups_due")
            if left == [(0,)] and not (rolled or kept.more or gone.more):
                return

    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(running_history(database_url)) for _ in range(NODES)
        ]
        for node in nodes:
            await node.until_up()
        await put_work(nodes[0])
        ((partitions_before,),) = await nodes[0].select(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ticks'::regclass"
        )
        async with trio.open_nursery() as nursery:
            for node in nodes:
                nursery.start_soon(work, node)
        ((partitions_after,),) = await nodes[0].select(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'ticks'::regclass"
        )
        left = await nodes[0].select("SELECT count(*) FROM batches")
        daily = await nodes[0].select(
            "SELECT ticks FROM candles WHERE \"interval\" = '1d' ORDER BY start"
        )
    assert sum(hours) == OLD_DAYS * 24
    assert daily == [(48,)] * OLD_DAYS
    dropped = [name for one in done for name in one.dropped]
    assert len(dropped) == len(set(dropped))
    ticks_dropped = sum(name.startswith("ticks") for name in dropped)
    ticks_made = sum(one.made for one in done) // 2  # as many of ticks as of minutes
    assert partitions_after == partitions_before + ticks_made - ticks_dropped
    assert sum(purged) == AUDIT_ROWS
    assert left == [(LEDGER_KEPT + OLD_DAYS,)]  # what was recorded just now is not old


@pytest.mark.proves("N24")
@pytest.mark.parametrize(
    ("lock", "query", "result"),
    [
        (rolling.LOCK, ROLL_UP, lambda done: done),
        (partitions.LOCK, RETAIN, lambda done: done.made + done.deleted + len(done.dropped)),
        (purging.LOCK, PURGE, lambda done: sum(done.rows.values())),
    ],
    ids=["roll-up", "retention", "purge"],
)
async def test_who_does_not_get_the_turn_leaves_the_step_out(
    database_url: str, lock: int, query: Any, result: Any
) -> None:
    """It does not wait, and it is no failure; the next time it finds the work still there."""
    async with running_history(database_url) as history:
        await history.until_up()
        start = NOW - 20 * DAY_MS
        await history.ask(Record([batch(1, tick(1, ts=start, received=start + MINUTE_MS))]))
        await history.select(
            "INSERT INTO audit (who, action, what, row_id, at) "
            "VALUES ('me', 'create', 'watchlists', 1, to_timestamp($1)) RETURNING 1",
            DAY / 1000,
        )
        with turn_taken(database_url, lock):
            assert not result(await history.ask(query))
        assert result(await history.ask(query))
