"""Three real nodes and what clients of each see: nothing breaks here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.nodes import running_nodes, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.nodes import Nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes."""
    with running_nodes(tmp_path_factory.mktemp("nodes")) as started:
        yield started


@pytest.mark.proves("N3", "N4", "N12")
async def test_one_node_asks_once_an_interval_and_all_clients_have_the_same(nodes: Nodes) -> None:
    """The stub counts the requests; the versions on all nodes are the same ones."""
    await nodes.settle()
    async with watched(list(nodes)) as clients:
        begin, before = trio.current_time(), nodes.requests()
        await trio.sleep(4)
        end, asked = trio.current_time(), nodes.requests() - before
        assert (end - begin) * 0.9 - 1 <= asked <= (end - begin) / 0.9 + 1
        for client in clients:
            assert client.longest_pause(begin, end) < 1.3
        await trio.sleep(0.3)
        versions = [client.versions for client in clients]
        assert versions[0] == versions[1] == versions[2]
        assert len(versions[0]) > 1
