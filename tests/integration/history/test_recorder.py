"""The recorder between an outbox and a real PostgreSQL that comes and goes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from itertools import count
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.database.pool import PoolSettings
from stockstream.database.query import Purpose
from stockstream.history import progress
from stockstream.history.recorder import CALM_SECONDS
from stockstream.history.records import HEADER_BYTES, read_records
from stockstream.history.transfer import ImportTicks
from stockstream.times import Moment, to_ms
from supervision import terminate_child
from tests.support.database import PostgresServer, locked, psql
from tests.support.gateway import DAY, History, quote_row, running_history, tick
from tests.support.tree import NO_DATABASE

if TYPE_CHECKING:
    from pathlib import Path

NOON = Moment(1_000_000.0)
KILLS = 200 if os.environ.get("CHAOS_FULL") else 40


def descriptors() -> list[str]:
    """What this process has open."""
    links = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - iterdir() opens one itself
        with contextlib.suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - as above
    return links


async def stored(history: History) -> list[tuple[object, ...]]:
    rows = await history.select(
        "SELECT symbol, epoch, seq, price, volume, ts FROM ticks ORDER BY seq"
    )
    return [(*told, to_ms(ts)) for *told, ts in rows]


def published(history: History) -> list[tuple[object, ...]]:
    quotes = [(row.quote, row.traded) for row in history.published]
    return [
        (q.symbol, *q.version, q.price, None if traded is None else traded.volume, q.timestamp)
        for q, traded in quotes
    ]


@pytest.mark.proves("H7")
async def test_what_is_published_is_recorded_and_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    """Without an outage nothing touches the disk, and the outbox is empty again."""
    async with running_history(database_url, spool=tmp_path) as history:
        await history.until_up()
        for seq in range(20):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
        await history.until_recorded()
        assert await stored(history) == published(history)
        assert history.outbox.statistics().acknowledged == 20
        assert list(tmp_path.glob("*/*.spool")) == []  # noqa: ASYNC240 - a local folder


@pytest.mark.proves("H8", "H10")
async def test_an_outage_is_spooled_and_replayed_in_order(
    database_url: str, tmp_path: Path
) -> None:
    """Away, back, away, back: what came meanwhile comes first, all of it once."""
    async with running_history(NO_DATABASE, spool=tmp_path) as history:
        for seq in range(30):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
        await history.until(lambda: history.outbox.statistics().waiting == 0)
        assert history.recorder.spooled > 0
        history.url = database_url
        await history.until_recorded()
        for seq in range(30, 40):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
        await history.until_recorded()
        history.url = NO_DATABASE
        await history.kill_gateway()
        for seq in range(40, 60):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
        await history.until(lambda: history.recorder.spooled > 0)
        history.url = database_url
        await history.until_recorded()
        assert await stored(history) == published(history)
        numbers = await history.select("SELECT no FROM batches ORDER BY recorded, no")
        assert [n for (n,) in numbers] == list(range(1, 61))


@pytest.mark.proves("H8")
async def test_a_spool_is_replayed_however_fast_prices_come(
    nursery: trio.Nursery, database_url: str, tmp_path: Path
) -> None:
    """Each time that something was synced there is more, and that does not hold the replay up."""
    async with running_history(NO_DATABASE, spool=tmp_path) as history:
        await history.publish(quote_row("AAPL", 1, 101))
        await history.until(lambda: history.recorder.spooled == 1)

        async def publish() -> None:
            for seq in count(2):
                await history.publish(quote_row("AAPL", seq, 100 + seq))

        nursery.start_soon(publish)
        history.url = database_url
        await history.until(lambda: history.recorder.recorded_batches > 0)
        nursery.cancel_scope.cancel()


@pytest.mark.proves("H8")
async def test_a_spool_outlives_the_process(database_url: str, tmp_path: Path) -> None:
    """The next life replays what the last one left, under that one's numbers."""
    async with running_history(NO_DATABASE, spool=tmp_path) as first:
        await first.publish(quote_row("AAPL", 1, 101), quote_row("MSFT", 2, 102))
        await first.until(lambda: first.recorder.spooled == 1)
    async with running_history(database_url, spool=tmp_path) as second:
        await second.until_up()
        await second.until(lambda: second.recorder.recorded_batches == 1)
        assert await stored(second) == published(first)


@pytest.mark.proves("H8")
async def test_a_recorder_killed_at_any_moment_loses_nothing(
    database_url: str, tmp_path: Path
) -> None:
    """Killed while it writes to the spool and while it replays."""
    async with running_history(NO_DATABASE, spool=tmp_path) as history:
        for seq in range(150):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
            if seq % 3 == 0:
                history.system.ref(paths.RECORDER).kill()
            await trio.sleep(0.004)
        history.url = database_url
        for _ in range(40):
            history.system.ref(paths.RECORDER).kill()
            await trio.sleep(0.01)
        await history.until_up()
        await history.until(lambda: history.outbox.statistics().waiting == 0)
        await history.until_recorded()
        assert await stored(history) == published(history)


@pytest.mark.proves("C15")
async def test_killed_actors_give_their_descriptors_back(database_url: str, tmp_path: Path) -> None:
    """Kills of the recorder and of the gateway, half of them with a spool open: files and sockets
    are as many as before, and no deleted segment keeps its room on the disk. `make chaos` kills
    each two hundred times.
    """
    async with running_history(database_url, spool=tmp_path) as history:
        await history.until_up()
        await history.publish(quote_row("AAPL", 0, 1.0))
        await history.until_recorded()
        before = len(descriptors())
        for away in (True, False):
            history.url = NO_DATABASE if away else database_url
            await history.kill_gateway()
            for seq in range(KILLS // 2):
                await history.publish(quote_row("AAPL", 1 + seq + KILLS * away, 1.0))
                await history.until(lambda: history.outbox.statistics().waiting == 0)
                for path in (paths.RECORDER, paths.DATABASE):
                    history.system.ref(path).kill()
                await history.until(lambda: history.system.ref(paths.RECORDER).alive)
        await history.until_recorded()
        await history.until_up()
        await history.until(lambda: len(descriptors()) <= before)
        assert [link for link in descriptors() if ".spool" in link] == []
        assert await history.select("SELECT count(*) FROM ticks") == [(KILLS + 1,)]


@pytest.mark.proves("H8")
async def test_a_batch_that_is_refused_is_put_aside(database_url: str, tmp_path: Path) -> None:
    """Its neighbours are recorded, it is counted, and its file holds it."""
    async with running_history(NO_DATABASE, spool=tmp_path) as history:
        await history.publish(quote_row("AAPL", 1, 101))
        await history.publish(quote_row("NUL\x00", 2, 102))
        await history.publish(quote_row("AAPL", 3, 103))
        await history.until(lambda: history.recorder.spooled == 3)
        history.url = database_url
        await history.until_up()
        await history.until_recorded()
        assert [row[2] for row in await stored(history)] == [1, 3]
        assert history.recorder.rejected == 1
        (kept,) = tmp_path.glob("*/rejected/*.batch")  # noqa: ASYNC240 - a local folder
        (found,) = read_records(kept.read_bytes())
        assert [t.symbol for t in found.ticks] == ["NUL\x00"]


@pytest.mark.proves("H2", "H8", "H22")
async def test_a_copy_that_stalls_holds_the_recorder_up_for_its_limit(
    database_url: str, tmp_path: Path
) -> None:
    """Its backend stops in the middle of a COPY, as by a paused disk: the connection is given up,
    nothing counts as connected then, another one is made, and all is recorded once.
    """
    wide = [quote_row(f"S{n:05}", 1, 1.0) for n in range(30_000)]
    writing = {Purpose.WRITE: PoolSettings(1, 4, 1.0)}
    async with running_history(database_url, spool=tmp_path, pools=writing) as history:
        await history.until_up()
        await history.publish(quote_row("AAPL", 0, 1.0))
        await history.until_recorded()  # and its day's partition is there
        with locked(database_url, "ticks"):
            await history.publish(*wide)
            await history.until_rows([(1,)], _COPIES)
            ((backend,),) = await history.select(_WRITER)
            os.kill(backend, signal.SIGSTOP)
            try:
                await history.until(lambda: history.status.connections["write"] == 0, 4.0)
                await history.until(lambda: history.recorder.spooled > 0, 4.0)
                await history.until_up()
                assert await history.select(_WRITER) != [(backend,)]
            finally:
                os.kill(backend, signal.SIGCONT)
        await history.until_recorded()
        assert await history.select("SELECT count(*), sum(seq) FROM ticks") == [(30_001, 30_000)]


_COPIES = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = 'ticks'::regclass AND NOT granted AND query LIKE 'COPY%'
"""
_WRITER = """
SELECT max(pid) FROM pg_stat_activity
WHERE application_name = 'stockstream write' AND datname = current_database()
"""


@pytest.mark.proves("H22")
@pytest.mark.parametrize("cause", ["read-only", "no rights", "renamed", "locked"])
async def test_what_is_not_recorded_is_not_well_whatever_the_cause(
    cause: str, postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection stands, and no write gets through: it is told with the server's words, and
    over by itself once the cause is gone; nothing is lost.
    """
    monkeypatch.setattr(progress, "LATE_SECONDS", 0.8)
    url = postgres_server.create_database()
    name = url.partition("?")[0].rpartition("/")[2]
    begin, end, words = {
        "read-only": (
            f"ALTER DATABASE {name} SET default_transaction_read_only = on",
            f"ALTER DATABASE {name} SET default_transaction_read_only = off",
            "read-only transaction",
        ),
        "no rights": (
            f"""CREATE ROLE guest_{name} LOGIN;
            GRANT ALL ON ALL TABLES IN SCHEMA public TO guest_{name};
            REVOKE ALL ON batches FROM guest_{name}""",
            f"GRANT ALL ON batches TO guest_{name}",
            "permission denied for table batches",
        ),
        "renamed": (
            "ALTER TABLE candles RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO candles",
            "candles",
        ),
        "locked": ("", "", "in time"),
    }[cause]
    administered = "postgres" if cause == "read-only" else name
    writing = {Purpose.WRITE: PoolSettings(1, 4, 0.5)}
    async with running_history(url, spool=tmp_path, pools=writing) as history:
        await history.until_up()
        await history.publish(quote_row("AAPL", 0, 1.0))
        await history.until_recorded()
        assert history.progress.ok
        with contextlib.ExitStack() as stack:
            if cause == "locked":
                stack.enter_context(locked(url, "batches"))
            else:
                psql(postgres_server.url_of(administered), begin)
            if cause == "no rights":
                history.url = postgres_server.url_of(name, f"guest_{name}")
            await history.kill_gateway()
            await history.until_up()
            for seq in range(1, 4):
                await history.publish(quote_row("AAPL", seq, 1.0))
            await history.until(lambda: words in (history.recorder.alert or ""))
            assert not history.progress.ok
            assert words in (history.progress.reason or "")
            assert history.progress.lag_seconds > 0.8
            if cause != "locked":
                assert history.status.up
                psql(postgres_server.url_of(administered), end)
        if cause == "read-only":
            await history.kill_gateway()
        await history.until_recorded()
        await history.until(lambda: history.progress.ok)
        assert await history.select("SELECT count(*) FROM ticks") == [(4,)]


@pytest.mark.proves("H22")
async def test_the_time_of_a_write_that_fails_counts_as_waiting(
    database_url: str, tmp_path: Path
) -> None:
    """A write that ends by its limit takes long. What waited for it is late from when it was
    published, and as old on disk as it was in memory.
    """
    writing = {Purpose.WRITE: PoolSettings(1, 4, 1.0)}
    async with running_history(database_url, spool=tmp_path, pools=writing) as history:
        await history.until_up()
        await history.publish(quote_row("AAPL", 0, 1.0))
        await history.until_recorded()
        with locked(database_url, "batches"):
            lags = []
            await history.publish(quote_row("AAPL", 1, 1.0))
            while history.recorder.spooled == 0:
                lags.append(history.progress.lag_seconds)
                await trio.sleep(0.01)
            assert history.recorder.behind_since is not None
            assert history.recorder.behind_since.age > 1.0
            for _ in range(30):
                lags.append(history.progress.lag_seconds)
                await trio.sleep(0.01)
            assert lags == sorted(lags)
        await history.until_recorded()


@pytest.mark.proves("H22")
async def test_a_recorder_that_hangs_is_not_well(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can say nothing itself: what waits for it does."""
    monkeypatch.setattr(progress, "LATE_SECONDS", 0.3)
    async with running_history(database_url, spool=tmp_path) as history:
        await history.until_up()
        await terminate_child(history.system.ref("history"), "recorder")
        await history.publish(quote_row("AAPL", 1, 1.0))
        assert history.progress.ok
        await history.until(lambda: not history.progress.ok)
        assert "does not keep up" in (history.progress.reason or "")
        assert history.recorder.alert is None


@pytest.mark.proves("H8", "H12")
async def test_what_was_imported_is_not_replayed(database_url: str, tmp_path: Path) -> None:
    """A dump may hold what a spool still holds: each tick is there once, and in its candle."""
    async with running_history(NO_DATABASE, spool=tmp_path) as history:
        for seq in range(20):
            await history.publish(quote_row("AAPL", seq, 100 + seq), quote_row("MSFT", seq, 50.0))
        await history.until(lambda: history.recorder.spooled == 20)
        async with running_history(database_url) as other:
            await other.until_up()
            old = [tick(seq, price=100.0 + seq) for seq in range(0, 30, 2)]
            assert (await other.ask(ImportTicks(old))).new == 15
        history.url = database_url
        await history.until_recorded()
        await history.until_up()
        rows = await history.select("SELECT symbol, seq FROM ticks ORDER BY 1, 2")
        seqs = sorted({*range(20), *range(0, 30, 2)})
        assert rows == [("AAPL", n) for n in seqs] + [("MSFT", n) for n in range(20)]
        candles = await history.select(
            "SELECT symbol, sum(ticks) FROM candles GROUP BY 1 ORDER BY 1"
        )
        assert candles == [("AAPL", len(seqs)), ("MSFT", 20)]


@pytest.mark.proves("H9", "H19")
async def test_a_full_disk_is_told_and_loses_nothing(
    cluster: Path, small_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Server and spool on one disk, filled to its last byte: the alert names the setting, prices
    wait in memory, and with room again all of them are there once.
    """
    shutil.move(cluster, small_disk / "data")
    with PostgresServer(small_disk / "data") as server:
        async with running_history(server.url, spool=small_disk / "spool") as history:
            await history.until_up()
            filler = small_disk / "filler"
            fill(filler)
            for seq in range(40):
                await history.publish(*(quote_row(f"S{n}", seq, 1.0 + seq) for n in range(500)))
            await history.until(lambda: "No space left" in (history.recorder.alert or ""))
            assert history.recorder.alert is not None
            assert history.recorder.alert.startswith("DATA_DIRECTORY: ")
            alerts = [line for line in capsys.readouterr().out.splitlines() if "trouble" in line]
            assert len(alerts) == 1, "told once, not with each attempt"
            assert history.outbox.statistics().rows > 0
            filler.unlink()
            await history.until_recorded()
            await history.until(lambda: history.recorder.alert is None)
            await history.until_up()
            rows = await history.select("SELECT count(*), count(DISTINCT (symbol, seq)) FROM ticks")
            assert rows == [(20_000, 20_000)]


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass


@pytest.mark.proves("H9", "H10")
async def test_a_full_spool_is_told(database_url: str, tmp_path: Path) -> None:
    """The oldest gives way, counted, with an alert; the outbox stays empty: nobody is blocked."""
    async with running_history(
        NO_DATABASE, spool=tmp_path, spool_limit=17_000_000, clock=lambda: NOON
    ) as history:
        wide = [quote_row(f"S{n:05}", 2, 1.0) for n in range(20_000)]
        for _ in range(24):
            await history.publish(*wide)
            await history.until(lambda: history.outbox.statistics().waiting < 3)
        await history.until(lambda: history.outbox.statistics().waiting == 0)
        await history.until(lambda: history.recorder.alert is not None)
        assert history.recorder.lost > 0
        await history.until(lambda: history.recorder.spooled_since == DAY + 2000)
        assert history.recorder.spool_bytes <= 17_000_000
        assert history.recorder.alert is not None
        assert str(history.recorder.lost) in history.recorder.alert
        assert history.recorder.lost_at == NOON
        history.url = database_url
        await history.until_up()
        await history.until_recorded()
        assert await history.select("SELECT count(*) FROM ticks") == [
            (24 * 20_000 - history.recorder.lost,)
        ]


@pytest.mark.proves("H8", "H24")
@pytest.mark.parametrize("more", [False, True])
async def test_a_spool_that_somebody_deletes_is_recorded_all_the_same(
    database_url: str, tmp_path: Path, more: bool
) -> None:
    """While the database is away; whether more comes before it is back, or not."""
    spool = tmp_path / "spool"
    async with running_history(NO_DATABASE, spool=spool) as history:
        for seq in range(6):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
        await history.until(lambda: history.recorder.spooled == 6)
        shutil.rmtree(spool)
        if more:
            await history.publish(quote_row("AAPL", 6, 106))
            await history.until(lambda: history.recorder.spooled == 7)
            assert list(spool.glob("*/*.spool")) != []
        history.url = database_url
        await history.until_recorded()
        await history.until_up()
        assert await stored(history) == published(history)
        assert (history.recorder.lost, history.recorder.alert) == (0, None)


@pytest.mark.proves("H8", "H24")
async def test_a_flipped_bit_costs_one_batch_and_is_told(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All behind it is recorded, also what comes later; the loss is counted, with its cause."""
    async with running_history(NO_DATABASE, spool=tmp_path) as history:
        for seq in range(6):
            await history.publish(quote_row("AAPL", seq, 100 + seq))
        await history.until(lambda: history.recorder.spooled == 6)
        (path,) = tmp_path.glob("*/*.spool")  # noqa: ASYNC240 - a local folder
        data = path.read_bytes()
        place = len(data) // 6 + HEADER_BYTES + 4
        # In its place: a file written anew is empty for a moment, and the recorder may look.
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([data[place] ^ 0x01]))
        await history.publish(quote_row("AAPL", 6, 106))
        history.url = database_url
        await history.until_recorded()
        await history.until(lambda: history.recorder.alert == "1 ticks were lost")
        await history.until_up()
        assert [row[2] for row in await stored(history)] == [0, 2, 3, 4, 5, 6]
        assert history.recorder.lost == 1
        assert not history.progress.ok
        assert "a file of the spool is damaged" in capsys.readouterr().out


@pytest.mark.proves("H9")
async def test_a_loss_is_an_alert_until_it_was_calm_for_a_while(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A quarter of an hour after the last tick was lost, whoever was killed meanwhile. The count
    stays, the next loss is an alert again, and other troubles are told as ever.
    """
    now = NOON
    in_the_way = tmp_path / "spool"
    in_the_way.write_text("a file")
    async with running_history(
        NO_DATABASE, spool=in_the_way, outbox_limit=10, clock=lambda: now
    ) as history:

        async def lose(seq: int) -> None:
            await history.publish(*(quote_row("AAPL", seq + n, 1.0) for n in range(10)))
            await history.publish(quote_row("AAPL", seq + 10, 1.0))

        await lose(0)
        await history.until(lambda: history.recorder.dropped == 10)
        assert history.recorder.lost_at == NOON
        history.url = database_url
        await history.until_recorded()
        await history.until(lambda: "10 ticks were lost" in (history.recorder.alert or ""))
        now = Moment(NOON.seconds + CALM_SECONDS - 0.001)
        history.system.ref(paths.RECORDER).kill()
        await history.publish(quote_row("AAPL", 20, 1.0))
        await history.until(lambda: history.recorder.recorded_batches >= 2)
        assert "10 ticks were lost" in (history.recorder.alert or "")
        now = Moment(NOON.seconds + CALM_SECONDS)
        await history.until(lambda: history.recorder.alert is None)
        assert (history.recorder.dropped, history.recorder.lost_at) == (10, NOON)
        assert "recording is well again" in capsys.readouterr().out

        history.url = NO_DATABASE
        await history.kill_gateway()
        await lose(30)
        await history.until(lambda: history.recorder.dropped == 20)
        assert history.recorder.lost_at == now
        history.url = database_url
        await history.until(lambda: "20 ticks were lost" in (history.recorder.alert or ""))


@pytest.mark.proves("H9", "H19")
async def test_a_spool_that_cannot_be_made_is_told(database_url: str, tmp_path: Path) -> None:
    """The setting is named, batches wait in memory, and the database takes them when it is back."""
    in_the_way = tmp_path / "spool"
    in_the_way.write_text("a file")
    async with running_history(NO_DATABASE, spool=in_the_way) as history:
        await history.publish(quote_row("AAPL", 1, 101))
        await history.until(lambda: history.recorder.alert is not None)
        assert history.recorder.alert is not None
        assert "DATA_DIRECTORY" in history.recorder.alert
        history.url = database_url
        await history.until_recorded()
        assert await stored(history) == published(history)
        await history.until(lambda: history.recorder.alert is None)
