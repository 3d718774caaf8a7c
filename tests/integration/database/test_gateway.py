"""The gateway: an outage is a state, a limit an answer, a wrong setting one clear line."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import socket
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import trio
import trio.testing

from stockstream import asyncio_thread
from stockstream.database import connecting, pool
from stockstream.database.embedded.files import family
from stockstream.database.pool import PoolSettings
from stockstream.database.query import Exhausted, Purpose, Query, Rejected, Unavailable, ask
from stockstream.history.queries import FetchTicks
from stockstream.history.recording import Record
from stockstream.messages import CutConnections
from supervision import correlation_id
from tests.support.database import PostgresServer
from tests.support.gateway import batch, running_history, tick
from tests.support.tree import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVER = 4_000_000_000_000


@dataclass(frozen=True, slots=True)
class Sleep(Query[None]):
    """Keep a connection busy."""

    seconds: float
    purpose: ClassVar[Purpose] = Purpose.READ

    async def run(self, connection: Any) -> None:
        await connection.execute("SELECT pg_sleep($1)", self.seconds)


@dataclass(frozen=True, slots=True)
class CutMeanwhile(Query[None]):
    """Use a connection that was cut a moment ago, as the end of a transaction may.

    With `bad_value` it is not the driver that finds fault with it.
    """

    bad_value: bool
    purpose: ClassVar[Purpose] = Purpose.READ

    async def run(self, connection: Any) -> None:
        connection.terminate()
        if self.bad_value:
            raise OverflowError("too large for an integer")
        connection.is_in_transaction()


@dataclass(frozen=True, slots=True)
class HangTheLoop(Query[None]):
    """Stand still in the asyncio thread, and let nothing else run there."""

    begun: threading.Event
    released: threading.Event
    purpose: ClassVar[Purpose] = Purpose.READ

    async def run(self, connection: Any) -> None:
        self.begun.set()
        self.released.wait(60)


@dataclass(frozen=True, slots=True)
class InWhoseName(Query[str | None]):
    """The correlation id that a line logged under asyncio would carry."""

    purpose: ClassVar[Purpose] = Purpose.READ

    async def run(self, connection: Any) -> str | None:
        await connection.execute("SELECT 1")
        return correlation_id.get()


@pytest.fixture(scope="module")
def own_server(
    _cluster_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """A server that tests may break; each leaves it running, and has a database of its own."""
    folder = tmp_path_factory.mktemp("own") / "server"
    shutil.copytree(_cluster_template, folder)
    with PostgresServer(folder) as server:
        yield server


async def test_what_a_query_logs_is_said_in_the_name_of_who_asked(database_url: str) -> None:
    """The correlation id goes along into the asyncio thread, and no further than the answer."""
    async with running_history(database_url, readers=1) as history:
        await history.until_up()
        for name in ("one", "another", None):
            correlation_id.set(name)
            assert await history.ask(InWhoseName()) == name


@pytest.mark.proves("H2", "H16")
async def test_each_connection_has_its_limits(database_url: str) -> None:
    """Statements end on the server by themselves; connections are named, and as many as set."""
    reading = {Purpose.READ: PoolSettings(3, 32, 1.0)}
    async with running_history(database_url, pools=reading) as history:
        await history.until_up()
        await history.until(lambda: history.status.connections["read"] == 3)
        rows = await history.select(
            "SELECT application_name, count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() GROUP BY 1 ORDER BY 1"
        )
        assert dict(rows) == {f"stockstream {k}": n for k, n in history.status.connections.items()}
        with pytest.raises(Unavailable, match=r"statement timeout|did not answer"):
            await history.ask(Sleep(30))
        assert history.status.up


@pytest.mark.proves("H16")
async def test_too_many_queries_are_refused_at_once(database_url: str) -> None:
    """Beyond the connections and those who wait, one hears so immediately, and the rest go on."""
    refused, answered = [], []

    async def one() -> None:
        try:
            await history.ask(Sleep(0.5))
        except Exhausted as error:
            refused.append(error)
        else:
            answered.append(None)

    async with running_history(database_url, readers=2, waiting=3) as history:
        await history.until(lambda: history.status.connections["read"] == 2)
        await trio.sleep(0.05)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        assert len(answered) in {3, 4, 5}  # how many the workers had taken when the flood came
        assert len(answered) + len(refused) == 20
        assert all(error.retry_after > 0 for error in refused)


@pytest.mark.proves("H10")
async def test_the_recorder_does_not_wait_for_queries(database_url: str) -> None:
    """All readers busy, a batch is written all the same."""
    patient = {Purpose.READ: PoolSettings(1, 4, 60.0)}
    async with running_history(database_url, pools=patient) as history:
        await history.until_up()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(history.ask, Sleep(60))
            with trio.fail_after(20):
                assert await history.ask(Record([batch(1)])) == 1
            nursery.cancel_scope.cancel()


@pytest.mark.proves("H8", "H10")
async def test_a_driver_that_stumbles_over_a_cut_connection_takes_nobody_with_it(
    database_url: str,
) -> None:
    """It is an outage, to be tried again and no fault of the values; the next query is served."""
    async with running_history(database_url, readers=1) as history:
        for bad_value, error in ((False, Unavailable), (True, Rejected)):
            await history.until_up()
            with pytest.raises(error) as caught:
                await history.ask(CutMeanwhile(bad_value))
            assert type(caught.value) is error
        await history.until_up()
        assert await history.ask(FetchTicks("AAPL", 0, EVER, 1)) == []
        assert history.database.generation == 1


@pytest.mark.proves("H8", "H19")
async def test_an_outage_is_told_and_ends_by_itself(own_server: PostgresServer) -> None:
    """SIGKILL of the server: `Unavailable` at once, connected again without being asked to."""
    async with running_history(own_server.create_database()) as history:
        await history.until_up()
        for _ in range(2):
            os.kill(own_server.process, signal.SIGKILL)
            await history.until(lambda: not history.status.up)
            with pytest.raises(Unavailable):
                await history.ask(FetchTicks("AAPL", 0, EVER, 1))
            await history.until_up()
        assert await history.ask(Record([batch(1)])) == 1


@pytest.mark.proves("H2", "H10")
async def test_a_server_that_hangs_is_given_up(own_server: PostgresServer) -> None:
    """SIGSTOP: a query has an end, the gateway can be killed at once, and all is well after."""
    pools = {Purpose.WRITE: PoolSettings(1, 4, 1.0), Purpose.READ: PoolSettings(1, 4, 60.0)}
    async with running_history(own_server.create_database(), pools=pools) as history:
        await history.until_up()
        stopped = family(own_server.process)
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            with trio.fail_after(20), pytest.raises(Unavailable):
                await ask(history.database, Record([batch(1)]), timeout=20)
            await history.until(lambda: not history.status.up)
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
        await history.until_up()
        for process in (again := family(own_server.process)):
            os.kill(process, signal.SIGSTOP)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_swallow, history, Sleep(0))  # which would wait for a minute
                await trio.sleep(0.3)
                before = history.database.generation
                history.database.kill()
                await history.until(lambda: history.database.generation != before)
        finally:
            for process in again:
                os.kill(process, signal.SIGCONT)
        await history.until_up()
        assert await history.ask(Record([batch(3)])) == 1


async def _swallow(history: Any, query: Query[Any]) -> None:
    with pytest.raises(Unavailable):
        await history.ask(query)


@pytest.mark.proves("H8")
async def test_connections_that_are_cut_come_back(database_url: str) -> None:
    """As the chaos action does it."""
    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.database.call(CutConnections()) >= 3
        await history.until_up()
        assert await history.ask(Record([batch(1)])) == 1


@pytest.mark.proves("H2")
async def test_queries_are_counted_over_the_lives_of_the_gateway(database_url: str) -> None:
    """Those that failed too; a look at the row tells of them soon, without a change of anything."""
    async with running_history(database_url) as history:
        await history.until_up()
        before = history.status.queries
        for number in range(1, 6):
            await history.ask(Record([batch(number)]))
        with pytest.raises(Rejected):
            await history.ask(CutMeanwhile(bad_value=True))
        await history.until(lambda: history.status.queries >= before + 6)
        counted, failed = history.status.queries, history.status.failed
        assert failed >= 1
        await history.kill_gateway()
        await history.until_up()
        assert history.status.queries >= counted
        assert history.status.failed >= failed


async def test_killed_gateways_leave_no_connection(own_server: PostgresServer) -> None:
    """Fifty kills, some in the middle of connecting: the server has those of the last one only."""
    async with running_history(own_server.create_database()) as history:
        await history.until_up()
        for number in range(50):
            await history.kill_gateway()
            await trio.sleep(0.002 * (number % 10))
        await history.until_up()
        await history.until_none_is_left()


@pytest.mark.proves("H2")
@pytest.mark.parametrize("killed", [True, False])
async def test_a_loop_that_hangs_is_left_behind(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    """A gateway that is killed meanwhile ends all the same, and the server is rid of its
    connections. One that is not finds out by itself: who asks is answered, and its next life serves
    in another thread.
    """
    if not killed:
        monkeypatch.setattr(asyncio_thread, "BEAT_SECONDS", 0.05)
    begun, released = threading.Event(), threading.Event()
    async with running_history(own_server.create_database(), readers=1) as history:
        # All of them: one that is being made when the loop hangs is known to nobody but the loop.
        await history.until(lambda: sum(history.status.connections.values()) == 5)
        before = history.database.generation
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_swallow, history, HangTheLoop(begun, released))
                await trio.to_thread.run_sync(begun.wait, 10)
                if killed:
                    history.database.kill()
                await history.until(lambda: history.database.generation != before, 5.0)
            await history.until_up()
            await history.until_none_is_left()
            assert await history.ask(Record([batch(1)])) == 1
        finally:
            released.set()


@pytest.mark.proves("C15")
async def test_killed_gateways_leave_no_cycle(database_url: str) -> None:
    """Idle, in the middle of a query, and while it connects: what they held is free at once, and
    does not wait for a full collection, which comes after millions of objects. What the standard
    library's transports leave is theirs, and small.
    """
    async with running_history(database_url) as history:
        await history.until_up()
        await history.kill_gateway()
        await history.until_up()
        gc.collect()
        gc.disable()
        try:
            for busy in (True, False, False):
                async with trio.open_nursery() as nursery:
                    if busy:
                        nursery.start_soon(_swallow, history, Sleep(3))
                        await history.until_rows(
                            [(1,)],
                            "SELECT count(*) FROM pg_stat_activity WHERE query ~ '^SELECT pg_sleep'"
                            " AND state = 'active' AND datname = current_database()",
                        )
                    await history.kill_gateway()
            await history.kill_gateway()
            await history.until_up()
            await trio.testing.wait_all_tasks_blocked(0.05)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            left = Counter(f"{type(o).__module__}.{type(o).__qualname__}" for o in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        ours = ("stockstream", "supervision", "trio.", "asyncpg")
        assert {name: n for name, n in left.items() if name.startswith(ours)} == {}
        assert sum(left.values()) < 4 * 60, left


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.proves("H19")
async def test_each_reason_is_one_line_that_names_the_setting(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody listens, no such host, no such database, a wrong password, a server too old."""
    hba = own_server.layout.data / "pg_hba.conf"
    hba.write_text("local all locked scram-sha-256\n" + hba.read_text())
    own_server.psql("CREATE ROLE locked LOGIN PASSWORD 'right'")
    own_server.psql("CREATE ROLE guest LOGIN")
    own_server.psql("CREATE DATABASE bare TEMPLATE template0")
    own_server.psql("SELECT pg_reload_conf()")
    wrong = own_server.url_of("postgres", "locked:wrong")
    for url, words in (
        (f"postgresql://u:secret@127.0.0.1:{closed_port()}/d", "cannot be reached"),
        ("postgresql://u:secret@no-such-host.invalid/d", "cannot be reached"),
        (own_server.url_of("missing"), "there is no database 'missing'"),
        (wrong, "refuses user 'locked': wrong user or password"),
        (own_server.url_of("bare", "guest"), "permission denied"),
    ):
        async with running_history(url) as history:
            await history.until(lambda: words in history.status.reason, 10)  # noqa: B023
            reason = history.status.reason
            assert "\n" not in reason
            assert "DATABASE_URL" in reason
            assert "secret" not in reason
            with pytest.raises(Unavailable, match="DATABASE_URL"):
                await history.ask(FetchTicks("AAPL", 0, EVER, 1))
    monkeypatch.setattr(connecting, "OLDEST_MAJOR", 99)
    async with running_history(own_server.create_database()) as history:
        await history.until(lambda: "18 is too old; 99" in history.status.reason)
        assert history.status.reason.startswith("DATABASE_URL: ")


@pytest.mark.proves("H14")
async def test_queries_go_to_the_replica_and_fall_back(
    own_server: PostgresServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told apart by what they hold: a second server answers reads while it is there, also when
    the primary is away; the primary does when it is not; and the replica again when it is back.
    """
    monkeypatch.setattr(pool, "FALLBACK_SECONDS", 1.0)
    replica = own_server.create_database()
    name = replica.partition("?")[0].rpartition("/")[2]

    async def until_read(wanted: int) -> None:
        found: list[int] = []
        with trio.move_on_after(10):
            while found != [wanted]:
                await trio.sleep(0.05)
                with contextlib.suppress(Unavailable):
                    ticks = await history.ask(FetchTicks("AAPL", 0, EVER, 10))
                    found = [t.seq for t in ticks]
            return
        raise AssertionError(f"{found} and not {wanted}")

    async with running_history(replica) as other:
        await other.until_up()
        await other.ask(Record([batch(1, tick(7))]))
    async with running_history(database_url, read_url=replica) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1))]))
        await until_read(7)
        history.url = NO_DATABASE
        await history.kill_gateway()
        await history.until(lambda: history.status.connections["read"] == 4)
        assert not history.status.up
        await until_read(7)
        history.url = database_url
        await history.until(lambda: history.status.up)
        own_server.psql(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false; "
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        await until_read(1)
        own_server.psql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await until_read(7)
