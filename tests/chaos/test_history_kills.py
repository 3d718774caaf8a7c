"""What was published is in the database once, whatever was killed meanwhile.

`make test` kills sixty times, `make chaos` (CHAOS_FULL=1) as often as the design says.
"""

from __future__ import annotations

import os
import random
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.database.embedded.files import Layout, is_ready, postmaster
from supervision import terminate_child
from tests.chaos.support import pause
from tests.support.client import Client, connected
from tests.support.history import all_ticks, candle_faults, drained
from tests.support.stopwatch import Stopwatch
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.tables import Batch
    from tests.support.dashboards import Dashboard

pytestmark = [pytest.mark.chaos, pytest.mark.alone]

MARKET = "sim://?symbols=250&interval=0.05&seed=7"
"""5,000 ticks a second."""
RECOVERY_SECONDS = 0.05 + 0.25
FULL = bool(os.environ.get("CHAOS_FULL"))
SERVER = "server"
KILLS = (
    {paths.RECORDER: 200, paths.DATABASE: 100, SERVER: 10}
    if FULL
    else {paths.RECORDER: 40, paths.DATABASE: 20, SERVER: 3}
)
LONGEST_REST_SECONDS = 0.3 if FULL else 0.1


def rows_of(batches: list[Batch]) -> list[tuple[object, ...]]:
    """Symbol, epoch, seq, price, time and exchange of each tick, sorted."""
    quotes = [row.quote for batch in batches for row in batch.rows]
    return sorted(
        (q.symbol, q.version.epoch, q.version.seq, q.price, q.timestamp, q.exchange) for q in quotes
    )


async def kill(tree: Tree, victim: str) -> Stopwatch:
    """Kill an actor, or PostgreSQL with SIGKILL, once it is there; the time since then."""
    layout = Layout(tree.settings.data_directory)

    def there() -> bool:
        if victim == SERVER:
            return postmaster(layout) is not None and is_ready(layout)
        return tree.system.ref(victim).alive

    with trio.fail_after(30):
        while not there():  # noqa: ASYNC110 - of a server, a file tells
            await trio.sleep(0.005)
    if victim == SERVER:
        process = postmaster(layout)
        assert process is not None
        os.kill(process, signal.SIGKILL)
    else:
        assert tree.system.ref(victim).kill()
    return Stopwatch()


async def watching(
    tree: Tree, dashboard: Dashboard, stack: AsyncExitStack, nursery: trio.Nursery
) -> list[Client]:
    """A client that wants all, and two that want a little; each has prices."""
    await dashboard.let_in(tree)
    clients = []
    for number, symbols in enumerate((["*"], ["AAPL", "MSFT"], ["TSLA"])):
        client = await stack.enter_async_context(
            connected(tree.websocket_url, nursery, dashboard.headers(number))
        )
        await client.send(action="subscribe", symbols=symbols, id=number)
        await client.message("prices")
        clients.append(client)
    return clients


@pytest.mark.proves("H7", "H8", "H10", "C12", "C13", "C14", "C16")
async def test_nothing_is_lost_and_nothing_is_there_twice(
    seed: int,
    published: list[Batch],
    cluster: Path,
    dashboard: Dashboard,
    nursery: trio.Nursery,
) -> None:
    """Kills of the recorder, the gateway and PostgreSQL in random order, at 5,000 ticks a second:
    the database has exactly what was published, and clients notice nothing.
    """
    rng = random.Random(seed)
    victims = [victim for victim, times in KILLS.items() for _ in range(times)]
    rng.shuffle(victims)
    pauses: list[float] = []
    embedded = {"database_url": None, "data_directory": cluster}
    async with running_tree(stock_api_url=MARKET, **dashboard.settings | embedded) as tree:
        async with AsyncExitStack() as stack:
            clients = await watching(tree, dashboard, stack, nursery)
            began = Stopwatch()
            for victim in victims:
                killed = await kill(tree, victim)
                pauses += [await pause(client, killed) for client in clients]
                await trio.sleep(rng.uniform(0, LONGEST_REST_SECONDS))
            seconds = began.until()
            assert [client.closed for client in clients] == [None] * len(clients)
        await terminate_child(tree.system.ref("market"), "streamer")
        await drained(tree)
        stored = await all_ticks(tree)
        assert stored == rows_of(published)
        assert await candle_faults(tree, published) == []
    ordered = sorted(pauses)
    figures = {
        "ticks": len(stored),
        "per_second": round(len(stored) / seconds),
        "pause_p50": round(ordered[len(ordered) // 2], 3),
        "pause_p99": round(ordered[len(ordered) * 99 // 100], 3),
        "pause_max": round(ordered[-1], 3),
    }
    print(figures)
    assert figures["per_second"] > 2_500, "the market did not bring what it was to"
    assert figures["pause_p99"] <= RECOVERY_SECONDS
