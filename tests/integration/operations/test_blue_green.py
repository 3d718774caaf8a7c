"""A deployment rehearsed: blue serves, green takes over, and blue takes over again.

Two real servers of one cluster behind a real HAProxy, as `docs/proxies.md` says; and clients, of
`stockstream load`, who judge what they get. Green is one migration ahead of blue.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from stockstream.database import migrations
from tests.support.commands import command
from tests.support.database import psql
from tests.support.deep import DEEP
from tests.support.nodes import SECRET, TOKEN_OF_NATS, Nats
from tests.support.programs import Server, Stub, running
from tests.support.proxies import documented, proxying, require
from tests.support.selfsigned import server_context
from tests.support.server import ROOT, TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.database import PostgresServer

CLIENTS = 200 if DEEP else 50
"""Fewer in each run: that all come back within seconds is work for the machine of the tests."""
WAIT_SECONDS = 30.0
PACKAGES = ("supervision", "stockstream", "web", "mockserver")
NEXT = "0999"
NEXT_MIGRATION = f'''
"""What the next version of the program adds."""

from alembic import op

revision = "{NEXT}"
down_revision = "{{newest}}"
usable_from = "{{newest}}"


def upgrade() -> None:
    """Add a column that the version before does not know."""
    op.execute("ALTER TABLE ticks ADD COLUMN note_of_the_next_version text")


def downgrade() -> None:
    """Drop it."""
    op.execute("ALTER TABLE ticks DROP COLUMN note_of_the_next_version")
'''


def next_version(folder: Path) -> Path:
    """The sources with one migration more."""
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            folder / package,
            ignore=shutil.ignore_patterns("__pycache__", "node_modules", "assets", "*.egg-info"),
        )
    newest = migrations.versions()[-1]
    versions = folder / "stockstream" / "database" / "migrations" / "versions"
    (versions / f"{NEXT}_next.py").write_text(NEXT_MIGRATION.format(newest=newest))
    return folder


@dataclass
class Haproxy:
    """The runtime socket of a running one, as an operator uses it."""

    path: Path
    url: str

    def says(self, *commands: str) -> str:
        """What it answers."""
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(10)
            asking.connect(str(self.path))
            asking.sendall(("; ".join(commands) + "\n").encode())
            asking.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: asking.recv(65536), b"")).decode()

    def sends_new_clients_to(self, one: str, other: str) -> None:
        """As steps 2 and 3 of the page."""
        assert not self.says(f"set server stockstream/{one} state ready").strip()
        until(f"the proxy has seen {one}", lambda: self.sees(one))
        assert not self.says(f"set server stockstream/{other} state drain").strip()

    def sees(self, server: str) -> bool:
        """Whether it would send clients there: it looks once a second only."""
        rows = csv.DictReader(self.says("show stat").removeprefix("# ").splitlines())
        return any(row["svname"] == server and row["status"].startswith("UP") for row in rows)


@contextmanager
def haproxy(blue: Server, green: Server, folder: Path) -> Iterator[Haproxy]:
    """The configuration of the page, before these two."""
    runtime = folder / "haproxy.sock"
    text = documented("blue-green")
    for said, here in (
        ("/run/haproxy/stocks.sock", str(runtime)),
        ("127.0.0.1:4001", green.url.removeprefix("http://")),
    ):
        assert said in text
        text = text.replace(said, here)
    server_context(folder, address="127.0.0.1")
    to = blue.url.removeprefix("http://")
    with proxying("haproxy", text, to, folder / "server.pem", folder) as proxy:
        yield Haproxy(runtime, f"https://127.0.0.1:{proxy.port}")


@contextmanager
def load(url: str, folder: Path) -> Iterator[Callable[[], dict[str, Any]]]:
    """`stockstream load` until the given function is called, which returns its report."""
    arguments = [
        *("--clients", str(CLIENTS), "--symbols", "4", "--ramp", "50/s", "--for", "10m"),
        *("--max-pause", "3s", "--processes", "1", "--url", url, "--json"),
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "stockstream", "load", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "SSL_CERT_FILE": str(folder / "server.pem")},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None

        def end() -> dict[str, Any]:
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            assert process.returncode == 130, out + err
            report: dict[str, Any] = json.loads(out)
            return report

        try:
            yield end
        finally:
            # What it has seen says why the test failed, also when it ended by itself.
            if not process.stdout.closed:
                process.send_signal(signal.SIGINT)
                sys.stdout.write("\n".join(process.communicate(timeout=30)))


def until(what: str, holds: Callable[[], bool]) -> None:
    """Look until it holds."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < give_up, f"in vain: {what}"
        time.sleep(0.05)


def clients_of(server: Server) -> int:
    """How many it has, by its metrics."""
    answer = httpx.get(
        f"{server.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10
    )
    line = next(one for one in answer.text.splitlines() if one.startswith("stockstream_clients "))
    return int(float(line.rpartition(" ")[2]))


def schema_of(database: str) -> str:
    """The version of the schema."""
    return psql(database, "SELECT version_num FROM alembic_version").strip()


def knows(server: Server, other: str) -> bool:
    """Whether it would send its clients to the other."""
    overview = httpx.get(
        f"{server.url}/admin/api/overview",
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=10,
    ).json()
    members = overview["cluster"]["members"]
    return any(one["node"] == other and one["ready"] for one in members)


def is_open(server: Server) -> bool:
    """Whether a balancer sends it clients."""
    return httpx.get(f"{server.url}/health/traffic", timeout=10).status_code == 200


def drain(server: Server, folder: Path, *options: str) -> None:
    """`stockstream drain`; it goes on after the command."""
    environment = {**os.environ, "STOCKSTREAM_TOKEN": TOKEN, "STOCKSTREAM_URL": server.url}
    ran = command(["drain", *options, "--json"], environment, folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads(ran.stdout)["running"]


@pytest.mark.proves("N13", "N15", "W3")
def test_green_takes_over_and_blue_takes_over_again(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    require("haproxy")
    database = postgres_server.create_database()
    for name in ("nats", "stub", "blue", "green", "proxy"):
        (tmp_path / name).mkdir()
    nats, stub = Nats(tmp_path / "nats"), Stub(tmp_path / "stub")
    common = {
        "CLUSTER_NATS_URL": f"nats://{TOKEN_OF_NATS}@127.0.0.1:{nats.port}",
        "SECRET_KEY_BASE": SECRET,
        "DATABASE_URL": database,
        "STOCK_API_URL": stub.url,
        "FETCH_INTERVAL": "0.5",
        "TRUSTED_PROXIES": "127.0.0.2",
        "MAX_CONNECTIONS_PER_ADDRESS": str(2 * CLIENTS),
    }
    blue, green = (
        Server(
            tmp_path / name,
            {**common, "NODE_NAME": name, "DATA_DIRECTORY": str(tmp_path / name), **more},
        )
        for name, more in (
            ("blue", {}),
            ("green", {"PYTHONPATH": str(next_version(tmp_path / "next"))}),
        )
    )
    with ExitStack() as stack:
        for program in (nats, stub, blue):
            stack.enter_context(running(program))
        proxy = stack.enter_context(haproxy(blue, green, tmp_path / "proxy"))
        until("blue is open, and the proxy knows", lambda: is_open(blue) and proxy.sees("blue"))
        end = stack.enter_context(load(proxy.url, tmp_path / "proxy"))
        until("all clients are at blue", lambda: clients_of(blue) == CLIENTS)

        stack.enter_context(running(green))
        until("green has migrated", lambda: schema_of(database) == NEXT)
        until("green is open, and blue knows", lambda: is_open(green) and knows(blue, "green"))
        proxy.sends_new_clients_to("green", "blue")
        drain(blue, tmp_path, "--share", "30", "--over", "1s")
        until("three of ten are at green", lambda: clients_of(green) == CLIENTS * 3 // 10)
        assert is_open(blue)
        drain(blue, tmp_path, "--over", "2s")
        assert not is_open(blue)
        until("all are at green", lambda: clients_of(green) == CLIENTS)
        assert blue.stop() == 0

        blue.start()
        newer = "the schema is of a newer program"
        until("blue takes the schema", lambda: any(newer in line for line in blue.output))
        until("blue is open, and green knows", lambda: is_open(blue) and knows(green, "blue"))
        proxy.sends_new_clients_to("blue", "green")
        drain(green, tmp_path, "--over", "2s")
        until("all are at blue again", lambda: clients_of(blue) == CLIENTS)
        assert green.stop() == 0
        report = end()
    assert schema_of(database) == NEXT
    assert (report["older"], report["lost"], report["refused"]) == (0, {}, {})
    assert report["moved"] >= 2 * CLIENTS
    assert report["pause"]["longest"] <= 3000, report["pause"]
    twice = "SELECT count(*) FROM (SELECT symbol, epoch, seq FROM ticks GROUP BY 1, 2, 3 "
    assert psql(database, f"{twice} HAVING count(*) > 1) twice").strip() == "0"
