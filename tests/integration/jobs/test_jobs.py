"""Jobs on a real database: one node at a time, known after a restart, and ended with their node."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.servers import Server
from stockstream.jobs import job as job_module
from stockstream.jobs.job import Done, Job, JobFailed, JobSpec, RunJob, Runner
from stockstream.jobs.schedule import Every
from stockstream.tables import Tables
from supervision import ChildSpec, System, supervisor
from tests.support.database import psql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stockstream.statuses import JobStatus
    from supervision import ActorRef

NAME = "sweeping"
WAIT_SECONDS = 20.0
STOPPED = "t|failed|the server was stopped in the middle of it"


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other nodes do is seen soon."""
    monkeypatch.setattr(job_module, "LOOK_SECONDS", 0.05)


@dataclass
class Node:
    """A tree with one job."""

    system: System
    tables: Tables = field(default_factory=Tables)

    @property
    def row(self) -> JobStatus:
        found = self.tables.jobs.get(NAME)
        assert found is not None
        return found

    async def run_now(self) -> str | None:
        return await self.system.ref(paths.job(NAME)).call(RunJob())

    async def until(self, holds: Callable[[JobStatus], bool]) -> JobStatus:
        with trio.fail_after(WAIT_SECONDS):
            while not (NAME in self.tables.jobs and holds(self.row)):  # noqa: ASYNC110 - a table tells nobody
                await trio.sleep(0.01)
        return self.row


@asynccontextmanager
async def node(
    url: str, work: Callable[[ActorRef], Awaitable[Done]], name: str = "a", *, at_start: bool = True
) -> AsyncIterator[Node]:
    """A node that has the job, for the time of a `with`."""
    found = Node(System())
    server = DatabaseSettings(Server("DATABASE_URL", url))
    gateway = partial(Database, server, found.tables.database, AsyncioThread())
    spec = JobSpec(NAME, "sweeps", Every(3600), work, deadline=10.0, retry=0.05, at_start=at_start)
    job = partial(Job, spec, Runner(name), found.tables.jobs)
    root = supervisor(
        "root",
        [
            supervisor("database", [ChildSpec("gateway", gateway)]),
            supervisor("history", [ChildSpec(NAME, job)]),
        ],
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.system.run, root)
        try:
            yield found
        finally:
            found.system.stop()


async def done(_database: ActorRef) -> Done:
    return Done("swept")


async def sql(url: str, text: str) -> str:
    return await trio.to_thread.run_sync(psql, url, text)


async def test_a_job_runs_at_the_start_and_its_row_is_known_after_a_restart(
    database_url: str,
) -> None:
    """With what it did, by whom, and when it is due again; the next process waits for that."""
    async with node(database_url, done) as first:
        row = await first.until(lambda row: row.runs == 1)
        assert (row.outcome, row.note, row.node, row.failures) == ("ok", "swept", "a", 0)
        assert row.started is not None
        assert row.succeeded is not None
        await first.until(lambda row: row.next_run is not None and row.running_on is None)
        assert first.row.next_run is not None
        assert abs(first.row.next_run - row.started - 3_600_000) < 10_000
        told = row
    async with node(database_url, done, "b", at_start=False) as second:
        row = await second.until(lambda row: row.outcome != "")
        assert (row.runs, row.started, row.node) == (1, told.started, "a")
        assert await second.run_now() is None
        row = await second.until(lambda row: row.runs == 2)
        assert row.node == "b"


@pytest.mark.proves("N24")
async def test_of_several_nodes_one_runs_a_job_at_a_time(database_url: str) -> None:
    """Asked at the same moment, on three: never two side by side; who is late is told where."""
    inside, most, runs = 0, 0, 0
    go = trio.Event()

    async def work(_database: ActorRef) -> Done:
        nonlocal inside, most, runs
        inside, runs = inside + 1, runs + 1
        most = max(most, inside)
        await go.wait()
        inside -= 1
        return Done()

    async with (
        node(database_url, work, "a", at_start=False) as a,
        node(database_url, work, "b", at_start=False) as b,
        node(database_url, work, "c", at_start=False) as c,
    ):
        nodes = (a, b, c)
        for one in nodes:
            await one.until(lambda row: row.next_run is not None)
            await one.run_now()
        with trio.fail_after(WAIT_SECONDS):
            while runs == 0:  # noqa: ASYNC110 - nobody is told
                await trio.sleep(0.01)
        busy = next(one for one in nodes if one.row.running_on is not None)
        why = await busy.run_now()
        assert why is not None
        assert "runs already" in why
        go.set()
        await busy.until(lambda row: row.runs >= 1)
    assert most == 1


async def test_a_run_whose_actor_is_killed_is_told_as_failed_and_done_again(
    database_url: str,
) -> None:
    """By its successor, at once: the claim is its own."""
    begun = 0

    async def work(_database: ActorRef) -> Done:
        nonlocal begun
        begun += 1
        if begun == 1:
            await trio.sleep_forever()
        return Done("at last")

    async with node(database_url, work) as one:
        await one.until(lambda row: row.running_on == "a")
        with trio.fail_after(WAIT_SECONDS):
            while begun == 0:  # noqa: ASYNC110 - nobody is told
                await trio.sleep(0.01)
        assert one.system.ref(paths.job(NAME)).kill()
        row = await one.until(lambda row: row.outcome == "ok")
        assert (row.runs, row.failures, row.note) == (2, 1, "at last")


async def test_the_run_of_a_node_that_is_gone_ends_with_its_lease(database_url: str) -> None:
    """By the database's clock. So does one that was given before that clock was set back."""
    async with node(database_url, done) as one:
        await one.until(lambda row: row.runs == 1)
    for until in ("clock_timestamp() - interval '1 s'", "clock_timestamp() + interval '9 d'"):
        await sql(
            database_url,
            f"UPDATE jobs SET claimed_by = 'gone', node = 'z', claimed_until = {until}",
        )
        async with node(database_url, done, at_start=False) as one:
            row = await one.until(lambda row: row.outcome == "failed" or row.runs % 2 == 1)
            await one.until(lambda row: row.outcome == "ok" and row.running_on is None)
    held = "UPDATE jobs SET claimed_by = 'b', node = 'b', claimed_until = now() + interval '50 s'"
    await sql(database_url, held)
    async with node(database_url, done) as one:
        row = await one.until(lambda row: row.running_on == "b")
        assert await one.run_now() == "it runs already, on b"
        assert row.failures == 2


async def test_what_fails_says_why_and_is_in_trouble_when_it_lasts(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and all is well when it works again; its failures stay counted."""
    monkeypatch.setattr(job_module, "TROUBLE_SECONDS", 0.2)
    broken = True

    async def work(_database: ActorRef) -> Done:
        if broken:
            raise JobFailed("the broom is broken")
        return Done()

    async with node(database_url, work) as one:
        row = await one.until(lambda row: row.failing is not None and row.failures >= 1)
        assert row.failing == "fails: the broom is broken"
        assert (row.outcome, row.succeeded) == ("failed", None)
        broken = False
        row = await one.until(lambda row: row.failing is None and row.outcome == "ok")
        assert row.failures >= 1


async def test_a_run_that_hangs_ends_at_its_deadline(database_url: str) -> None:
    """And says so."""

    async def work(_database: ActorRef) -> Done:
        await trio.sleep_forever()
        raise AssertionError

    found = JobSpec(NAME, "", Every(60), work, deadline=0.1, at_start=True, retry=9)
    async with node(database_url, done) as one:
        await one.until(lambda row: row.runs == 1)
        system, tables = System(), Tables()

        class Beside(Job):
            async def init(self) -> None:
                await super().init()
                self._database = one.system.ref(paths.DATABASE)

        child = ChildSpec(NAME, partial(Beside, found, Runner("b"), tables.jobs))
        async with trio.open_nursery() as nursery:
            root = supervisor("root", [supervisor("history", [child])])
            nursery.start_soon(system.run, root)
            other = Node(system, tables)
            row = await other.until(lambda row: row.runs == 2)
            assert (row.outcome, row.note) == ("failed", "it took over 0 s")
            system.stop()


async def test_a_stop_in_the_middle_is_told_at_once(database_url: str) -> None:
    """So the next node need not wait for the lease."""

    async def work(_database: ActorRef) -> Done:
        await trio.sleep_forever()
        raise AssertionError

    async with node(database_url, work) as one:
        await one.until(lambda row: row.running_on == "a")
    told = await sql(database_url, "SELECT claimed_by IS NULL, outcome, note FROM jobs")
    assert told == STOPPED


async def test_a_stop_while_the_job_is_claimed_leaves_no_claim(database_url: str) -> None:
    """The server makes a claim also when nobody waits for the answer any more."""

    async def work(_database: ActorRef) -> Done:
        raise AssertionError

    async with node(database_url, done) as one:
        await one.until(lambda row: row.runs == 1)
    locked = "BEGIN; SELECT FROM jobs FOR UPDATE; SELECT pg_sleep(0.5); COMMIT"
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sql, database_url, locked)
        await until_sql(database_url, sessions + "wait_event = 'PgSleep'")
        async with node(database_url, work):
            await until_sql(database_url, sessions + "wait_event_type = 'Lock'")
    told = await sql(database_url, "SELECT claimed_by IS NULL, outcome, note FROM jobs")
    assert told == STOPPED


async def until_sql(url: str, count: str) -> None:
    """Wait until a question for a number is not answered with 0."""
    with trio.fail_after(WAIT_SECONDS):
        while await sql(url, count) == "0":  # noqa: ASYNC110 - a server tells nobody
            await trio.sleep(0.01)
