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
    from pathlib import Path

DEAF_SECONDS = 5.0
"""A claim above the client's epoch, the fetch after it, and a busy machine; the clock would take
longer to get there."""


def epoch(state: Watching) -> int:
    """The highest that it has."""
    return max((row.held.version[0] for row in state.rows.values() if row.held), default=0)


@pytest.mark.proves("N8", "N17", "T21")
async def test_who_comes_from_a_node_that_was_alone_and_died_is_not_deaf(tmp_path: Path) -> None:
    """Its epochs were above the cluster's, and nobody had heard of them but this client."""
    fast = {"FETCH_INTERVAL": "0.2", "FETCH_INTERVAL_IDLE": "0.2"}
    with public_nodes(tmp_path, fast) as (one, two):
        state = Watching((), everything=True)
        way = Itinerary([parse_address(node.url) for node in (two, one)], Random(1).random)
        client = Client(state, way)

        async def next_price(seconds: float) -> float:
            begin, before = trio.current_time(), state.prices
            with trio.fail_after(seconds):
                while state.prices == before:
                    await client.wait()
            return trio.current_time() - begin

        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.run)
            await next_price(10)
            await trio.to_thread.run_sync(two.wire.cut)
            await until(lambda: two.state == "alone", 10)
            await until(lambda: one.holds == 1, 10)
            claimed = epoch(state)
            with trio.fail_after(10):
                while epoch(state) <= claimed + 1_000:
                    await next_price(5)
            before = epoch(state)
            await trio.to_thread.run_sync(two.stop, signal.SIGKILL)
            with trio.fail_after(10):
                while state.url != one.url:
                    await client.wait()
            await next_price(DEAF_SECONDS)
            assert epoch(state) > before
            nursery.cancel_scope.cancel()
