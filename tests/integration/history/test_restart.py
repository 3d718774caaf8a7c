"""Over restarts of the whole: what was recorded is there, and later versions are higher."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.epochs import FILE, claim_epoch
from supervision import terminate_child
from tests.support.client import connected
from tests.support.history import all_ticks, drained
from tests.support.server import Server, running_server
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

HOUR_MS = 3_600_000


@pytest.mark.proves("W1", "H1", "H8")
async def test_a_clock_set_back_between_two_starts_does_not_lower_versions(
    cluster: Path, nursery: trio.Nursery
) -> None:
    """As if the first start had seen a clock an hour ahead: the second one's prices are newer to
    its clients, and both stand in the history.
    """
    ahead = claim_epoch(cluster) + HOUR_MS
    (cluster / FILE).write_text(f"{ahead}\n")
    epochs = []
    for life in (1, 2):
        async with running_tree(data_directory=cluster, database_url=None) as tree:
            async with connected(tree.websocket_url, nursery) as client:
                await client.send(action="subscribe", symbols=["AAPL"])
                await client.message("prices", 2)
                epochs.append(client.versions["AAPL"][0])
            await terminate_child(tree.system.ref("market"), "streamer")
            await drained(tree)
            stored = await all_ticks(tree)
        assert sorted({epoch for _, epoch, *_ in stored}) == [ahead + 1, ahead + 2][:life]
    assert epochs == [ahead + 1, ahead + 2]


@pytest.mark.proves("W1", "H10")
async def test_without_a_database_versions_rise_all_the_same(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """The epoch stands in a file: no start waits for a server."""
    ahead = claim_epoch(tmp_path) + HOUR_MS
    (tmp_path / FILE).write_text(f"{ahead}\n")
    async with (
        running_tree(data_directory=tmp_path) as tree,
        connected(tree.websocket_url, nursery) as client,
    ):
        await client.send(action="subscribe", symbols=["AAPL"])
        await client.message("prices")
        assert client.versions["AAPL"][0] == ahead + 1


async def ticks_of(server: Server) -> set[tuple[int, int]]:
    """Versions of a symbol's ticks, once the history can be asked."""
    with trio.fail_after(30):
        while True:
            answer = await server.get("/api/v1/ticks/AAPL?limit=1000")
            if answer.status_code == 200:
                return {tuple(tick["version"]) for tick in answer.json()["ticks"]}
            await trio.sleep(0.05)


@pytest.mark.proves("C20", "H1", "H8")
async def test_history_is_intact_after_sigkill_of_the_whole_process(
    tmp_path: Path, cluster: Path, nursery: trio.Nursery
) -> None:
    """What was published a second before is there after the next start, and clients are back; the
    database server, which ended with the process, is started again on the same data.
    """
    settings = {
        "STOCK_API_URL": "sim://?symbols=6&interval=0.1&seed=7",
        "DATABASE_URL": "",
        "DATA_DIRECTORY": str(cluster),
    }
    async with running_server(tmp_path, settings) as server:
        async with connected(server.websocket_url, nursery) as client:
            await client.send(action="subscribe", symbols=["AAPL"])
            await ticks_of(server)
            await client.message("prices", 10)
            seen = {
                tuple(quote["version"])
                for message in client.messages
                for quote in message.get("prices", [])
            }
            await trio.sleep(1)
            await server.stop(signal.SIGKILL)
        await server.start(nursery)
        with trio.fail_after(30):
            while not seen <= await ticks_of(server):  # noqa: ASYNC110 - spooled ones come last
                await trio.sleep(0.05)
        async with connected(server.websocket_url, nursery) as client:
            await client.send(action="subscribe", symbols=["AAPL"])
            await client.message("prices")
            assert client.versions["AAPL"] > max(seen)
        assert await server.stop() == 0  # in order: its socket's folder is gone
