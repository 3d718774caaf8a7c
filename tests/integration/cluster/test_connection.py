"""Connections that break, hang, are refused and are cut off: on real NATS servers."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import ssl
import subprocess
import sys
import threading
import weakref
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.asyncio_thread import AsyncioThread
from stockstream.cluster.bus import Bus
from stockstream.cluster.connection import ConnectionLost, NatsConnection
from stockstream.cluster.messages import BusDown, BusUp, NobodyThere, Probe
from stockstream.cluster.nats_access import NatsAccess, read_servers
from stockstream.cluster.nats_server import HOST, NatsServer, run_nats_server
from stockstream.shards import NodeId
from tests.integration.cluster.nodes import WAIT_SECONDS, a_node, a_row, meet
from tests.integration.cluster.servers import a_server
from tests.support import selfsigned
from tests.support.deep import DEEP
from tests.support.stopwatch import Stopwatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).parents[3]

RECONNECTS = 1_000 if DEEP else 30


@asynccontextmanager
async def two_servers() -> AsyncIterator[tuple[NatsServer, NatsServer]]:
    async with trio.open_nursery() as nursery:
        first = await nursery.start(run_nats_server, "token")
        second = await nursery.start(run_nats_server, "token")
        yield first, second
        nursery.cancel_scope.cancel()


@pytest.mark.proves("N20")
async def test_a_frozen_server_with_data_under_way_is_left_for_the_next_one():
    """Its socket takes nothing any more, so nothing that waits for it would ever end."""
    async with two_servers() as (first, second), a_node("a", [first.url, second.url]) as a:
        await a.up()
        first.send_signal(signal.SIGSTOP)
        watch = Stopwatch((second.pid,))
        async with trio.open_nursery() as nursery:

            async def publish() -> None:
                rows = [a_row(f"S{number}", 1.0) for number in range(300)]
                while True:
                    a.publish(*rows)
                    await trio.sleep(0.03)

            nursery.start_soon(publish)
            await a.up(2)
            nursery.cancel_scope.cancel()
        assert trio.current_time() - watch.at > 1.5
        assert watch.until() < 6.0
        [down] = a.log.of(BusDown)[-1:]
        assert down.reason == "no answer within 2 s"
        assert a.status.server == f"{HOST}:{second.port}"
        assert a.status.dropped > 0


async def test_a_server_that_is_gone_is_noticed_at_once():
    """Its sockets are closed; what comes then is a first pause of a tenth of a second."""
    async with two_servers() as (first, second), a_node("a", [first.url, second.url]) as a:
        await a.up()
        watch = Stopwatch((second.pid,))
        first.send_signal(signal.SIGKILL)
        await a.up(2)
        assert watch.until() < 1.5


async def test_a_wrong_token_is_named_and_never_shown(
    nats: NatsServer, capsys: pytest.CaptureFixture[str]
):
    """Whoever reads the log learns the server and what it said."""
    async with a_node("a", nats.url.replace("token@", "geheim@")) as a:
        await a.until(lambda: "Authorization" in a.status.reason)
        assert a.status.server == f"{HOST}:{nats.port}"
        await a.log.until(lambda: a.log.of(BusDown))
        assert not a.log.of(BusUp)
    said = capsys.readouterr()
    assert "Authorization Violation" in said.out + said.err
    assert "geheim" not in said.out + said.err


async def test_no_password_goes_to_a_server_that_does_not_encrypt(nats: NatsServer):
    """Where the address says `tls`, that is no question that a server may answer."""
    async with a_node("a", nats.url.replace("nats://", "tls://")) as a:
        await a.until(lambda: a.status.server)
        assert "secure" in a.status.reason
        assert not a.log.of(BusUp)


async def test_a_server_under_tls_is_checked_against_its_certificate(tmp_path: Path):
    """One whose certificate is not among those that are trusted is no server of ours."""
    context = selfsigned.server_context(tmp_path, address=HOST)
    assert context
    pem = tmp_path / "server.pem"
    tls = f'tls {{ cert_file: "{pem}", key_file: "{pem}" }}'
    with a_server(tmp_path, tls) as port:
        url = f"tls://token@{HOST}:{port}"
        async with a_node("a", url, ca=pem) as a, a_node("b", url) as b:
            await a.up()
            await a.begin()
            await b.until(lambda: "certificate" in b.status.reason)


@pytest.mark.proves("N8")
async def test_certificates_on_a_disk_that_stalls_are_as_good_as_no_nats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Else the node would wait for its first attempt for ever, and fetch for nobody."""
    monkeypatch.setattr("stockstream.cluster.link.PATIENCE_SECONDS", 0.05)
    stalled = tmp_path / "ca.pem"
    os.mkfifo(stalled)  # whoever opens it waits for who writes
    async with a_node("a", "nats://token@127.0.0.1:1", ca=stalled) as a:
        await a.log.until(lambda: a.log.of(BusDown))
        assert "certificates" in a.log.of(BusDown)[0].reason
    writer = os.open(stalled, os.O_WRONLY | os.O_NONBLOCK)
    stalled.unlink()  # which may be opened a second time
    os.close(writer)  # the thread has no more to wait for


SLOW_NODE = """
import sys, trio
from stockstream.shards import NodeId
from tests.integration.cluster.nodes import a_node


async def main():
    async with a_node("slow", sys.argv[1]) as node:
        await node.begin()
        await node.log.until(lambda: node.has_heard(NodeId("a", 1)))
        node.beat()
        await node.log.until(lambda: node.own_echoes == 3)
        print("ready", flush=True)
        while True:
            seen = len(node.log.all)
            await node.log.until(lambda: len(node.log.all) > seen)
            rows = node.tables.quotes.rows.values()
            print("prices", sum(row.quote.price for row in rows), flush=True)

trio.run(main)
"""


@contextmanager
def a_slow_node(url: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SLOW_NODE, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.proves("N10", "T22")
async def test_a_node_that_does_not_read_is_cut_off_and_takes_what_it_missed(nats: NatsServer):
    """The others feel nothing of it. When it reads again, it is told all."""
    async with a_node("a", nats.url) as a, a_node("b", nats.url) as b:
        await meet(a, b)
        with a_slow_node(nats.url) as slow:
            assert slow.stdout is not None
            lines = (line.split() for line in slow.stdout if line.startswith(("ready", "prices")))
            async with trio.open_nursery() as nursery:

                async def beat() -> None:
                    while True:
                        a.beat()
                        await trio.sleep(0.05)

                nursery.start_soon(beat)
                assert await trio.to_thread.run_sync(next, lines) == ["ready"]
                nursery.cancel_scope.cancel()
            slow.send_signal(signal.SIGSTOP)
            longest = number = 0.0
            with trio.fail_after(WAIT_SECONDS):
                while not a.log.of(NobodyThere):
                    number += 1
                    watch = Stopwatch((nats.pid,))
                    a.publish(*(a_row(f"S{n:03}", number + n, int(number)) for n in range(1_000)))
                    await b.log.until(lambda n=number: b.received().get("S000") == n)
                    longest = max(longest, watch.until())
                    a.cast(Probe(NodeId("slow", 1)))
                    await trio.sleep(0.02)
            slow.send_signal(signal.SIGCONT)
            wanted = ["prices", str(sum(row.quote.price for row in a.tables.quotes.rows.values()))]
            with trio.fail_after(WAIT_SECONDS):
                while await trio.to_thread.run_sync(next, lines) != wanted:
                    a.beat()
            assert longest < 2.0


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.proves("T24")
async def test_many_connections_leave_nothing_behind(nats: NatsServer):
    """No socket here, none at the server, no task of the library, no thread."""
    with AsyncioThread().use() as loop:
        access = NatsAccess(read_servers(nats.url))
        tls = access.tls_context()

        async def connect(end: int) -> None:
            connection = NatsConnection(
                access.servers[0], access, "test", "test.answer", {"test.tell"}, lambda *_: None
            )
            up = trio.Event()
            async with trio.open_nursery() as nursery:

                async def run() -> None:
                    with pytest.raises(ConnectionLost):
                        await loop.run(connection.run, tls, lambda _bytes: loop.tell(up.set))

                nursery.start_soon(run)
                await up.wait()
                assert await loop.run(connection.ask, "test.to.nobody.1", b"", 1.0) is None
                if end % 2:
                    nursery.cancel_scope.cancel()
                else:
                    loop.post(connection._client._transport._io_writer.transport.abort)

        async def left() -> tuple[int, int, int]:
            async def tasks() -> int:
                return len(asyncio.all_tasks())

            with trio.fail_after(WAIT_SECONDS):
                while descriptors(nats.pid) > servers:  # noqa: ASYNC110 - it tells nobody
                    await trio.sleep(0.01)
            return descriptors(os.getpid()), await loop.run(tasks), threading.active_count()

        servers = descriptors(nats.pid)
        await connect(0)
        before = await left()
        for number in range(RECONNECTS):
            await connect(number)
        gc.collect()
        after = await left()
        # Fewer where a thread of trio's, which others have used, has been idle for long.
        assert all(now <= then for now, then in zip(after, before, strict=True)), (after, before)


@pytest.mark.proves("C15")
async def test_a_killed_bus_is_gone_without_the_collector(nats: NatsServer):
    """What a dead one holds in cycles stays until a full collection, which hardly ever comes; the
    certificates that are trusted are a megabyte.
    """

    def held() -> list[object]:
        return [thing for thing in gc.get_objects() if isinstance(thing, (ssl.SSLContext, Bus))]

    others = set(map(id, held()))
    # The loop lives on, as with the other gateways that use it.
    thread = AsyncioThread()
    with thread.use():
        async with a_node("a", nats.url, thread=thread) as a:
            await a.begin()
            gc.collect()
            its_own = [weakref.ref(thing) for thing in held() if id(thing) not in others]
            assert {type(there()) for there in its_own} == {ssl.SSLContext, Bus}
            gc.disable()
            try:
                assert a.system.ref(paths.BUS).kill()
                await a.up(2)
                await a.until(lambda: not any(there() is not None for there in its_own))
            finally:
                gc.enable()


async def test_of_servers_that_are_all_away_people_are_told_once_each(
    capsys: pytest.CaptureFixture[str],
):
    """They are tried for ever, one after another."""
    async with two_servers() as (first, second), a_node("a", [first.url, second.url]) as a:
        await a.up()
        first.send_signal(signal.SIGKILL)
        second.send_signal(signal.SIGKILL)
        await a.until(lambda: a.status.server == f"{HOST}:{second.port}")
        await a.until(lambda: a.status.server == f"{HOST}:{first.port}")
        await a.until(lambda: a.status.server == f"{HOST}:{second.port}")
        await a.until(lambda: a.status.server == f"{HOST}:{first.port}")
    said = capsys.readouterr()
    # Of the first also that it went away.
    assert (said.out + said.err).count("NATS is away") == 3
