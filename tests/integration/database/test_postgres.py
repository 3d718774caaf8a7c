"""The embedded server: one at a time, ended with its owner, started again, its troubles told."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.embedded import files
from stockstream.database.embedded.files import Layout, postmaster
from stockstream.database.embedded.postgres import Postgres
from stockstream.database.gateway import Database, DatabaseSettings
from stockstream.database.servers import embedded_server
from stockstream.messages import DatabaseFault, DisturbDatabase
from supervision import ActorRef, ChildSpec, Slot, System, supervisor
from tests.support.database import PostgresServer, bare_server, psql

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from stockstream.statuses import DatabaseStatus

SECONDS = 20.0
COUNT = "SELECT count(*) FROM batches"


class Running:
    """The actor and the gateway in a tree of their own."""

    def __init__(self, directory: Path) -> None:
        self.system = System()
        self.layout = Layout(directory)
        self.statuses: Slot[DatabaseStatus] = Slot("database", writer=paths.DATABASE)

    @property
    def actor(self) -> ActorRef:
        return self.system.ref(paths.POSTGRES)

    @property
    def status(self) -> DatabaseStatus:
        found = self.statuses.value
        assert found is not None
        return found

    async def until(self, holds: Callable[[], object], seconds: float = SECONDS) -> None:
        with trio.move_on_after(seconds):
            while not holds():  # noqa: ASYNC110 - files and tables tell nobody of a change
                await trio.sleep(0.01)
            return
        raise AssertionError(f"in vain: {self.status}")


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Running]:
    one = Running(directory)
    settings = DatabaseSettings(embedded_server(directory), readers=1)
    history = [
        ChildSpec("postgres", partial(Postgres, directory, (paths.DATABASE,)), shutdown=8.0),
        ChildSpec("gateway", partial(Database, settings, one.statuses, AsyncioThread())),
    ]
    root = supervisor("root", [supervisor("database", history, intensity=100, period=1.0)])
    async with trio.open_nursery() as nursery:
        up = trio.Event()
        nursery.start_soon(partial(one.system.run, root, on_start=lambda _: up.set()))
        with trio.fail_after(SECONDS):
            await up.wait()
        try:
            yield one
        finally:
            one.system.stop()


def ended(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


@pytest.mark.proves("H1")
async def test_it_stands_under_the_data_directory_and_is_closed_to_others(cluster: Path) -> None:
    """Its folders are for its user alone; it listens on a Unix socket and nowhere else."""
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        layout = one.layout
        for folder in (layout.home, layout.data, Path(layout.url().partition("host=")[2])):
            assert folder.stat().st_mode & 0o777 == 0o700, folder
        assert psql(layout.url(), "SHOW listen_addresses") == ""
        process = postmaster(layout)
        assert process is not None
        assert os.getsid(process) == process  # Ctrl+C in our terminal is none of its business
    assert ended(process)
    assert not layout.url_file.exists()


def user_to_itself(process: int) -> int:
    """Its user id, as it stands in the user namespace that it is in."""
    folder = Path(f"/proc/{process}")
    (line,) = [x for x in (folder / "status").read_text().splitlines() if x.startswith("Uid:")]
    outside = int(line.split()[1])
    inside, first, count = map(int, (folder / "uid_map").read_text().split()[:3])
    assert first <= outside < first + count
    return inside + outside - first


@pytest.mark.proves("H1")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
async def test_started_by_root_it_runs_as_nobody(cluster: Path) -> None:
    """PostgreSQL refuses to be root; to itself it is nobody."""
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        process = postmaster(one.layout)
        assert process is not None
        assert user_to_itself(process) == pwd.getpwnam("nobody").pw_uid


@pytest.mark.proves("H1")
async def test_a_killed_server_is_back_within_seconds(cluster: Path) -> None:
    """SIGKILL, three times: seen, started again, and what was committed is there."""
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        psql(one.layout.url(), "INSERT INTO batches VALUES ('a', 1, 1)")
        for _ in range(3):
            process = postmaster(one.layout)
            assert process is not None
            os.kill(process, signal.SIGKILL)
            await one.until(lambda p=process: postmaster(one.layout) not in {None, p}, 5)
            await one.until(lambda: one.status.up and one.layout.url_file.exists(), 5)
        assert psql(one.layout.url(), COUNT) == "1"


@pytest.mark.proves("H1")
async def test_a_killed_actor_takes_its_server_with_it(cluster: Path) -> None:
    """Its successor runs another one; there are never two."""
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        for _ in range(3):
            process = postmaster(one.layout)
            assert process is not None
            one.actor.kill()
            await one.until(lambda p=process: ended(p))
            await one.until(lambda p=process: postmaster(one.layout) not in {None, p})
            await one.until(lambda: one.status.up)


@pytest.mark.proves("H1")
async def test_the_server_ends_with_a_process_that_is_killed(cluster: Path) -> None:
    """The kernel tells it: no orphan keeps the data directory."""
    with PostgresServer(cluster) as server:
        process = server.process
        server.kill()
        with trio.fail_after(SECONDS):
            while not ended(process):  # noqa: ASYNC110 - no child of ours
                await trio.sleep(0.01)
        files.forget_url(server.layout)


@pytest.fixture(params=["running", "stopped"])
def stray_server(request: pytest.FixtureRequest, cluster: Path) -> Iterator[tuple[Path, int]]:
    with bare_server(cluster) as server:
        if request.param == "stopped":
            os.kill(server.pid, signal.SIGSTOP)
        yield cluster, server.pid


@pytest.mark.proves("H1")
async def test_a_server_found_alive_is_stopped_first(stray_server: tuple[Path, int]) -> None:
    """Left by a process that was killed, or hung: it ends, and with it its socket's folder."""
    cluster, old = stray_server
    (folder,) = [Path(Layout(cluster).url().partition("host=")[2])]
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        assert postmaster(one.layout) not in {None, old}
        assert ended(old)
        await one.until(lambda: not folder.exists())


@pytest.mark.proves("H1")
async def test_nodes_share_a_server_and_take_over(cluster: Path) -> None:
    """The second node uses the first one's server; when that node is killed it runs one itself."""
    with PostgresServer(cluster) as first:
        process = first.process
        async with running(cluster) as second:
            await second.until(lambda: second.status.up)
            assert postmaster(second.layout) == process
            assert await second.actor.call(DisturbDatabase(DatabaseFault.STOP, 1.0)) is False
            first.kill()
            await second.until(lambda: postmaster(second.layout) not in {None, process})
            await second.until(lambda: second.status.up)
            assert psql(second.layout.url(), COUNT) == "0"


@pytest.mark.proves("H1")
async def test_a_socket_whose_path_would_be_too_long_stands_elsewhere(cluster: Path) -> None:
    """In a folder of its own, which is gone when the server is."""
    far = cluster / ("far" * 30)
    far.mkdir()
    (cluster / "postgres").rename(far / "postgres")
    async with running(far) as one:
        await one.until(lambda: one.status.up)
        folder = Path(one.layout.url().partition("host=")[2])
        assert cluster not in folder.parents
        one.actor.kill()
        await one.until(lambda: not folder.exists())
        await one.until(lambda: one.status.up and one.layout.url_file.exists())
        later = Path(one.layout.url().partition("host=")[2])
    await one.until(lambda: not later.exists())


@pytest.mark.proves("C2", "C3")
@pytest.mark.parametrize("fault", list(DatabaseFault))
async def test_a_fault_is_seen_and_ends_by_itself(cluster: Path, fault: DatabaseFault) -> None:
    """Stopped or paused for as long as was said, though nobody lifts it; and at once if lifted."""
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        process = postmaster(one.layout)
        assert process is not None
        for lifted in (False, True):
            seconds = 60.0 if lifted else 0.6
            began = trio.current_time()
            assert await one.actor.call(DisturbDatabase(fault, seconds)) is True
            if fault is DatabaseFault.STOP:
                assert postmaster(one.layout) is None
            else:
                assert files.are_stopped(files.family(process))
            if lifted:
                assert await one.actor.call(DisturbDatabase(None)) is True
            await one.until(lambda: works(one))
            assert lifted or trio.current_time() - began > seconds


def works(one: Running) -> bool:
    process = postmaster(one.layout)
    return process is not None and not files.are_stopped([process]) and one.status.up


@pytest.mark.proves("C3")
async def test_a_paused_server_of_a_killed_actor_does_not_stay_paused(cluster: Path) -> None:
    """Whoever set the fault up is gone, and so is the fault."""
    async with running(cluster) as one:
        await one.until(lambda: one.status.up)
        process = postmaster(one.layout)
        assert process is not None
        assert await one.actor.call(DisturbDatabase(DatabaseFault.PAUSE, 60.0)) is True
        one.actor.kill()
        await one.until(lambda: ended(process))
        await one.until(lambda: works(one))


def damage_version(layout: Layout) -> None:
    (layout.data / "PG_VERSION").write_text("12\n")


def damage_data(layout: Layout) -> None:
    (layout.data / "global" / "pg_control").write_bytes(b"")


def put_a_file_in_the_way(layout: Layout) -> None:
    shutil.rmtree(layout.home)
    layout.home.write_text("a file")


@pytest.mark.proves("H19")
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_version, "was made by PostgreSQL 12, and 18 is here"),
        (damage_data, "PostgreSQL does not start"),
        (put_a_file_in_the_way, "exists"),
    ],
)
async def test_why_it_does_not_run_is_one_line_that_names_the_setting(
    cluster: Path, damage: Callable[[Layout], None], words: str
) -> None:
    """In the status, where operators look; the rest goes on without it."""
    damage(Layout(cluster))
    async with running(cluster) as one:
        await one.until(lambda: "DATA_DIRECTORY" in one.status.reason)
        assert words in one.status.reason
        assert "\n" not in one.status.reason
        assert not one.status.up


@pytest.mark.proves("H19")
async def test_a_full_disk_is_told_and_mended_by_making_room(small_disk: Path) -> None:
    """No room for a new cluster: nothing half made stays; with room it is made."""
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        file.write(bytes(100_000_000))
    async with running(small_disk / "data") as one:
        await one.until(lambda: "No space left" in one.status.reason)
        assert one.status.reason.startswith("DATA_DIRECTORY: ")
        assert "\n" not in one.status.reason
        assert not one.layout.data.exists()
        filler.unlink()
        await one.until(lambda: one.status.up)
