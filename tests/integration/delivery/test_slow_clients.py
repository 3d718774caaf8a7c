"""Clients that read slowly, not at all, or have vanished; and what that is to the others."""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import application
from stockstream.delivery.lanes import Patience
from supervision import inject_fault
from tests.integration.delivery.raw import needs_vanishing, raw_client, vanish
from tests.integration.delivery.upstream import fed_by
from tests.integration.web.support import CLOSE, PING, TEXT
from tests.support.client import connected
from tests.support.server import running_server
from tests.support.stopwatch import Stopwatch
from tests.support.tree import running_tree
from web import actor

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.delivery.lanes import Connections
    from tests.integration.delivery.upstream import PriceApi
    from tests.integration.web.support import RawClient
    from tests.support.tree import Tree

LOUD = "sim://?symbols=1000&interval=0.05&seed=7"
"""A market whose every flush is a frame of some 90 KB."""
MURMURING = "sim://?symbols=200&interval=0.05&seed=7"
SMALL_BUFFER = 4096


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow after 0.3 s of lag, too slow after 1 s."""
    patience = partial(Patience, slow=0.3, too_slow=1.0)
    monkeypatch.setattr(application, "Patience", patience)


def port(tree: Tree) -> int:
    return int(tree.addresses.sockets[0].getsockname()[1])


def connections_of(tree: Tree) -> Connections:
    return tree.system.names["web"].actor._connections


def sessions(tree: Tree) -> int:
    return sum(path.startswith("delivery/sessions/") for path in tree.system.names)


async def subscribe_to_all(client: RawClient) -> None:
    """Subscribe, and read as far as the answer: then the session and all else are there."""
    await client.text('{"action":"subscribe","symbols":"*"}')
    while b'"subscriptions"' not in (await client.frame())[1]:
        pass


@pytest.mark.proves("W16", "W7", "D2", "D4")
async def test_a_client_that_pauses_gets_fewer_and_newer_updates(nursery: trio.Nursery) -> None:
    """Its versions rise, with gaps; no more waited for it than a few frames' worth."""
    async with (
        running_tree(stock_api_url=LOUD) as tree,
        connected(tree.websocket_url, nursery) as other,
        raw_client(port(tree), receive_buffer=SMALL_BUFFER) as client,
    ):
        await other.send(action="subscribe", symbols=["AAPL"])
        await subscribe_to_all(client)
        seen = other.counts["prices"]
        await other.message("prices", seen + 30)  # 30 flushes, while the client does not read
        assert sum(lane.behind_since is not None for lane in connections_of(tree).lanes()) == 1
        _, newest = other.versions["AAPL"]
        seqs: list[int] = []
        while not seqs or seqs[-1] < newest:
            opcode, payload = await client.frame()
            if opcode != TEXT:
                assert opcode == PING, payload
                continue
            message = json.loads(payload)
            quotes = message.get("quotes", []) + message.get("prices", [])
            seqs += [quote["version"][1] for quote in quotes if quote["symbol"] == "AAPL"]
        assert seqs == sorted(set(seqs))
        assert len(seqs) < 15, "updates waited in a queue"


@pytest.mark.proves("W16", "D2", "D6")
async def test_a_client_that_never_reads_is_reset(impatient: None, nursery: trio.Nursery) -> None:
    """Marked slow, then cut off with its session; others get their prices as before."""
    async with (
        running_tree(stock_api_url=LOUD, heartbeat=0.2, heartbeat_timeout=0.3) as tree,
        connected(tree.websocket_url, nursery) as other,
    ):
        await other.send(action="subscribe", symbols=["AAPL"])
        await other.message("prices", 3)
        watch = Stopwatch()
        async with raw_client(port(tree), receive_buffer=SMALL_BUFFER) as client:
            await subscribe_to_all(client)
            before = other.counts["prices"]
            await tree.until(lambda: sessions(tree) == 1)
            assert other.counts["prices"] - before >= watch.until() / 0.05 * 0.5
            assert trio.current_time() - watch.at >= 1.0
            assert watch.until() < 6
            assert connections_of(tree).counts.gone == 1
            with suppress(trio.BrokenResourceError):
                await client.ended()


@pytest.mark.proves("W16", "W14")
async def test_a_client_that_reads_too_slowly_is_told_so(
    impatient: None, nursery: trio.Nursery
) -> None:
    """It gets 4008, once it reads on: a frame took it longer than a second."""
    async with (
        running_tree(stock_api_url=MURMURING, heartbeat=0.2, heartbeat_timeout=60) as tree,
        raw_client(port(tree), receive_buffer=SMALL_BUFFER) as client,
    ):
        await subscribe_to_all(client)
        (lane,) = connections_of(tree).lanes()
        slow = False
        with trio.fail_after(20):
            while not lane.client.closed:
                await client.more(256)
                await trio.sleep(0.05)
                slow = slow or lane.slow
        opcode, payload = await client.frame()
        while opcode != CLOSE:
            opcode, payload = await client.frame()
        assert (int.from_bytes(payload[:2], "big"), payload[2:]) == (4008, b"you read too slowly")
        assert slow


@needs_vanishing
@pytest.mark.proves("W17")
async def test_a_vanished_client_is_gone_though_prices_flow_to_it(
    monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """The kernel goes on taking frames for it; what counts is that nobody acknowledges them."""
    monkeypatch.setattr(actor, "UNACKNOWLEDGED_SECONDS", 1.0)
    async with running_tree() as tree, raw_client(port(tree)) as client:
        await subscribe_to_all(client)
        vanish(client)
        await tree.until(lambda: sessions(tree) == 0)
        await _nothing_is_left(tree)
        assert tree.system.names["web"].actor._server.statistics().timed_out == 1


@needs_vanishing
@pytest.mark.proves("W17", "W9")
async def test_a_vanished_client_is_gone_though_nothing_is_said_to_it(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """It does not answer the ping."""
    price_api.stop()
    async with (
        fed_by(price_api, heartbeat=0.5, heartbeat_timeout=0.5) as tree,
        raw_client(port(tree)) as client,
    ):
        await subscribe_to_all(client)
        vanish(client)
        await tree.until(lambda: sessions(tree) == 0)
        await _nothing_is_left(tree)


async def _nothing_is_left(tree: Tree) -> None:
    manager = tree.system.names["delivery/subscription_manager"].actor
    assert connections_of(tree).lanes() == []
    with trio.fail_after(10):
        while len(manager._tables.subscriptions):
            await trio.testing.wait_all_tasks_blocked(0.01)


@pytest.mark.proves("W9")
async def test_a_client_that_sends_nothing_but_pongs_stays(
    price_api: PriceApi, nursery: trio.Nursery
) -> None:
    """For many heartbeats, without a word on either side."""
    price_api.stop()
    async with (
        fed_by(price_api, heartbeat=0.05, heartbeat_timeout=0.05) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.message("status")
        with trio.move_on_after(3.5):
            await me.wait_closed(10)
        assert me.closed is None
        assert connections_of(tree).counts.gone == 0


@pytest.mark.proves("W16", "W9")
async def test_a_client_is_not_slow_while_the_server_is(
    impatient: None, nursery: trio.Nursery
) -> None:
    """Its pongs lie behind messages that nobody serves: that is no lag of its own."""
    async with (
        running_tree(heartbeat=0.2, heartbeat_timeout=0.3) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.message("status")
        (session,) = [path for path in tree.system.names if path.startswith("delivery/sessions/")]
        inject_fault(tree.system, session, seconds=2.0, delay=None)
        for number in range(5):
            await me.send(action="ping", id=number)
        await me.wait_for(lambda: me.messages_with_id(4) != [])
        assert me.closed is None


@pytest.mark.proves("D5", "W16")
async def test_memory_is_bounded_for_clients_that_only_send(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """64 KiB messages without pause, 1,000 symbols by name, nothing read: at most 256 KiB each.

    One message on its way in, and what is held for the answer.
    """
    clients = 40
    settings = {"STOCK_API_URL": LOUD, "HEARTBEAT": "600", "MESSAGE_RATE": "1000"}
    async with (
        running_server(tmp_path, settings, covered=False) as server,
        trio.open_nursery() as senders,
    ):
        names = [f"S{number:04d}" for number in range(7, 1001)]
        subscribe = {"action": "subscribe", "symbols": names, "since": {n: [0, 0] for n in names}}
        text = json.dumps(subscribe)
        text += " " * (65_536 - len(text))
        async with connected(server.websocket_url, nursery) as warm:
            await warm.send(action="subscribe", symbols="*")
            await warm.message("prices", 20)
        before = server.memory_kb()

        async def send_only(task_status: trio.TaskStatus[None]) -> None:
            async with raw_client(server.port, receive_buffer=SMALL_BUFFER) as client:
                for number in range(1000):
                    await client.text(text)
                    if number == 0:
                        task_status.started()

        for _ in range(clients):
            await senders.start(send_only)
        async with connected(server.websocket_url, nursery) as witness:
            await witness.send(action="subscribe", symbols=["AAPL"])
            await witness.message("prices", 80)
        grown = server.memory_kb() - before
        print(f"{grown / clients:.0f} KiB for each of {clients} clients")
        assert grown <= 256 * clients
        senders.cancel_scope.cancel()
