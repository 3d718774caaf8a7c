"""Servers of an operator in place of our embedded one: Debian's PostgreSQL, and PgBouncer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.database.embedded.files import Layout, is_ready
from stockstream.database.embedded.user import ServerUser, choose_user
from tests.support.database import psql

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60.0
PASSWORD = "p@ss:w/rd+%"
"""It has all characters that a URL must escape."""
WRITTEN_PASSWORD = "p%40ss%3Aw%2Frd+%25"


def closed_port() -> int:
    """A port that nobody listens on: the system chose it a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def programs() -> Path:
    """The folder of Debian's newest PostgreSQL; skips the test where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("Debian's PostgreSQL is not installed: scripts/postgres")
    return found[-1].parent


@contextmanager
def _folder(user: ServerUser) -> Iterator[Path]:
    """A short-lived place for a program's files, which is run as `user`."""
    place = Path(tempfile.mkdtemp(prefix="debian-", dir="/tmp"))  # the path of a socket is short
    try:
        os.chown(place, user.owner, -1)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _running(user: ServerUser, command: list[str], log: Path, port: int) -> Iterator[None]:
    """A program for the time of a `with`, once something listens on the port."""
    with log.open("ab") as output:
        process = subprocess.Popen(user.command(command), stdout=output, stderr=output)
    with process:
        try:
            give_up = time.monotonic() + START_SECONDS
            while True:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < give_up, log.read_text()
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield
        finally:
            process.kill()


@dataclass
class DebianServer:
    """A running one; `stockstream` is a user without rights beyond a database of its own."""

    folder: Path
    port: int
    user: ServerUser
    _number: int = 0

    def operator_url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}&port={self.port}"

    def create_database(self, schema: str | None = None) -> str:
        """A new database's name; the user has a schema of its own there, as PostgreSQL 15 wants
        it, or may write to `public`.
        """
        self._number += 1
        name = f"prices_{self._number}"
        psql(self.operator_url(), f"CREATE DATABASE {name}")
        right = (
            "GRANT CREATE ON SCHEMA public TO stockstream"
            if schema is None
            else f"CREATE SCHEMA {schema} AUTHORIZATION stockstream"
        )
        psql(self.operator_url(name), right)
        return name

    def url(self, database: str, query: str = "", port: int | None = None) -> str:
        """As the user, by TCP, with the password."""
        place = f"127.0.0.1:{port or self.port}"
        return f"postgresql://stockstream:{WRITTEN_PASSWORD}@{place}/{database}{query}"


@contextmanager
def debian_server() -> Iterator[DebianServer]:
    """Debian's PostgreSQL for the time of a `with`."""
    folder = programs()
    user = trio.run(choose_user)
    with _folder(user) as place:
        data, log, port = Layout(place).data, place / "log", closed_port()
        log.touch()
        made = subprocess.run(
            user.command(
                [
                    *(folder / "initdb", "-D", data, "-U", "postgres", "--no-sync", "-E", "UTF8"),
                    *("--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256"),
                ],
            ),
            capture_output=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": str(place),
            "fsync": "off",
        }
        command = [str(folder / "postgres"), "-D", str(data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with _running(user, command, log, port):
            server = DebianServer(place, port, user)
            give_up = time.monotonic() + START_SECONDS
            while not is_ready(Layout(place)):
                assert time.monotonic() < give_up, log.read_text()
                time.sleep(0.02)
            written = PASSWORD.replace("'", "''")
            psql(server.operator_url(), f"CREATE ROLE stockstream LOGIN PASSWORD '{written}'")
            yield server


@contextmanager
def pgbouncer(server: DebianServer, mode: str, *settings: str, size: int = 3) -> Iterator[int]:
    """PgBouncer before a server, with few connections to lend, for the time of a `with`; its port.

    It trusts the user name of every client: it knows the password itself and asks for none.
    """
    program = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("PgBouncer is not installed: scripts/postgres")
    with _folder(server.user) as place:
        port = closed_port()
        (place / "users.txt").write_text(f'"stockstream" "{PASSWORD}"\n"postgres" ""\n')
        lines = [
            "[databases]",
            f"* = host=127.0.0.1 port={server.port}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            f"listen_port = {port}",
            "unix_socket_dir =",
            "auth_type = trust",
            f"auth_file = {place / 'users.txt'}",
            f"pool_mode = {mode}",
            f"default_pool_size = {size}",
            "admin_users = postgres",
            *settings,
        ]
        (place / "pgbouncer.ini").write_text("\n".join(lines) + "\n")
        with _running(server.user, [program, str(place / "pgbouncer.ini")], place / "log", port):
            yield port
