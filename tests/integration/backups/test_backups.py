"""Backups of a real server, while it is written to: made, kept, proved, restored to a moment."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.backups import making
from stockstream.database.backups import manifest as manifests
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.keeping import Keep
from stockstream.database.backups.making import Target, make
from stockstream.database.backups.manifest import DATA, Manifest
from stockstream.database.embedded.exchange import RESTORED
from stockstream.database.embedded.files import Layout
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.query import Query, ask
from stockstream.database.servers import Server
from stockstream.history.backing_up import BackupSettings, backup_job
from stockstream.history.backup_notes_actor import BackupNotesReader
from stockstream.history.log_archive import LogArchive
from stockstream.jobs.job import Job, RunJob, Runner
from stockstream.jobs.schedule import Every
from stockstream.jobs.successes import BACKUPS, NoteSuccess
from stockstream.tables import Tables
from supervision import ChildSpec, System, supervisor
from tests.support.commands import command
from tests.support.database import PostgresServer, psql
from tests.support.deep import only_deep

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from stockstream.database.backups.manifest import Kind

MORE_TICKS = (
    "INSERT INTO ticks SELECT 'A', 'SIM', n, at, at, 1, n FROM (SELECT n, now() AS at "
    "FROM generate_series({first}, {last}) n) made"
)

NOW_IN_ISO = "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
PAGE = Path(__file__).parents[3] / "docs" / "backups.md"


@pytest.fixture
def server(cluster: Path) -> Iterator[PostgresServer]:
    """A server of the test's own: a copy is of all of it."""
    with PostgresServer(cluster) as found:
        yield found


class Node:
    """A tree with the gateway, the archive of the log, and the job `backups`."""

    def __init__(self, url: str, directory: Path, notes: Path) -> None:
        self.url = url
        self.target = Target(directory)
        self.tables = Tables()
        self.system = System()
        settings = BackupSettings(
            Every(3600), directory, "incremental", Keep(2), lambda: url, notes
        )
        database = DatabaseSettings(Server("DATABASE_URL", url))
        gateway = partial(Database, database, self.tables.database, AsyncioThread())
        job = partial(Job, backup_job(settings), Runner("a"), self.tables.jobs)
        archive = partial(LogArchive, directory, lambda: url, self.tables.log_archive)
        noted = partial(BackupNotesReader, notes, self.tables.backed_up)
        self.root = supervisor(
            "root",
            [
                supervisor("database", [ChildSpec("gateway", gateway)]),
                supervisor(
                    "history",
                    [
                        ChildSpec("backups", job),
                        ChildSpec("log_archive", archive),
                        ChildSpec("backup_notes", noted),
                    ],
                ),
            ],
        )

    async def ask(self, query: Query[object]) -> object:
        return await ask(self.system.ref(paths.DATABASE), query, timeout=60)

    async def back_up(self, kind: Kind) -> Manifest:
        return await make(self.ask, self.url, kind, self.target)  # type: ignore[arg-type]

    async def sql(self, text: str) -> str:
        return await trio.to_thread.run_sync(psql, self.url, text)

    async def until_archived(self) -> None:
        """All that was written until now is in the archive."""
        here = await self.sql("SELECT pg_current_wal_insert_lsn()")
        written = (
            f"SELECT count(*) FROM pg_stat_replication "
            f"WHERE application_name = 'pg_receivewal' AND write_lsn >= '{here}'"
        )
        with trio.fail_after(20):
            while await self.sql(written) != "1":  # noqa: ASYNC110 - a server tells nobody
                await trio.sleep(0.05)


@asynccontextmanager
async def node(url: str, directory: Path, notes: Path) -> AsyncIterator[Node]:
    found = Node(url, directory, notes)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(found.system.run, found.root)
        with trio.fail_after(20):
            while not (up := found.tables.database.value) or not up.up:  # noqa: ASYNC110 - a table tells nobody
                await trio.sleep(0.02)
        try:
            yield found
        finally:
            found.system.stop()


async def _said_of_backups(given: dict[str, str], folder: Path) -> str:
    ran = await trio.to_thread.run_sync(command, ["doctor", "--json"], given, folder)
    checks = json.loads(ran.stdout)["checks"]
    return str(next(check["message"] for check in checks if check["check"] == "backup"))


def _as_from_an_object_store(folder: Path) -> None:
    """Which has files, and no folder without one."""
    for place in sorted(folder.rglob("*"), reverse=True):
        if place.is_dir() and not any(place.iterdir()):
            place.rmdir()


async def test_a_table_emptied_by_mistake_comes_back_as_it_was_a_moment_before(
    server: PostgresServer, tmp_path: Path
) -> None:
    """A full backup, one that goes on from it, the log since; then the server is lost, too."""
    folder, data = tmp_path / "backups", tmp_path / "elsewhere"

    async def run(*arguments: str, code: int = 0, url: str | None = None) -> dict[str, object]:
        environment = {"DATA_DIRECTORY": str(data), "BACKUP_DIRECTORY": str(folder)}
        if url is not None:
            environment["DATABASE_URL"] = url
        call = partial(command, ["db", *arguments, "--json"], environment, tmp_path)
        ran = await trio.to_thread.run_sync(call)
        assert ran.returncode == code, (ran.stdout, ran.stderr)
        document: dict[str, object] = json.loads(ran.stdout)
        return document

    async with node(server.url, folder, tmp_path) as one:
        await one.sql(MORE_TICKS.format(first=1, last=1000))
        full = await one.back_up("full")
        await one.sql(MORE_TICKS.format(first=1001, last=1500))
        second = await one.back_up("incremental")
        assert (second.parent, second.rows["ticks"]) == (full.name, (1500, 1500))
        await one.sql(MORE_TICKS.format(first=1501, last=1502))

        drill = await run("drill", url=server.url)
        assert drill["ok"] is True
        assert drill["backup"] == second.name
        assert (drill["rows"]["ticks"], drill["lost_ticks"]) == (1500, 2)  # type: ignore[index]

        # The drill was noted in the database, so that another node knows of it.
        given = {"DATA_DIRECTORY": str(tmp_path / "another node"), "DATABASE_URL": server.url}
        await one.ask(NoteSuccess(BACKUPS))
        one.system.ref(paths.BACKUP_NOTES).kill()  # or it looks again in a minute
        with trio.fail_after(10):
            while one.tables.backed_up.value is None:  # noqa: ASYNC110 - a table tells nobody
                await trio.sleep(0.01)
        with trio.fail_after(60):
            said = ""
            while "0.0 days old, and one was restored" not in said:
                # It waits two seconds at most for the database, which a busy machine may need.
                said = await _said_of_backups(given, tmp_path)

        await one.sql("SELECT pg_sleep(0.01)")
        moment = await one.sql(
            "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')"
        )
        await one.sql("SELECT pg_sleep(0.01)")
        await one.sql("DELETE FROM ticks")
        await one.until_archived()
    _as_from_an_object_store(folder)
    restored = await run("restore", "newest", "--at", moment, "--yes")
    assert (restored["backup"], restored["kept"]) == (second.name, None)
    # As a crash just before the last step leaves it: the next start takes that step.
    layout = Layout(data)
    layout.data.rename(layout.home / RESTORED)
    with PostgresServer(data) as again:
        assert psql(again.url, "SELECT count(*) FROM ticks") == "1502"

    torn = folder / full.name / DATA / "PG_VERSION"
    torn.write_bytes(torn.read_bytes() + b"x")
    refused = await run("restore", second.name, "--yes", code=1)
    assert "is damaged" in str(refused["error"])


async def test_the_job_makes_a_full_one_then_what_was_changed_and_keeps_what_is_needed(
    server: PostgresServer, tmp_path: Path
) -> None:
    """An interrupted one is none, and goes; what cannot be made is told."""
    folder = tmp_path / "backups"
    async with node(server.url, folder, tmp_path) as one:

        async def run(times: int) -> str:
            with trio.fail_after(60):
                while not (row := one.tables.jobs.get("backups")) or row.next_run is None:  # noqa: ASYNC110 - a table tells nobody
                    await trio.sleep(0.02)
                assert await one.system.ref(paths.BACKUPS).call(RunJob()) is None
                while one.tables.jobs.rows["backups"].runs < times:  # noqa: ASYNC110 - as above
                    await trio.sleep(0.05)
            return one.tables.jobs.rows["backups"].note

        assert "-full" in await run(1)
        draft = folder / f"{manifests.DRAFT}x" / DATA
        draft.mkdir(parents=True)
        assert "-incremental" in await run(2)
        assert not draft.exists()
        kinds = [one.kind for one in manifests.good(folder)]
        assert kinds == ["full", "incremental"]
        async with making.locked(one.target):
            assert "another process makes a backup" in await run(3)
        assert one.tables.jobs.rows["backups"].outcome == "failed"


async def test_a_disk_without_room_and_a_folder_that_is_none_are_named(
    database_url: str, tmp_path: Path, small_disk: Path
) -> None:
    """Before anything is written, and when it happens on the way: nothing is left behind."""
    not_one = tmp_path / "file"
    not_one.touch()
    async with node(database_url, tmp_path / "other", tmp_path) as one:
        one.target = Target(not_one)
        with pytest.raises(BackupFailed, match=r"BACKUP_DIRECTORY: .*file: File exists"):
            await one.back_up("dump")
        one.target = Target(small_disk / "backups")
        room = shutil.disk_usage(small_disk).free - 72_000_000
        (small_disk / "filler").write_bytes(b"x" * room)
        with pytest.raises(BackupFailed, match=r"MB free, and the backup may take"):
            await one.back_up("full")
        await one.back_up("dump")
        with pytest.raises(BackupFailed, match="no full backup of this server to go on from"):
            await one.back_up("incremental")
        assert [one.kind for one in manifests.good(small_disk / "backups")] == ["dump"]


@only_deep("runs each command of docs/backups.md")
async def test_each_command_of_the_page_does_what_it_says(
    server: PostgresServer, cluster: Path, tmp_path: Path
) -> None:
    """In the page's order, on a server with prices; those for a disaster when it has stopped."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if "serve" not in line]
    folder = tmp_path / "backups"
    environment = {"DATA_DIRECTORY": str(cluster), "BACKUP_DIRECTORY": str(folder)}
    copied = {
        "/backups": str(folder),
        "remote:backups": str(tmp_path / "remote"),
        "/elsewhere": str(tmp_path / "elsewhere"),
    }

    async def run(line: str) -> None:
        words = [copied.get(word, word) for word in shlex.split(line)]
        if words[0] == "rclone" and shutil.which("rclone") is None:
            words = ["cp", "--recursive", "--no-target-directory", *words[-2:]]
        if words[0] == "stockstream":
            ran = await trio.to_thread.run_sync(command, words[1:], environment, tmp_path)
        else:
            ran = await trio.run_process(words, capture_stdout=True, capture_stderr=True)
        assert ran.returncode == 0, (line, ran.stdout, ran.stderr)

    async with node(server.url, folder, tmp_path) as one:
        await one.sql(MORE_TICKS.format(first=1, last=100))
        calm = [line for line in lines if not re.search("restore|rollback|--at", line)]
        for line in calm:
            await run(line)
        await one.sql(MORE_TICKS.format(first=101, last=200))
        await one.sql("SELECT pg_sleep(0.01)")
        moment = await one.sql(NOW_IN_ISO)
        await one.sql("SELECT pg_sleep(0.01)")
        await one.sql("DELETE FROM ticks")
        await one.until_archived()
    server.__exit__()
    counts = {"--at 2026": "200", "latest": "0", "newest --yes": "100", "prices.dump": "100"}
    # What the page tells to do to a physical backup; the newest one of the page is a dump.
    shutil.rmtree(next(folder.glob("*-dump")))
    for line in (line for line in lines if line not in calm):
        await run(line.replace("2026-11-30T12:00:00Z", moment))
        expected = next((n for part, n in counts.items() if part in line), None)
        if "restore" in line and expected is not None:
            with PostgresServer(cluster) as again:
                assert psql(again.url, "SELECT count(*) FROM ticks") == expected, line
