"""A real read replica, fed by streaming: queries go to it, and to the primary when it is away."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.database import freshness, pool
from stockstream.database.query import DatabaseError, Unavailable, ask, ask_dated
from stockstream.history.queries import FetchTicks
from stockstream.history.recording import Record
from tests.support.database import psql
from tests.support.gateway import History, batch, running_history, tick
from tests.support.replica import Pair, replicated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

EVER = 4_000_000_000_000


@pytest.fixture
def pair(cluster: Path, tmp_path: Path) -> Iterator[Pair]:
    with replicated(cluster, tmp_path / "replica") as pair:
        yield pair


async def until_read(history: History, wanted: list[int]) -> None:
    """Until a history query brings these ticks; replication and reconnecting take a moment."""
    found: list[int] = []
    with trio.move_on_after(20):
        while found != wanted:
            await trio.sleep(0.05)
            try:
                ticks = await ask(history.database, FetchTicks("AAPL", 0, EVER, 10))
                found = [t.seq for t in ticks]
            except DatabaseError:
                found = []
        return
    raise AssertionError(f"{found} and not {wanted}: {history.status}")


def reads(url: str) -> int:
    """How many connections for history queries a server has."""
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stockstream read'"
    return int(psql(url, sql))


@pytest.mark.proves("H14")
async def test_history_queries_go_to_the_replica(pair: Pair) -> None:
    """What is written to the primary is read from the replica, which takes no writes; the primary
    gets no query while the replica is there.
    """
    async with running_history(pair.primary_url, read_url=pair.replica_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1), tick(2))]))
        await until_read(history, [1, 2])
        assert reads(pair.replica_url) > 0
        assert reads(pair.primary_url) == 0
        assert psql(pair.replica_url, "SELECT pg_is_in_recovery()") == "t"


@pytest.mark.proves("H14")
async def test_a_lost_primary_leaves_the_replica_to_read_from(pair: Pair) -> None:
    """Old prices can still be looked at; nothing can be written, and that is said."""
    async with running_history(pair.primary_url, read_url=pair.replica_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1))]))
        await until_read(history, [1])
        pair.kill_primary()
        await history.until(lambda: not history.status.up)
        await until_read(history, [1])
        with pytest.raises(Unavailable, match=r"DATABASE_URL|connection was lost"):
            await history.ask(Record([batch(2, tick(2))]))
        # So it is when a node starts meanwhile.
        await history.kill_gateway()
        await until_read(history, [1])
        assert not history.status.up


@pytest.mark.proves("H14")
async def test_a_lost_replica_is_replaced_by_the_primary(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries go on at the primary."""
    monkeypatch.setattr(pool, "FALLBACK_SECONDS", 1.0)
    async with running_history(pair.primary_url, read_url=pair.replica_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1))]))
        await until_read(history, [1])
        pair.kill_replica()
        await history.ask(Record([batch(2, tick(2))]))
        await until_read(history, [1, 2])
        assert history.status.up


async def age_of_answers(history: History) -> float | None:
    """How old the answer to a question is, as it says itself."""
    answer = await ask_dated(history.database, FetchTicks("AAPL", 0, EVER, 10))
    return None if answer.as_of is None else answer.as_of.age


async def until_age(history: History, holds: Callable[[float], bool]) -> None:
    age: float | None = None
    with trio.move_on_after(20):
        while age is None or not holds(age):
            await trio.sleep(0.05)
            with contextlib.suppress(Unavailable):  # a new gateway connects first
                age = await age_of_answers(history)
        return
    raise AssertionError(f"{age}: {history.status}")


@pytest.mark.proves("H14")
async def test_answers_of_a_replica_say_how_old_they_are(pair: Pair) -> None:
    """Young while it follows, also where nothing is written, or the log begins a new file; as old
    as its replay stands still; and as its last commit is for a gateway that has just begun.
    """
    async with running_history(pair.primary_url, read_url=pair.replica_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1))]))
        await until_read(history, [1])
        psql(pair.primary_url, "SELECT pg_switch_wal()")
        await trio.sleep(freshness.TOLD_SECONDS)
        await until_age(history, lambda age: age < freshness.LOOK_SECONDS)
        psql(pair.replica_url, "SELECT pg_wal_replay_pause()")
        await history.ask(Record([batch(2, tick(2))]))
        lacking_since = trio.current_time()
        await until_age(history, lambda age: age > freshness.TOLD_SECONDS)
        lacks_for = trio.current_time() - lacking_since
        age = await age_of_answers(history)
        assert age is not None
        assert lacks_for <= age < lacks_for + 5
        await until_read(history, [1])
        await history.kill_gateway()
        await until_age(history, lambda age: age > freshness.TOLD_SECONDS)
        psql(pair.replica_url, "SELECT pg_wal_replay_resume()")
        await until_age(history, lambda age: age < freshness.TOLD_SECONDS)
        await until_read(history, [1, 2])


@pytest.mark.proves("H14")
async def test_a_replica_behind_a_lost_primary_is_still_asked(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its age, which its answers tell: nobody else can be asked."""
    monkeypatch.setattr(freshness, "LATE_SECONDS", 1.0)
    monkeypatch.setattr(freshness, "PRIMARY_SECONDS", 2.0)
    monkeypatch.setattr(pool, "FALLBACK_SECONDS", 0.5)
    async with running_history(pair.primary_url, read_url=pair.replica_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, tick(1))]))
        await until_read(history, [1])
        pair.kill_primary()
        await until_age(history, lambda age: age > 3.0)
        for _ in range(10):
            assert (await history.ask(FetchTicks("AAPL", 0, EVER, 10)))[0].seq == 1
            await trio.sleep(0.05)
        replica = history.status.replica
        assert replica is not None
        assert replica.connections > 0
        assert replica.as_of is not None
        assert replica.as_of.age > 3.0
