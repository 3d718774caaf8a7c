"""How many clients there may be, and what they cost that only listen."""

from __future__ import annotations

import gc
import json
import resource
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import open_files
from tests.integration.delivery.raw import raw_client
from tests.integration.web.support import BINARY, CLOSE, PONG, TEXT, client_frame, upgrade_request
from tests.support.client import connected
from tests.support.server import running_server
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WARM = 100
"""Clients that come first: what grows once has grown."""
CLIENTS = 1000
LIMIT_KB = 32
SETTINGS = {"STOCK_API_URL": "sim://?symbols=20&interval=2&seed=7"}
BROWSER = (
    "Origin: http://localhost\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    "Accept-Language: en-US,en;q=0.9\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
)
"""What Chromium sends."""


def connect(port: int, number: int) -> socket.socket:
    """A client at an address of its own, 150 to each, after its handshake."""
    client = socket.socket()
    client.settimeout(30)
    client.bind((f"127.0.1.{1 + number // 150}", 0))
    client.connect(("127.0.0.1", port))
    client.sendall(upgrade_request(headers=BROWSER))
    return client


def subscribe(client: socket.socket, symbols: list[str]) -> None:
    """Read on to the status, subscribe, and read on to the prices."""
    received = b""
    while b'"type":"status"' not in received:
        received += client.recv(65536)
    message = {"action": "subscribe", "symbols": symbols}
    client.sendall(client_frame(TEXT, json.dumps(message).encode()))
    while b'"type":"snapshot"' not in received:
        received += client.recv(65536)


@pytest.fixture
def _many_files() -> Iterator[None]:
    """The clients are in this process, and normal users have 1,024 files unless they ask."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = open_files.raise_limit()
    if most is not None and most < WARM + 2 * CLIENTS:
        pytest.skip(f"{WARM + CLIENTS} clients ARE SKIPPED: only {most} files may be open here")
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.proves("D15")
@pytest.mark.usefixtures("_many_files")
async def test_a_client_costs_at_most_32_kb(tmp_path: Path, nursery: trio.Nursery) -> None:
    """A browser's, welcomed, with a session and 20 symbols that move; measured in the server."""
    async with running_server(tmp_path, SETTINGS, covered=False) as server:
        symbols = [row["symbol"] for row in (await server.get("/api/v1/symbols")).json()["symbols"]]
        async with connected(server.websocket_url, nursery) as warm:
            await warm.send(action="subscribe", symbols="*")
            await warm.message("prices", 3)
        before = 0
        clients: list[socket.socket] = []
        try:
            for number in range(WARM + CLIENTS):
                if number == WARM:
                    before = server.memory_kb()
                client = await trio.to_thread.run_sync(connect, server.port, number)
                clients.append(client)
                await trio.to_thread.run_sync(subscribe, client, symbols)
            # First: the tree's document alone is a few KB for each of them.
            grown = (server.memory_kb() - before) * 1024 / CLIENTS / 1000
            tree = (await server.get("/admin/api/tree")).text
            assert tree.count('"actor":"Session"') == WARM + CLIENTS
            print(f"{grown:.1f} KB for each of {CLIENTS} clients")
            assert grown <= LIMIT_KB
        finally:
            for client in clients:
                client.close()


@pytest.mark.proves("D15", "W10")
async def test_there_are_no_more_clients_than_files(tmp_path: Path) -> None:
    """The soft limit is raised to the hard one; a quarter of it is kept for other files."""
    async with running_server(tmp_path, SETTINGS, most_files=400) as server:
        assert "MAX_CONNECTIONS is lowered" in server.text
        assert '"max_connections": 300' in server.text
        assert '"open_files": 400' in server.text
        clients = [
            await trio.to_thread.run_sync(connect, server.port, number) for number in range(301)
        ]
        try:
            answers = [
                (await trio.to_thread.run_sync(client.recv, 4096)).split()[1] for client in clients
            ]
            # Two are let in at a time, so the last to come need not be the one that is refused.
            assert Counter(answers) == {b"101": 300, b"503": 1}
            assert (await server.get("/health/live")).status_code == 200
        finally:
            for client in clients:
                client.close()


def kinds() -> Counter[str]:
    """How many objects of each class the collector knows, uncollected ones too."""
    return Counter(f"{type(it).__module__}.{type(it).__name__}" for it in gc.get_objects())


@pytest.mark.proves("D5", "D15")
@pytest.mark.parametrize(
    "leaves", ["with a close", "with a reset", "in the middle of a frame", "with much unread"]
)
async def test_a_client_that_has_left_leaves_nothing_for_the_collector(leaves: str) -> None:
    """Or a node with many clients would have to stop for all of them, to find those few."""
    frame = client_frame(TEXT, b'{"action":"subscribe","symbols":["AAPL"],"id":1}')

    async def visit(port: int) -> None:
        async with raw_client(port) as client:
            await client.send(frame)
            while b'"subscriptions"' not in (await client.frame())[1]:
                pass
            if leaves == "with a close":
                await client.send(client_frame(CLOSE, b"\x03\xe8"))
                assert await client.close_code() == 1000
                return
            if leaves == "in the middle of a frame":
                await client.send(client_frame(BINARY, b"x" * 100)[:50])
            elif leaves == "with much unread":
                await client.send(client_frame(PONG) * 2000)
            client.reset()

    async with running_tree() as tree:
        port = int(tree.addresses.sockets[0].getsockname()[1])
        connections = tree.system.names["web"].actor._connections

        async def visits(count: int) -> None:
            for _ in range(count):
                await visit(port)
            await tree.until(lambda: not connections.lanes())
            await trio.testing.wait_all_tasks_blocked(0.05)

        await visits(5)
        gc.collect()
        before = kinds()
        gc.disable()
        try:
            await visits(20)
            after = kinds()
        finally:
            gc.enable()
    grown = {
        name: after[name] - before[name]
        for name in after
        if name.startswith(
            ("web.", "supervision.cell", "stockstream.delivery.", "wsproto.", "hypercorn.", "h11.")
        )
    }
    # Whatever each visit leaves is there twenty times; a timer more or less is no visit's.
    assert [f"{number} {name}" for name, number in grown.items() if number >= 15] == []
