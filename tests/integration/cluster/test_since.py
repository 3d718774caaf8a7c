"""A client that moves between nodes, also from one that was alone and died unheard."""

from __future__ import annotations

import signal
from random import Random
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.cli.watch.client import Client
from stockstream.cli.watch.nodes import Itinerary, parse_address
from stockstream.cli.watch.watching import Watching
from tests.support.nodes import public_nodes, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEAF_SECONDS = 5.0
"""A claim above the client's epoch, the fetch after it, and a busy machine. Without that claim
nothing above it would ever come."""


def epoch(state: Watching) -> int:
    """The highest that it has.

    Symbols differ in it: a price that two fetches tell alike is not sent again, and keeps the
    version that it had. So the next price that comes may be of a lower one.
    """
    return max((row.held.version[0] for row in state.rows.values() if row.held), default=0)


@pytest.mark.proves("N8", "N17", "T21")
async def test_who_comes_from_a_node_that_was_alone_and_died_is_not_deaf(tmp_path: Path) -> None:
    """Its epochs were above the cluster's, and nobody had heard of them but this client."""
    fast = {"FETCH_INTERVAL": "0.2", "FETCH_INTERVAL_IDLE": "0.2"}
    with public_nodes(tmp_path, fast) as (one, two):
        state = Watching((), everything=True)
        way = Itinerary([parse_address(node.url) for node in (two, one)], Random(1).random)
        client = Client(state, way)

        async def until_it_has(holds: Callable[[], bool], seconds: float) -> None:
            with trio.fail_after(seconds):
                while not holds():
                    await client.wait()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.run)
            await until_it_has(lambda: state.prices > 0, 10)
            await trio.to_thread.run_sync(two.wire.cut)
            await until(lambda: two.state == "alone", 10)
            await until(lambda: one.holds == 1, 10)
            claimed = epoch(state)
            await until_it_has(lambda: epoch(state) > claimed + 1_000, 15)
            await trio.to_thread.run_sync(two.stop, signal.SIGKILL)
            await until_it_has(lambda: state.url == one.url, 10)
            before = epoch(state)  # nothing comes from the dead any more
            await until_it_has(lambda: epoch(state) > before, DEAF_SECONDS)
            nursery.cancel_scope.cancel()
