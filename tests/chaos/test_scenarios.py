"""Whole scenarios against a really started server: outages, escalation, shutdown, many kills.

`make test` kills some fifty times beside watching clients, `make chaos` (CHAOS_FULL=1) two hundred.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.chaos.drill import Drill, watched
from stockstream.chaos.monkey import unleash
from stockstream.chaos.node import Node, Refused, Unreachable
from stockstream.chaos.report import ExitCode
from stockstream.chaos.watchers import Watchers
from stockstream.delivery.flush_book import FlushBook
from tests.chaos.support import chosen_seed
from tests.support.client import Client, connected
from tests.support.server import TOKEN, Server, free_port, running_server
from tests.support.stopwatch import Stopwatch
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from stockstream.chaos.targets import Target
    from stockstream.delivery.flush_book import Pieces
    from stockstream.quotes import Symbol
    from tests.support.dashboards import Dashboard

pytestmark = pytest.mark.chaos

FULL = bool(os.environ.get("CHAOS_FULL"))
KILLING_SECONDS, KILLS_PER_SECOND = (20, 10) if FULL else (5, 10)
CHAOS = {"CHAOS_ENABLED": "true"}
SIMULATED = {**CHAOS, "STOCK_API_URL": "sim://?symbols=6&interval=0.1&seed=7"}
WAIT, LONGEST_WAIT, INTERVAL = 1.0, 1.5, 0.2


async def target(node: Node, path: str) -> Target:
    return next(found for found in await node.targets() if found.path == path)


@pytest.mark.alone
@pytest.mark.proves("C17")
async def test_an_outage_upstream_is_told_and_passes(tmp_path: Path, nursery: trio.Nursery) -> None:
    """The breaker opens, clients are told and keep their prices, and all comes back in time."""
    settings = {
        **CHAOS,
        "STUB_PORT": str(free_port()),
        "FETCH_INTERVAL": str(INTERVAL),
        "BREAKER_WAIT": str(WAIT),
        "BREAKER_MAX_WAIT": str(LONGEST_WAIT),
    }
    async with (
        running_server(tmp_path, settings) as server,
        Node(server.url, TOKEN) as node,
        connected(server.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["*"])
        await me.wait_for(lambda: len(me.prices) == 6)
        await node.inject("upstream-errors", "", {"seconds": 60.0})
        await me.wait_for(lambda: me.status.get("circuit") == "open")
        assert me.status["next_probe"] > me.status.get("server_time", "")
        await me.wait_for(lambda: me.status["feed"] == "stale")
        known = dict(me.prices)
        assert len(known) == 6
        assert await node.halt() == 1
        recovered_from = Stopwatch(of=(server.pid,))
        await me.wait_for(lambda: me.status["circuit"] == "closed")
        # Two probes, an interval apart, decide; the wait before the first is at most the longest.
        assert recovered_from.until() <= LONGEST_WAIT + 3 * INTERVAL + 0.5
        await me.wait_for(lambda: me.status["feed"] == "live")
        await me.wait_for(lambda: me.prices != known)


async def kill_beyond_budget(node: Node, path: str) -> None:
    """Kill an actor until its supervisor has given up."""
    parent = path.rpartition("/")[0] or "root"
    generation = (await target(node, parent)).generation
    for _ in range(150):
        try:
            await node.inject("kill", path, allow_escalation=True)
            if (await target(node, parent)).generation > generation:
                return
        except (Refused, Unreachable, StopIteration, RuntimeError):
            if parent == "root":
                return
            continue
    raise AssertionError(f"{parent} never gave up")


@pytest.mark.proves("C19")
async def test_a_supervisor_that_gives_up_is_replaced_with_its_children(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """101 deaths of the streamer end `market`; the root starts it again, and prices go on."""
    async with (
        running_server(tmp_path, SIMULATED) as server,
        Node(server.url, TOKEN) as node,
        connected(server.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols=["AAPL"])
        await me.message("prices")
        await kill_beyond_budget(node, "market/streamer")
        now = trio.current_time()
        await me.wait_for(lambda: me.price_times["AAPL"] > now)
        assert me.closed is None
        assert (await target(node, "market")).generation == 2
        assert (await target(node, "delivery")).generation == 1
        assert "gives up" in server.text


@pytest.mark.proves("C19")
async def test_the_process_ends_non_zero_only_when_the_root_gives_up(tmp_path: Path) -> None:
    """101 deaths of a child of the root: exit 1, and the log names who caused it."""
    async with running_server(tmp_path, SIMULATED) as server:
        async with Node(server.url, TOKEN) as node:
            await kill_beyond_budget(node, "pubsub")
        assert server.process is not None
        with trio.fail_after(15):
            assert await server.process.wait() == 1
        assert "supervisor root gives up: pubsub" in server.text


async def two_hundred_clients(
    server: Server, dashboard: Dashboard, stack: AsyncExitStack, nursery: trio.Nursery
) -> list[Client]:
    await dashboard.let_in(server.url)
    clients = []
    for number in range(190):
        client = await stack.enter_async_context(
            connected(server.websocket_url, nursery, dashboard.headers(number))
        )
        await client.send(action="subscribe", symbols=["*"] if number % 3 else ["AAPL"])
        clients.append(client)
    return clients


@pytest.mark.alone
@pytest.mark.proves("C20")
async def test_sigterm_under_load_says_goodbye_to_everyone(
    tmp_path: Path, dashboard: Dashboard, nursery: trio.Nursery
) -> None:
    """All get `going_away` and 1012, exit 0, within 10 s."""
    settings = SIMULATED | dashboard.environment
    async with running_server(tmp_path, settings) as server, AsyncExitStack() as stack:
        clients = await two_hundred_clients(server, dashboard, stack, nursery)
        for client in clients:
            await client.message("prices", seconds=20)
        began = trio.current_time()
        assert await server.stop(signal.SIGTERM) == 0
        assert trio.current_time() - began <= 10
        for client in clients:
            assert await client.wait_closed() == (1012, "the server restarts")
            assert client.counts["going_away"] == 1
        spread = {client.messages[-1]["reconnect_after"] for client in clients}
        assert len(spread) > 10


@pytest.mark.proves("C20")
async def test_after_sigkill_a_new_start_serves_the_same_clients(
    tmp_path: Path, dashboard: Dashboard, nursery: trio.Nursery
) -> None:
    """The port is free again at once, and versions go on rising over the restart."""
    async with running_server(tmp_path, SIMULATED | dashboard.environment) as server:
        await dashboard.let_in(server.url)
        last = []
        async with AsyncExitStack() as stack:
            clients = await a_token_and_a_session(server, dashboard, stack, nursery)
            for me in clients:
                await me.send(action="subscribe", symbols=["AAPL"])
                await me.message("prices", 3)
            await server.stop(signal.SIGKILL)
            for me in clients:
                await me.wait_closed()
                last.append(me.versions["AAPL"])
        await server.start(nursery)
        async with AsyncExitStack() as stack:
            clients = await a_token_and_a_session(server, dashboard, stack, nursery)
            for me, seen in zip(clients, last, strict=True):
                await me.send(action="subscribe", symbols=["AAPL"], since={"AAPL": list(seen)})
                await me.message("prices")
                assert me.versions["AAPL"] > seen


async def a_token_and_a_session(
    server: Server, dashboard: Dashboard, stack: AsyncExitStack, nursery: trio.Nursery
) -> list[Client]:
    """Two clients, who come in by the one and the other where a login is taken."""
    shown = [dashboard.headers(number) for number in range(2)]
    return [
        await stack.enter_async_context(connected(server.websocket_url, nursery, headers))
        for headers in shown
    ]


@pytest.mark.proves("C15")
async def test_memory_and_files_come_back_after_many_kills(
    tmp_path: Path, dashboard: Dashboard, nursery: trio.Nursery
) -> None:
    """Within 10 %, with clients connected all the while; no socket or file stays open."""
    rng = random.Random(chosen_seed())
    mortal = ["market/streamer", "market/feeds/sim/circuit_breaker", "market/feeds/sim/feed",
              "delivery/broadcaster", "delivery/subscription_manager", "pubsub",
              "telemetry", *(["users/doorkeeper"] if dashboard.takes_login else [])]  # fmt: skip

    async def kill(node: Node, times: int) -> None:
        for _ in range(times):
            sessions = [t.path for t in await node.targets() if t.actor == "Session"]
            path = rng.choice(mortal) if rng.random() < 0.3 else rng.choice(sessions)
            try:
                await node.inject("kill", path)
            except Refused as refused:  # no budget now: a session dies instead
                if refused.code not in {"would_escalate", "no_such_target"}:
                    raise
                await node.inject("kill", rng.choice(sessions))

    async with (
        running_server(tmp_path, SIMULATED | dashboard.environment, covered=False) as server,
        AsyncExitStack() as stack,
    ):
        await dashboard.let_in(server.url)
        node = await stack.enter_async_context(Node(server.url, dashboard.token))
        for number in range(10):
            client = await stack.enter_async_context(
                connected(server.websocket_url, nursery, dashboard.headers(number))
            )
            await client.send(action="subscribe", symbols=["*"])
        await kill(node, 200)
        before = server.memory_kb(), server.open_files()
        await kill(node, 1_000 if FULL else 400)
        after = server.memory_kb(), server.open_files()
        assert after[0] <= before[0] * 1.1
        assert after[1] <= before[1] + 2


@pytest.mark.alone
@pytest.mark.proves("C12", "C13", "C14")
async def test_ten_kills_a_second(tmp_path: Path, dashboard: Dashboard) -> None:
    """After each, every watching client has a fresh price in time (so the p99 has, too)."""
    async with AsyncExitStack() as stack:
        settings = SIMULATED | dashboard.environment
        server = await stack.enter_async_context(running_server(tmp_path, settings))
        await dashboard.let_in(server.url)
        node = await stack.enter_async_context(Node(server.url, dashboard.token))
        seed = chosen_seed()
        drill = Drill(node, Watchers(10), "ten kills a second", print, seed=seed)
        async with watched(drill):
            await drill.settle()
            rng = random.Random(seed)
            seconds, rate = KILLING_SECONDS, KILLS_PER_SECOND
            await unleash([drill], rng, seconds=seconds, rate=rate, deny=[])
        report = drill.report()
        assert report.exit_code == ExitCode.HELD, report
        made = len(report.strikes) + len(report.skipped)
        assert made >= KILLING_SECONDS * KILLS_PER_SECOND


async def drilled(url: str, path: str, times: int = 15) -> dict[str, bool]:
    """Which invariants held while `path` was killed so many times."""
    async with Node(url, TOKEN) as node:
        drill = Drill(node, Watchers(3), "a broken build", print)
        async with watched(drill):
            await drill.settle()
            for _ in range(times):
                await drill.strike("kill", await target(node, path))
        return {verdict.name: verdict.held for verdict in drill.report().verdicts}


@pytest.mark.proves("C13")
async def test_a_build_that_reorders_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check can fail: a broadcaster that repeats an older frame breaks the verdict."""
    honest = FlushBook.prices
    sent: list[Pieces] = []

    def reordering(book: FlushBook, symbols: Iterable[Symbol]) -> Pieces:
        chosen = list(symbols)
        pieces = honest(book, chosen)
        if not chosen:
            return pieces  # a sign of life, in which nothing can be out of order
        sent.append(pieces)
        return sent[-4] if len(sent) % 5 == 0 else pieces

    async with running_tree(chaos_enabled=True, admin_token=TOKEN) as tree:
        # How soon prices come (C14) is not judged: a busy machine may be late without any fault.
        before = await drilled(tree.url, "market/streamer", 2)
        assert before["versions only rise (C13)"] is True
        monkeypatch.setattr(FlushBook, "prices", reordering)
        held = await drilled(tree.url, "market/streamer")
    assert held["versions only rise (C13)"] is False
    assert held["no client is disconnected (C12)"] is True


@pytest.mark.proves("C12", "C14")
async def test_a_build_that_loses_its_clients_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flush book that takes in nothing any more: prices stop, and it is said."""
    async with (
        running_tree(chaos_enabled=True, admin_token=TOKEN) as tree,
        Node(tree.url, TOKEN) as node,
    ):
        drill = Drill(node, Watchers(3), "a broken build", print)
        async with watched(drill):
            await drill.settle()
            monkeypatch.setattr(FlushBook, "note", lambda _book, _rows: None)
            # What was on its way already must not pass for a fresh price after the blow.
            while any(await drill.watchers.all_fresh_after(trio.current_time(), 0.5)):
                pass
            await drill.strike("kill", await target(node, "delivery/broadcaster"))
        held = {verdict.name: verdict.held for verdict in drill.report().verdicts}
    assert held["fresh prices in time (C14)"] is False
