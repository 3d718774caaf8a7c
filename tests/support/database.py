"""A real PostgreSQL for tests: the embedded one, run by its own actor in a process of its own."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import trio

from stockstream.database.embedded import files
from stockstream.database.embedded.files import Layout, is_ready, postmaster
from stockstream.database.embedded.programs import program
from stockstream.database.embedded.user import choose_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.child_process import ChildProcess

START_SECONDS = 60.0
SERVE = """
import sys
from functools import partial
from pathlib import Path

import trio

from stockstream.database.embedded.postgres import Postgres
from supervision import ChildSpec, System, supervisor


async def main():
    system = System()
    root = supervisor("root", [ChildSpec("postgres", partial(Postgres, Path(sys.argv[1])))])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, root)
        async with trio.lowlevel.FdStream(0) as parent:
            await parent.receive_some(1)
        system.stop()


trio.run(main)
"""


class PostgresServer:
    """An embedded server for the time of a `with`. It also ends when this process is killed."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        self.layout.url_file.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.layout.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + START_SECONDS
        while not (is_ready(self.layout) and self.layout.url_file.exists()):
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < give_up, "the server does not start"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """SIGKILL the process that runs the server: nothing can be tidied up."""
        self._process.kill()
        self._process.wait()

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)

    @property
    def url(self) -> str:
        return self.layout.url()

    @property
    def process(self) -> int:
        """The process id of the server itself."""
        found = postmaster(self.layout)
        assert found is not None
        return found

    def create_database(self, template: str = "postgres") -> str:
        """A new database, made from the template; returns its URL."""
        name = f"test_{next(self._numbers)}"
        self.psql(f"CREATE DATABASE {name} TEMPLATE {template}", database="template1")
        return self.url_of(name)

    def url_of(self, database: str, user: str = "stockstream") -> str:
        return self.url.replace("/postgres?", f"/{database}?").replace("stockstream@", f"{user}@")

    def psql(self, sql: str, database: str = "postgres") -> str:
        """Run SQL as an operator would; what psql prints."""
        return psql(self.url_of(database), sql)


def psql(url: str, sql: str) -> str:
    """Run SQL at a URL; what psql prints."""
    done = subprocess.run(
        [str(program("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def locked(url: str, table: str) -> Iterator[None]:
    """Lock a table against all others for the time of a `with`."""
    process = subprocess.Popen(
        [str(program("psql")), "-XqAt", "-v", "ON_ERROR_STOP=1", "-d", url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"BEGIN; LOCK TABLE {table}; SELECT 'locked';\n")
        process.stdin.flush()
        assert process.stdout.readline() == "locked\n"
        yield


@contextmanager
def bare_server(folder: Path, *settings: str) -> Iterator[ChildProcess]:
    """A server on a cluster that no actor owns, with settings of its own; may be killed."""
    layout = Layout(folder)
    user = trio.run(choose_user)
    trio.run(files.prepare, layout, user)
    sockets = Path(tempfile.mkdtemp(prefix=files.SOCKET_PREFIX))
    os.chown(sockets, user.owner, -1)
    files.write_url(layout, files.socket_url(sockets))
    own = dict(setting.split("=", 1) for setting in settings)
    process = files.start_server(layout, user, sockets, {**files.SETTINGS, **own})
    try:
        give_up = time.monotonic() + START_SECONDS
        while postmaster(layout) != process.pid or not is_ready(layout):
            assert process.status is None, files.last_words(layout)
            assert time.monotonic() < give_up, "the server does not start"
            time.sleep(0.02)
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        trio.run(process.wait)
        process.close()
        shutil.rmtree(sockets, ignore_errors=True)


def make_cluster(folder: Path) -> Path:
    """A data directory whose stopped server has the newest schema in its database `postgres`."""
    folder.mkdir(parents=True)
    with PostgresServer(folder) as server:
        subprocess.run(
            [sys.executable, "-m", "stockstream.database.migrations", "head"],
            env={**os.environ, "DATABASE_URL": server.url},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    return folder
