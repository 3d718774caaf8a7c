"""A server that stops, with every kind of client connected; and a `web` that dies."""

from __future__ import annotations

import signal
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from supervision import SHUTDOWN
from tests.integration.delivery.raw import CAN_VANISH, raw_client, vanish
from tests.integration.web.support import RawClient
from tests.support.client import connected
from tests.support.server import running_server
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.client import Client
    from tests.support.server import Server
    from tests.support.tree import Tree

LOUD = {"STOCK_API_URL": "sim://?symbols=1000&interval=0.05&seed=7"}
DRAIN_SECONDS = 7.0
LARGE = (
    b"GET /static/vendor/lightweight-charts-5.2.1/lightweight-charts.mjs HTTP/1.1\r\n"
    b"Host: localhost\r\n\r\n"
)
LOGIN = (
    b"POST /admin/login HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 5\r\n\r\n"
)


@asynccontextmanager
async def http_client(tree: Tree) -> AsyncIterator[RawClient]:
    """A client without room for a large answer."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    try:
        await sock.connect(tree.addresses.sockets[0].getsockname())
        yield RawClient(trio.SocketStream(sock))
    finally:
        sock.close()


async def stuck_clients(server: Server, stack: AsyncExitStack, number: int) -> None:
    """Clients that want everything and read nothing; one has vanished, where that may be done."""
    for count in range(number):
        client = await stack.enter_async_context(raw_client(server.port, receive_buffer=4096))
        await client.text('{"action":"subscribe","symbols":"*"}')
        while b'"subscriptions"' not in (await client.frame())[1]:
            pass
        if count == 0 and CAN_VANISH:
            vanish(client)


async def well_clients(
    server: Server, stack: AsyncExitStack, nursery: trio.Nursery, number: int
) -> list[Client]:
    clients = []
    for _ in range(number):
        client = await stack.enter_async_context(connected(server.websocket_url, nursery))
        await client.send(action="subscribe", symbols=["AAPL"])
        await client.message("prices", 10)  # time for the others to fill their sockets
        clients.append(client)
    return clients


@pytest.mark.proves("D11", "D6", "W14")
async def test_sigterm_drains_whoever_is_connected(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Who listens is told when to come back and closed at once; the others hold it 7 s at most."""
    async with running_server(tmp_path, LOUD) as server, AsyncExitStack() as stack:
        await stuck_clients(server, stack, 5)
        well = await well_clients(server, stack, nursery, 5)
        half = await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", server.port))
        await half.send_all(b"GET / HTTP/1.1\r\nHost: t")
        started = trio.current_time()
        status: list[int] = []

        async def stop() -> None:
            status.append(await server.stop(signal.SIGTERM))

        async with trio.open_nursery() as stopping:
            stopping.start_soon(stop)
            for client in well:
                assert await client.wait_closed() == (1012, "the server restarts")
                assert 0.5 <= (await client.message("going_away"))["reconnect_after"] <= 5
            assert trio.current_time() - started < DRAIN_SECONDS - 2
        assert status == [0]
        assert "connections did not end in time and are cut off" in server.text
        assert "Traceback" not in server.text


@pytest.mark.proves("D11")
async def test_a_drain_finishes_the_answers_that_have_begun(nursery: trio.Nursery) -> None:
    """One that its client is slow to read, and one whose request has only come in part."""
    async with running_tree() as tree, AsyncExitStack() as stack:
        slow, late, idle = [await stack.enter_async_context(http_client(tree)) for _ in range(3)]
        await slow.send(LARGE)
        await slow.more(100)
        await late.send(LOGIN)
        assert b" 100 " in await late.read_head()
        nursery.start_soon(tree.stop)
        await idle.ended()
        assert len((await slow.answer())[1]) > 100_000
        await slow.ended()
        await late.send(b"wrong")
        head, body = await late.answer()
        assert b"connection: close" in head.lower()
        assert body
        await late.ended()
    assert tree.reason == SHUTDOWN


@pytest.mark.proves("D11")
async def test_a_second_signal_does_not_wait(tmp_path: Path, nursery: trio.Nursery) -> None:
    """Not for stuck clients either."""
    async with running_server(tmp_path, LOUD) as server, AsyncExitStack() as stack:
        await stuck_clients(server, stack, 3)
        await well_clients(server, stack, nursery, 1)
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        await server.until_said("draining")
        started = trio.current_time()
        assert await server.stop(signal.SIGTERM) == 128 + signal.SIGTERM
        assert trio.current_time() - started < DRAIN_SECONDS - 2


@pytest.mark.proves("D13", "D11")
async def test_a_web_that_is_killed_refuses_nobody(nursery: trio.Nursery) -> None:
    """Its clients lose their sockets; one that comes at once waits for the next life of it."""
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as old:
        await old.send(action="subscribe", symbols=["AAPL"])
        await old.message("prices", 2)
        tree.system.ref("web").kill()
        async with connected(tree.websocket_url, nursery) as new:
            await new.send(action="subscribe", symbols=["AAPL"])
            await new.message("prices", 2)
            await old.wait_closed()
            # What belonged to the old one is gone: its session, its lane, its subscription.
            await tree.until(
                lambda: len([p for p in tree.system.names if "delivery/sessions/" in p]) == 1
            )
            assert tree.actors()["web"].generation == 2
            connections = tree.system.names["web"].actor._connections
            with trio.fail_after(3):
                while len(connections) > 1:  # noqa: ASYNC110 - a plain table
                    await trio.sleep(0.05)
