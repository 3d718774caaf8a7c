"""`stockstream db export` beside a real replica: which server it reads from, and what it says."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from stockstream.times import DAY_MS, to_datetime
from tests.integration.cli.exports import exporting, wait_until_begun
from tests.integration.cli.test_db import YESTERDAY, partition, put_ticks
from tests.support.database import psql
from tests.support.replica import Pair, replicated
from tests.support.tree import NO_DATABASE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.cli.conftest import Ended

    Run = Callable[..., Ended]

TICKS_READ = """
SELECT coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)
FROM pg_stat_user_tables WHERE relname LIKE 'ticks%'
"""
VISITORS = "SELECT count(*) FROM pg_stat_activity WHERE application_name ~ '^stockstream read'"


@pytest.fixture
def pair(cluster: Path, tmp_path: Path) -> Iterator[Pair]:
    with replicated(cluster, tmp_path / "replica") as pair:
        yield pair


@pytest.fixture
def export(stockstream: Run, pair: Pair) -> Run:
    """Run `stockstream db export ARGUMENTS` to a file, with both servers set."""

    def run(*arguments: str, **more: str) -> Ended:
        urls = {"DATABASE_URL": pair.primary_url, "DATABASE_READ_URL": pair.replica_url}
        return stockstream(
            "db", "export", "--output", "t.csv", "--json", *arguments, **(urls | more)
        )

    return run


def until(url: str, sql: str, holds: Callable[[str], bool]) -> None:
    """Wait until a query's answer is such."""
    give_up = time.monotonic() + 20
    while not holds(found := psql(url, sql)):
        assert time.monotonic() < give_up, found
        time.sleep(0.02)


def told(ended: Ended) -> tuple[int, str]:
    """How many ticks were exported, and from where."""
    assert ended.code == 0, ended
    document: dict[str, Any] = json.loads(ended.out)
    return document["ticks"], document["read_from"]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()[1:]


@pytest.mark.proves("H12", "H14")
def test_an_export_reads_from_the_replica_and_spares_the_primary(
    export: Run, pair: Pair, tmp_path: Path
) -> None:
    """All that was committed before it began is in it; the primary reads no tick for it."""
    put_ticks(pair.primary_url, 9_000)
    before = psql(pair.primary_url, TICKS_READ)
    there = int(psql(pair.replica_url, TICKS_READ))
    ended = export()
    assert told(ended) == (9_000, "replica")
    assert ended.err == ""
    assert len(set(lines(tmp_path / "t.csv"))) == 9_000
    until(pair.replica_url, TICKS_READ, lambda found: int(found) >= there + 9_000)
    assert psql(pair.primary_url, TICKS_READ) == before
    assert told(export("--read-from", "primary")) == (9_000, "primary")
    until(pair.primary_url, TICKS_READ, lambda found: int(found) >= int(before) + 9_000)


@pytest.mark.proves("H14")
def test_without_its_replica_an_export_reads_from_the_primary_and_says_so(
    export: Run, pair: Pair
) -> None:
    """Unless the replica alone was asked for; without any it names what is missing of both."""
    put_ticks(pair.primary_url, 30)
    pair.kill_replica()
    ended = export()
    assert told(ended) == (30, "primary")
    assert ended.err.startswith("stockstream: DATABASE_READ_URL: ")
    assert ended.err.endswith("; reading from the primary\n")
    assert ended.err.count("\n") == 1
    failed = export("--read-from", "replica")
    assert failed.code == 1
    assert json.loads(failed.out)["error"].startswith("DATABASE_READ_URL: ")
    failed = export(DATABASE_URL=NO_DATABASE)
    assert failed.code == 1
    error = json.loads(failed.out)["error"]
    assert "DATABASE_READ_URL: " in error
    assert "DATABASE_URL: 127.0.0.1:1 cannot be reached" in error


@pytest.mark.proves("H14")
def test_without_its_primary_an_export_reads_from_the_replica_and_says_so(
    export: Run, pair: Pair
) -> None:
    """What there is can be had; whether it is all nobody can tell then."""
    put_ticks(pair.primary_url, 30)
    count = f"SELECT count(*) FROM {partition('ticks', YESTERDAY)}"
    exists = f"SELECT to_regclass('{partition('ticks', YESTERDAY)}') IS NOT NULL"
    until(pair.replica_url, exists, lambda found: found == "t")
    until(pair.replica_url, count, lambda found: found == "30")
    pair.kill_primary()
    ended = export()
    assert told(ended) == (30, "replica")
    assert ended.err.startswith("stockstream: DATABASE_URL: ")
    assert ended.err.endswith("; reading from the replica, which may be behind\n")


@pytest.mark.proves("H14")
def test_a_replica_that_stays_behind_is_passed_over(export: Run, pair: Pair) -> None:
    """With a word; who asks for the replica gets what it has, with a word too."""
    put_ticks(pair.primary_url, 30)
    assert told(export()) == (30, "replica")
    psql(pair.replica_url, "SELECT pg_wal_replay_pause()")
    put_ticks(pair.primary_url, 60, day=YESTERDAY - 1)
    ended = export()
    assert told(ended) == (90, "primary")
    assert "DATABASE_READ_URL: the replica is 0." in ended.err
    assert ended.err.endswith(" MB behind after 5 s; reading from the primary\n")
    ended = export("--read-from", "replica")
    assert told(ended) == (30, "replica")
    assert ended.err.endswith("; reading from it all the same\n")


@pytest.mark.proves("H14")
def test_a_replica_that_is_a_moment_behind_is_waited_for(
    environment: dict[str, str], pair: Pair, tmp_path: Path
) -> None:
    """The export has what the primary had when it began."""
    psql(pair.replica_url, "SELECT pg_wal_replay_pause()")
    put_ticks(pair.primary_url, 60)
    urls = {"DATABASE_URL": pair.primary_url, "DATABASE_READ_URL": pair.replica_url}
    with exporting(environment | urls, tmp_path, "t.csv", "--json") as process:
        until(pair.replica_url, VISITORS, lambda found: found != "0")
        assert process.poll() is None
        psql(pair.replica_url, "SELECT pg_wal_replay_resume()")
        out, err = process.communicate(timeout=30)
    document = json.loads(out)
    assert (document["ticks"], document["read_from"], err) == (60, "replica", "")


@pytest.mark.proves("H12", "H14")
def test_a_replica_that_fails_on_the_way_is_replaced_by_the_primary(
    environment: dict[str, str], pair: Pair, tmp_path: Path
) -> None:
    """Each tick is in the file once, in order; where it went on is said."""
    put_ticks(pair.primary_url, 100_000)
    urls = {"DATABASE_URL": pair.primary_url, "DATABASE_READ_URL": pair.replica_url}
    process = exporting(environment | urls, tmp_path, "t.csv", "--json")
    wait_until_begun(process, tmp_path / "t.csv.part")
    pair.kill_replica()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    document = json.loads(out)
    assert (document["ticks"], document["read_from"]) == (100_000, "primary")
    assert err.startswith("stockstream: DATABASE_READ_URL: ")
    assert err.endswith("; going on with the primary\n")
    exported = lines(tmp_path / "t.csv")
    assert len(exported) == len(set(exported)) == 100_000


def test_a_replica_that_is_none_is_told(stockstream: Run, pair: Pair, database_url: str) -> None:
    """A server that takes writes is no replica; none that is named is a matter of usage."""
    put_ticks(pair.primary_url, 30)
    urls = {"DATABASE_URL": pair.primary_url, "DATABASE_READ_URL": database_url}
    ended = stockstream("db", "export", "--output", "t.csv", **urls)
    assert ended.out == "t.csv: 30 ticks\n"
    assert "does not say how far it is behind the primary; reading from the primary" in ended.err
    ended = stockstream("db", "export", "--read-from", "replica", DATABASE_URL=database_url)
    assert ended.code == 2
    assert ended.err == "stockstream: --read-from: DATABASE_READ_URL names no replica\n"
    day = to_datetime(YESTERDAY * DAY_MS).date().isoformat()
    assert stockstream("db", "export", "--from", day, "--read-from", "both").code == 2
