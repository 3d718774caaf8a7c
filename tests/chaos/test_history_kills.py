"""What was published is in the database once, whatever was killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.history.embedded import Layout, postmaster
from stockstream.tables import Batch, Outbox
from supervision import terminate_child
from tests.support.client import connected
from tests.support.history import all_ticks, candle_faults, drained
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = pytest.mark.chaos

MARKET = "sim://?symbols=250&interval=0.05&seed=7"
"""5,000 ticks a second."""
FETCH_SECONDS = 0.05
RECORDER_KILLS, GATEWAY_KILLS, SERVER_KILLS = 200, 100, 10


@pytest.fixture
def seed() -> int:
    """A seed, printed when the test fails; CHAOS_SEED repeats one."""
    chosen = int(os.environ.get("CHAOS_SEED", random.randrange(2**32)))
    print(f"CHAOS_SEED={chosen}")
    return chosen


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Batch]:
    """All batches that are published, as they are."""
    found: list[Batch] = []
    append = Outbox.append

    def witnessed(outbox: Outbox, rows: Sequence[object]) -> Batch:
        batch = append(outbox, rows)
        if outbox._acknowledges.writer == paths.RECORDER:  # the alerts have one of their own
            found.append(batch)
        return batch

    monkeypatch.setattr(Outbox, "append", witnessed)
    return found


def rows_of(batches: list[Batch]) -> list[tuple[object, ...]]:
    """Symbol, epoch, seq, price, time and exchange of each tick, sorted."""
    quotes = [row.quote for batch in batches for row in batch.rows]
    return sorted(
        (q.symbol, q.version.epoch, q.version.seq, q.price, q.timestamp, q.exchange) for q in quotes
    )


async def kill_server(tree: Tree) -> None:
    """SIGKILL PostgreSQL; wait for one to be there to be killed."""
    layout = Layout(tree.settings.data_directory)
    with trio.fail_after(30):
        while (process := postmaster(layout)) is None:  # noqa: ASYNC110 - a file tells
            await trio.sleep(0.01)
    os.kill(process, signal.SIGKILL)


@pytest.mark.proves("H7", "H8", "H10", "H18", "C12", "C13", "C16")
async def test_nothing_is_lost_and_nothing_is_there_twice(
    seed: int, published: list[Batch], cluster: Path, nursery: trio.Nursery
) -> None:
    """200 kills of the recorder, 100 of the gateway, 10 of PostgreSQL, at 5,000 ticks a second."""
    rng = random.Random(seed)
    blows = ["recorder"] * RECORDER_KILLS + ["database"] * GATEWAY_KILLS
    blows += ["server"] * SERVER_KILLS
    rng.shuffle(blows)
    async with running_tree(
        stock_api_url=MARKET, database_url=None, data_directory=cluster
    ) as tree:
        async with connected(tree.websocket_url, nursery) as client:
            await client.send(action="subscribe", symbols=["*"], id=1)
            await client.message("prices")
            gaps, last = [], trio.current_time()
            for blow in blows:
                if blow == "server":
                    await kill_server(tree)
                else:
                    tree.system.ref(f"history/{blow}").kill()
                await trio.sleep(rng.uniform(0, 0.1))
                now = max(client.price_times.values())
                gaps.append(now - last)
                last = now
            assert client.closed is None
        await terminate_child(tree.system.ref("market"), "streamer")
        await drained(tree)
        stored = await all_ticks(tree)
        assert stored == rows_of(published)
        assert await candle_faults(tree, published) == []
