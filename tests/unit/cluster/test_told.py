"""The cluster as a document: what a node says of itself and of the others. Virtual time."""

from __future__ import annotations

import msgspec
import pytest
import trio

from stockstream.cluster.told import ClusterDocument, cluster_document
from stockstream.statuses import NodeState
from stockstream.tables import Tables
from tests.unit.cluster.nodes import running_nodes


def test_a_single_node_has_none() -> None:
    """Its tables of the cluster are empty."""
    assert cluster_document(Tables()) is None


@pytest.mark.proves("N2")
async def test_it_names_the_members_and_who_fetches_what(autojump_clock) -> None:
    """All nodes tell the same of the shards; nothing is wrong."""
    async with running_nodes("a", "b", "c", parts=12) as (_, *nodes):
        documents = [cluster_document(node.tables) for node in nodes]
    first, *others = documents
    assert isinstance(first, ClusterDocument)
    assert first.state is NodeState.READY
    assert [member.node for member in first.members] == ["a", "b", "c"]
    fetched = [name for member in first.members for name in member.fetches]
    assert sorted(fetched) == sorted(shard.shard for shard in first.shards)
    assert [shard.shard for shard in first.shards] == [f"api/{part}" for part in range(12)]
    assert all(document is not None and document.shards == first.shards for document in others)
    assert first.troubles == []
    assert msgspec.json.decode(msgspec.json.encode(first), type=ClusterDocument) == first


@pytest.mark.proves("N8")
async def test_a_node_that_is_cut_off_says_that_it_is_alone(autojump_clock) -> None:
    """With what it fetches for its own clients; the others miss it."""
    async with running_nodes("a", "b") as (_, *nodes):
        nodes[0].cut_off()
        await trio.sleep(5)
        alone, other = (cluster_document(node.tables) for node in nodes)
    assert alone is not None
    assert other is not None
    assert alone.state is NodeState.ALONE
    assert "a is alone" in alone.troubles
    assert [member.node for member in other.members] == ["b"]
    assert other.troubles == []
