"""Three servers on one database and one data directory: each of the things of which one is enough.

They have the same name, as on a machine where nobody gave them one, and no bus: the database guards
what is the database's, and locks of the file system what is in the directory.
"""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import trio

from tests.integration.alerts.receiver import Receiver
from tests.support.database import psql
from tests.support.deep import only_deep
from tests.support.exposition import parse
from tests.support.server import SIMULATED, STOP_SECONDS, Server, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from tests.support.database import PostgresServer

pytestmark = only_deep("starts three servers on one database")

NODES = 3
WAIT_SECONDS = 40.0
OWNERS, CALLS_OF_OWNER = 12, 5
_CALLS = """
WITH r AS (INSERT INTO alert_rules (owner, symbol, kind, threshold, hysteresis)
    VALUES ('{owner}', 'AAPL', 'above', 100, 0) RETURNING id),
made AS (
    INSERT INTO alerts (rule_id, owner, symbol, kind, threshold, price, quoted_at, epoch, seq,
        fired_at)
    SELECT r.id, '{owner}', 'AAPL', 'above', 100, 101, now(), 1, n, now()
    FROM r, generate_series(1, {count}) n RETURNING id)
INSERT INTO webhook_deliveries (alert_id, owner, url) SELECT id, '{owner}', '{url}' FROM made
"""
_LEFT = "SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'"
_CLAIMED = """
SELECT claimed_by IS NOT NULL AND next_attempt_at > now() FROM webhook_deliveries
WHERE state = 'pending'
"""
_LEASE_IS_OVER = "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'"
_HOLES = """
SELECT epoch, symbol, count(*), count(DISTINCT seq), max(seq)
FROM ticks GROUP BY 1, 2 HAVING count(*) <> max(seq) OR count(DISTINCT seq) <> max(seq)
"""


@asynccontextmanager
async def three_servers(folder: Path, url: str, **more: str) -> AsyncIterator[list[Server]]:
    """Started at the same moment, for the time of a `with`."""
    settings = {
        "STOCK_API_URL": SIMULATED,
        "DATABASE_URL": url,
        "DATA_DIRECTORY": str(folder / "data"),
        **more,
    }
    servers = [Server(folder, settings, free_port()) for _ in range(NODES)]
    async with trio.open_nursery() as nursery:
        try:
            async with trio.open_nursery() as starting:
                for server in servers:
                    starting.start_soon(server.start, nursery)
            yield servers
        finally:
            for server in servers:
                if server.process is not None and server.process.poll() is None:
                    server.process.kill()
                    with trio.move_on_after(STOP_SECONDS, shield=True):
                        await server.process.wait()
        nursery.cancel_scope.cancel()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(WAIT_SECONDS):
        while not await holds():  # noqa: ASYNC110 - other processes announce nothing
            await trio.sleep(0.1)


async def query(url: str, sql: str) -> str:
    return await trio.to_thread.run_sync(psql, url, sql)


async def is_recording(servers: Sequence[Server]) -> bool:
    """Whether all prices of all servers are in the database, or on their way into it."""
    for server in servers:
        history = (await server.get("/health/ready")).json()["checks"]["history"]
        if not history["ok"] or history["recorder"]["spooled"]:
            return False
    return True


async def figure(server: Server, name: str) -> float:
    """A sample of its metrics."""
    return parse((await server.get("/metrics")).text)[name]


def is_connected(server: Server, receiver: Receiver) -> bool:
    """Whether the server has a connection to the receiver."""
    own = Path(f"/proc/{server.pid}")
    sockets = set()
    for line in (own / "net" / "tcp").read_text().splitlines()[1:]:
        _, _, remote, *_, inode, _ = line.split(maxsplit=10)
        if int(remote.rpartition(":")[2], 16) == urlsplit(receiver.url).port:
            sockets.add(f"socket:[{inode}]")
    for file in (own / "fd").iterdir():
        with suppress(FileNotFoundError):  # it has just been closed
            if str(file.readlink()) in sockets:
                return True
    return False


@pytest.mark.proves("N23")
async def test_each_call_of_a_webhook_is_posted_once(
    tmp_path: Path, empty_database_url: str, nursery: trio.Nursery
) -> None:
    """By any node. A node that is killed in the middle of a call leaves it to another, when its
    claim has run out and not before.
    """
    url, receiver = empty_database_url, Receiver()
    await receiver.start(nursery)
    allowed = {"WEBHOOK_ALLOW_HTTP": "true", "WEBHOOK_NETWORKS": "127.0.0.0/8"}
    async with three_servers(tmp_path, url, **allowed) as servers:
        await until(partial(is_recording, servers))
        for number in range(OWNERS):
            put = _CALLS.format(owner=f"owner{number}", count=CALLS_OF_OWNER, url=receiver.url)
            await query(url, put)

        async def all_are_delivered() -> bool:
            return await query(url, _LEFT) == "0"

        await until(all_are_delivered)
        posted = Counter(post.headers["stockstream-alert"] for post in receiver.posts)
        assert set(posted.values()) == {1}
        assert len(posted) == OWNERS * CALLS_OF_OWNER

        async def told() -> bool:
            name = 'stockstream_webhook_attempts_total{outcome="delivered"}'
            figures = [await figure(server, name) for server in servers]
            return sum(figures) == len(posted)

        await until(told)

        receiver.posts.clear()
        receiver.statuses = [0]
        await query(url, _CALLS.format(owner="one", count=1, url=receiver.url))
        await receiver.until(lambda: receiver.posts)
        (claimant,) = (server for server in servers if is_connected(server, receiver))
        servers.remove(claimant)
        await claimant.stop(signal.SIGKILL)
        assert await query(url, _CLAIMED) == "t"
        assert len(receiver.posts) == 1
        await query(url, _LEASE_IS_OVER)
        await until(all_are_delivered)
        first, second = (post.headers["stockstream-alert"] for post in receiver.posts)
        assert first == second
    await receiver.stop()


@pytest.mark.proves("N21", "H8", "H23")
async def test_what_a_killed_node_has_spooled_is_recorded_once(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """The database is away for all three; one is killed and comes back as another boot. What it
    had spooled is taken over by one node, beside what the others spool.
    """
    url = postgres_server.create_database(template="template0")
    name = url.partition("?")[0].rpartition("/")[2]
    async with three_servers(tmp_path, url) as servers, trio.open_nursery() as nursery:
        await until(partial(is_recording, servers))
        await query(url.replace(f"/{name}?", "/postgres?"), _away(name))
        await query(url.replace(f"/{name}?", "/postgres?"), _cut(name))

        async def all_spool() -> bool:
            for server in servers:
                history = (await server.get("/health/ready")).json()["checks"]["history"]
                if not (history["recorder"] and history["recorder"]["spooled"] > 3):
                    return False
            return True

        await until(all_spool)
        await servers[0].stop(signal.SIGKILL)
        assert len(list((tmp_path / "data" / "spool").iterdir())) == NODES
        await query(url.replace(f"/{name}?", "/postgres?"), _back(name))
        await servers[0].start(nursery)
        await until(partial(is_recording, servers))
        await until(partial(_one_folder_each, tmp_path / "data" / "spool"))
        for server in servers:
            assert await server.stop() == 0
    assert psql(url, _HOLES) == ""
    assert psql(url, "SELECT count(DISTINCT epoch) FROM ticks") == str(NODES + 1)
    assert list((tmp_path / "data" / "spool").iterdir()) == []


async def _one_folder_each(spool: Path) -> bool:
    return len(list(spool.iterdir())) <= NODES  # noqa: ASYNC240 - a look at a small folder


def _away(name: str) -> str:
    return f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"


def _cut(name: str) -> str:
    return f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"


def _back(name: str) -> str:
    return f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"
