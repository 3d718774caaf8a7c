"""What a thousand clients cost that only listen."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from tests.integration.web.support import upgrade_request
from tests.support.client import connected
from tests.support.server import running_server

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = 1000
LIMIT_MB = 80


def connect(port: int, number: int) -> socket.socket:
    """A client at an address of its own, 150 to each, after its handshake."""
    client = socket.socket()
    client.settimeout(30)
    client.bind((f"127.0.1.{1 + number // 150}", 0))
    client.connect(("127.0.0.1", port))
    client.sendall(upgrade_request())
    received = b""
    while b'"type":"status"' not in received:
        received += client.recv(4096)
    return client


async def test_a_thousand_idle_clients_cost_at_most_80_mb(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """Connected, welcomed and told the status, each with a session; measured in the server."""
    async with running_server(tmp_path) as server:
        async with connected(server.websocket_url, nursery) as warm:
            await warm.send(action="subscribe", symbols="*")
            await warm.message("prices", 5)
        before = server.memory_kb()
        clients: list[socket.socket] = []
        try:
            for number in range(CLIENTS):
                client = await trio.to_thread.run_sync(connect, server.port, number)
                clients.append(client)
            tree = (await server.get("/admin/api/tree")).text
            assert tree.count('"actor":"Session"') == CLIENTS
            grown = (server.memory_kb() - before) / 1024
            print(f"{grown:.1f} MB for {CLIENTS} idle clients")
            assert grown <= LIMIT_MB
        finally:
            for client in clients:
                client.close()
