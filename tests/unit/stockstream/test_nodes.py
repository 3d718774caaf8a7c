"""The parent of several nodes: what it works out before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.config import Settings
from stockstream.database.embedded.files import CONNECTIONS
from stockstream.nodes.launcher import until_open
from stockstream.nodes.tree import build, prepare
from stockstream.part_settings import database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("nodes", "pool"), [(2, 4), (8, 4), (2, 40), (64, 4)])
def test_postgres_takes_the_connections_of_all_nodes(
    nodes: int, pool: int, clean: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And some for commands; for few nodes it is what a single one gets."""
    for name in ("PORT", "STUB_PORT"):
        monkeypatch.setenv(name, "0")
    settings = Settings(database_pool_size=pool)
    machine = prepare(settings, nodes)
    try:
        root = build(settings, machine)
    finally:
        machine.close()
    (postgres,) = [spec for spec in root.start.args[0] if spec.id == "postgres"]
    most = postgres.start.keywords["connections"]
    assert most >= nodes * database(settings).connections + 3
    assert most >= CONNECTIONS
    assert database(settings).connections == pool + 4


async def test_a_restart_goes_on_while_the_upstream_is_down() -> None:
    """A node whose upstream is silent says that it is not well, and takes clients all the same."""
    statuses = {b"/health/ready": b"503 Service Unavailable"}
    asked: list[bytes] = []
    drained = trio.Event()

    async def node(stream: trio.SocketStream) -> None:
        async for request in stream:
            path = bytes(request.split()[1])
            asked.append(path)
            status = statuses.get(path, b"200 OK") if drained.is_set() else b"503 Draining"
            await stream.send_all(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
            drained.set()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, node, listeners)
        with trio.fail_after(5):
            await until_open(f"http://127.0.0.1:{port}")
        nursery.cancel_scope.cancel()
    assert asked == [b"/health/traffic"] * 2
