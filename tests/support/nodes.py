"""A real cluster: a NATS server, the stub API, and nodes of `python -m stockstream serve`.

They run in processes of their own, for all tests of a module. The way of each node to NATS may be
cut. What a node says of itself is read from its log, which nothing can disturb.
"""

from __future__ import annotations

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import trio

from stockstream.cluster.nats_server import program
from tests.support.client import connected
from tests.support.cut_wire import CutWire
from tests.support.programs import Program, Server, Stub, running
from tests.support.server import NO_DATABASE, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from tests.support.client import Client

TOKEN_OF_NATS = "token-of-the-cluster"
SECRET = "secret-of-the-cluster-" + "0" * 32
SETTLE_SECONDS = 15.0
LOOK_SECONDS = 0.02


class Nats(Program):
    """A NATS server on a port that stays the same over restarts."""

    def __init__(self, folder: Path, more: Sequence[str] = ()) -> None:
        self.port = free_port()
        super().__init__([], "Server is ready", folder, {})
        place = ["--addr", "127.0.0.1", "--port", str(self.port), "--auth", TOKEN_OF_NATS]
        self._command = [program(), *place, *more]


class Node(Server):
    """One node. Its way to NATS is `wire`."""

    def __init__(self, name: str, folder: Path, nats: Nats, settings: Mapping[str, str]) -> None:
        self.name = name
        self.wire = CutWire(f"http://127.0.0.1:{nats.port}")
        self.wire.start()
        folder.mkdir()
        own = {
            "NODE_NAME": name,
            "CLUSTER_NATS_URL": f"nats://{TOKEN_OF_NATS}@{self.wire.url.removeprefix('http://')}",
            "SECRET_KEY_BASE": SECRET,
            "DATABASE_URL": NO_DATABASE,
        }
        super().__init__(folder, own | dict(settings))

    @property
    def websocket_url(self) -> str:
        """Where clients connect."""
        return self.url.replace("http", "ws") + "/ws"

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of its log that have this event."""
        return [line for line in self._lines() if line.get("event") == event]

    def logged_at(self, level: str) -> list[dict[str, Any]]:
        """The lines of its log of this level."""
        return [line for line in self._lines() if line.get("level") == level]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.output) if line.startswith("{")]

    @property
    def members(self) -> list[str]:
        """Who is there, as this node sees it."""
        return self._last("the members changed", "members", [self.name])

    @property
    def state(self) -> str:
        """How it stands in the cluster."""
        return self._last("the state in the cluster changed", "state", "")

    @property
    def holds(self) -> int:
        """How many shards it fetches."""
        return self._last("the holding changed", "holds", 0)

    def _last(self, event: str, key: str, otherwise: Any) -> Any:
        lines = self.logged(event)
        return lines[-1][key] if lines else otherwise


class Nodes:
    """A cluster: `nats`, the `stub` that all fetch from, and the nodes by their names."""

    def __init__(self, folder: Path, nats: Nats, stub: Stub, settings: Mapping[str, str]) -> None:
        self.nats = nats
        self.stub = stub
        self._folder = folder
        self._settings = {"STOCK_API_URL": stub.url, **settings}
        self._nodes: dict[str, Node] = {}

    def __getitem__(self, name: str) -> Node:
        return self._nodes[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def make(self, name: str, settings: Mapping[str, str] | None = None) -> Node:
        """One more node, not started yet."""
        folder = self._folder / f"{name}-{len(self._nodes)}"
        node = Node(name, folder, self.nats, self._settings | dict(settings or {}))
        self._nodes[folder.name if name in self._nodes else name] = node
        return node

    def forget(self, node: Node) -> None:
        """End it for good."""
        node.end()
        node.wire.close()
        self._nodes = {key: each for key, each in self._nodes.items() if each is not node}

    @property
    def running(self) -> list[Node]:
        """Those whose process runs."""
        return [node for node in self if node.is_running]

    @property
    def holders(self) -> list[Node]:
        """Those that fetch."""
        return [node for node in self.running if node.holds]

    @property
    def holder(self) -> Node:
        """The one that fetches."""
        (holder,) = self.holders
        return holder

    @property
    def others(self) -> list[Node]:
        """Those that stand by."""
        return [node for node in self.running if not node.holds]

    @property
    def are_one(self) -> bool:
        """Whether all know each other, are ready, and one of them fetches."""
        names = sorted(node.name for node in self.running)
        return len(self.holders) == 1 and all(
            node.members == names and node.state == "ready" for node in self.running
        )

    async def settle(self) -> None:
        """Wait until they are one cluster; start what a test before has ended."""
        for node in self:
            node.wire.mend()
            if not node.is_running:
                await trio.to_thread.run_sync(node.start)
        await until(lambda: self.are_one, SETTLE_SECONDS)

    def requests(self) -> int:
        """How many requests for prices the stub has had."""
        answer = httpx.post(
            f"{self.stub.url}/__admin/requests/count",
            json={"urlPathPattern": "/api/stock-prices"},
            timeout=10,
        )
        answer.raise_for_status()
        count: int = answer.json()["count"]
        return count

    def end(self) -> None:
        """End all nodes."""
        for node in self:
            node.send_signal(signal.SIGCONT)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.forget, list(self)))


@contextmanager
def public_nodes(folder: Path, settings: Mapping[str, str]) -> Iterator[tuple[Node, Node]]:
    """Two nodes that clients may move between: each tells of the other, and lets its pages in."""
    with ExitStack() as stack:
        nats, stub = Nats(folder), Stub(folder)
        stack.enter_context(running(nats))
        stack.enter_context(running(stub))
        nodes = Nodes(folder, nats, stub, settings)
        stack.callback(nodes.end)
        one, two = nodes.make("one"), nodes.make("two")
        for node in (one, two):
            node.set(PUBLIC_URL=node.url, ALLOWED_ORIGINS=f"{one.url},{two.url}")
        with ThreadPoolExecutor() as pool:
            list(pool.map(Node.start, (one, two)))
        give_up = time.monotonic() + SETTLE_SECONDS
        while not nodes.are_one:
            assert time.monotonic() < give_up, [node.output for node in nodes]
            time.sleep(LOOK_SECONDS)
        yield one, two


@contextmanager
def running_nodes(
    folder: Path,
    count: int = 3,
    settings: Mapping[str, str] | None = None,
    stub_arguments: Sequence[str] = (),
) -> Iterator[Nodes]:
    """So many nodes, `n1` and on, for the time of a `with`."""
    with ExitStack() as stack:
        nats, stub = Nats(folder), Stub(folder, stub_arguments)
        stack.enter_context(running(nats))
        stack.enter_context(running(stub))
        nodes = Nodes(folder, nats, stub, settings or {})
        stack.callback(nodes.end)
        with ThreadPoolExecutor() as pool:
            made = [nodes.make(f"n{number}") for number in range(1, count + 1)]
            list(pool.map(lambda node: node.start(), made))
        yield nodes


@asynccontextmanager
async def watched(nodes: Sequence[Node]) -> AsyncIterator[list[Client]]:
    """A client on each node, which wants everything and has had prices."""
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        clients = []
        for node in nodes:
            client = await stack.enter_async_context(connected(node.websocket_url, nursery))
            await client.send(action="subscribe", symbols=["*"])
            clients.append(client)
        for client in clients:
            await client.wait_for(lambda client=client: len(client.came) > 1)
        yield clients
        await stack.aclose()
        nursery.cancel_scope.cancel()


async def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait until it holds, looking often, and answer how long that took."""
    begin = trio.current_time()
    with trio.move_on_after(seconds):
        while not await trio.to_thread.run_sync(holds):  # noqa: ASYNC110 - of other processes
            await trio.sleep(LOOK_SECONDS)
        return trio.current_time() - begin
    raise AssertionError(f"waited {seconds} s in vain")
