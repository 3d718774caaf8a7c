"""Many at once: a storm of newcomers, and every kind of bad client among good ones."""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import application
from stockstream.delivery.lanes import Patience
from tests.integration.delivery.raw import CAN_VANISH, raw_client, vanish
from tests.integration.web.support import TEXT, client_frame
from tests.support.client import connected
from tests.support.exposition import parse
from tests.support.server import running_server
from tests.support.tree import running_tree
from web import actor

if TYPE_CHECKING:
    from tests.integration.web.support import RawClient
    from tests.support.client import Client
    from tests.support.server import Server
    from tests.support.tree import Tree

SUBSCRIBE = '{"action":"subscribe","symbols":"*","id":1}'


async def figures(server: Server) -> dict[str, float]:
    return parse((await server.get("/metrics")).text)


# A storm.

NEWCOMERS = 400
BUSY_SECONDS = 120.0
"""A few where nobody else has the machine."""


@dataclass
class Storm:
    """What became of the newcomers."""

    admitted: int = 0
    failures: list[str] = field(default_factory=list)
    all_in: trio.Event = field(default_factory=trio.Event)
    may_leave: trio.Event = field(default_factory=trio.Event)

    async def newcomer(self, port: int, number: int) -> None:
        try:
            local = f"127.0.3.{1 + number % 100}"
            async with raw_client(port, local=local, patience=BUSY_SECONDS) as client:
                await client.text(SUBSCRIBE)
                while b'"subscriptions"' not in (await client.frame())[1]:
                    pass
                self.admitted += 1
                if self.admitted == NEWCOMERS:
                    self.all_in.set()
                await self.may_leave.wait()
        except (OSError, EOFError, AssertionError, trio.TooSlowError) as error:
            self.failures.append(repr(error))
            self.all_in.set()


@pytest.mark.proves("D14", "D12", "W10")
async def test_a_storm_is_let_in_beside_those_who_are_there(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """All at once: nobody is refused or lost, the others stay, and nothing goes wrong."""
    settings = {"STOCK_API_URL": "sim://?symbols=20&interval=0.1&seed=7"}
    async with running_server(tmp_path, settings) as server, AsyncExitStack() as stack:
        good: list[Client] = []
        for _ in range(20):
            client = await stack.enter_async_context(connected(server.websocket_url, nursery))
            await client.send(action="subscribe", symbols="*")
            good.append(client)
        for client in good:
            await client.message("prices", 3)
        storm = Storm()
        async with trio.open_nursery() as newcomers:
            for number in range(NEWCOMERS):
                newcomers.start_soon(storm.newcomer, server.port, number)
            with trio.fail_after(BUSY_SECONDS):
                await storm.all_in.wait()
            assert storm.failures == []
            for client in good:
                await client.message("prices", client.counts["prices"] + 3)
                assert client.closed is None
            told = await figures(server)
            storm.may_leave.set()
        assert told["stockstream_clients"] == NEWCOMERS + len(good)
        assert told["stockstream_handshakes_waiting"] == 0
        assert told["stockstream_handler_errors_total"] == 0
        assert told["stockstream_connections_crashed_total"] == 0
        assert told['stockstream_clients_parted_with_total{why="gone"}'] == 0
        assert not [name for name in told if name.startswith("stockstream_actor_ends_total{")]
        assert not [name for name in told if "connections_refused_total{" in name]
        assert "Traceback" not in server.text


# Bad clients.

EACH = 8
LOUD = "sim://?symbols=1000&interval=0.1&seed=7"
"""A market whose every flush is a frame of some 90 KB."""
SMALL_BUFFER = 4096
MOST_KB = 256
FLOOD = client_frame(TEXT, b'{"action":"ping"}') * 1000


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow after 0.5 s of lag, too slow after 5 s; a vanished machine is reset after 1 s."""
    monkeypatch.setattr(application, "Patience", partial(Patience, slow=0.5, too_slow=5.0))
    monkeypatch.setattr(actor, "UNACKNOWLEDGED_SECONDS", 1.0)


class BadClients:
    """Bad clients of every kind; `ends` counts those of a kind that ended as it does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.ends: Counter[str] = Counter()

    async def run(self, kind: str) -> None:
        buffer = None if kind == "flooder" else SMALL_BUFFER
        async with raw_client(self._port, receive_buffer=buffer, patience=BUSY_SECONDS) as client:
            await getattr(self, kind)(client)
            self.ends[kind] += 1

    async def stuck(self, client: RawClient) -> None:
        """Wants everything and reads nothing, not even what would tell it of its end."""
        await client.text(SUBSCRIBE)
        await trio.sleep_forever()

    async def slow(self, client: RawClient) -> None:
        """Reads a kilobyte a second; what its kernel has keeps it busy long after its end."""
        await client.text(SUBSCRIBE)
        with suppress(trio.BrokenResourceError):
            while await client.stream.receive_some(256):  # noqa: ASYNC110 - that is what it does
                await trio.sleep(0.25)

    async def flooder(self, client: RawClient) -> None:
        """Sends a thousand messages at once, and reads; it is told 1008."""
        await client.send(FLOOD)
        assert await client.close_code() == 1008

    async def vanished(self, client: RawClient) -> None:
        """Is gone without a FIN; nothing that reaches it tells it so."""
        await client.text(SUBSCRIBE)
        while b'"subscriptions"' not in (await client.frame())[1]:
            pass
        vanish(client)
        await trio.sleep_forever()


def resident_kb() -> int:
    """Of this process, which is the server and its clients."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


@pytest.mark.proves("W10", "W16", "W17", "D2", "D5", "D6")
async def test_each_bad_client_ends_as_its_kind_does(
    impatient: None, nursery: trio.Nursery
) -> None:
    """Flooding, stuck, slow, vanished: the server parts with all in seconds; good ones stay.

    What they cost meanwhile is bounded, the clients' own side counted in.
    """
    kinds = ["stuck", "slow", *(["vanished"] if CAN_VANISH else [])]
    async with (
        running_tree(stock_api_url=LOUD, heartbeat=0.5, heartbeat_timeout=1.0) as tree,
        AsyncExitStack() as stack,
    ):
        port = int(tree.addresses.sockets[0].getsockname()[1])
        good = [
            await stack.enter_async_context(connected(tree.websocket_url, nursery))
            for _ in range(5)
        ]
        for client in good:
            await client.send(action="subscribe", symbols=["AAPL"])
            await client.message("prices", 3)
        bad = BadClients(port)
        before, most = resident_kb(), 0
        async with trio.open_nursery() as crowd:
            for _ in range(EACH):
                crowd.start_soon(bad.run, "flooder")
            with trio.fail_after(BUSY_SECONDS):
                while bad.ends["flooder"] < EACH:
                    most = max(most, resident_kb() - before)
                    await good[0].message("prices", good[0].counts["prices"] + 1)
            for kind in kinds:
                for _ in range(EACH):
                    crowd.start_soon(bad.run, kind)
            seen = [client.counts["prices"] for client in good]
            with trio.fail_after(BUSY_SECONDS):
                await tree.until(lambda: sessions(tree) > len(good))
                while sessions(tree) > len(good):
                    most = max(most, resident_kb() - before)
                    await good[0].message("prices", good[0].counts["prices"] + 1)
            for client, count in zip(good, seen, strict=True):
                assert client.counts["prices"] > count + 5
                assert client.closed is None
            crowd.cancel_scope.cancel()
        print(f"{most / EACH / len(kinds):.0f} KiB for each of {EACH * len(kinds)} at most")
        assert most <= MOST_KB * EACH * len(kinds)
        assert len(lanes(tree)) == len(good)
        assert tree.crashes == []


def sessions(tree: Tree) -> int:
    return sum(path.startswith("delivery/sessions/") for path in tree.system.names)


def lanes(tree: Tree) -> list[object]:
    connections = tree.system.names["web"].actor._connections
    return list(connections.lanes())
