"""Over restarts of the whole: what was recorded is there, and later versions are higher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stockstream.epochs import FILE, claim_epoch
from supervision import terminate_child
from tests.support.client import connected
from tests.support.history import all_ticks, drained
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

    import trio

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
