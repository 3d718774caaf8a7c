"""What pages and clients are told of the other nodes of a cluster."""

from __future__ import annotations

import pytest

from stockstream.shards import NodeId
from stockstream.statuses import Member, Members, NodeState
from stockstream.times import Moment
from web.nodes import other_nodes, socket_sources
from web.security import content_security_policy


def member(name: str, url: str | None, *, ready: bool = True, boot: int = 1) -> Member:
    heard = Moment(0.0)
    return Member(NodeId(name, boot), ready, frozenset(), heard, "1", None, url, 0.0, 0)


def cluster(*members: Member) -> Members:
    return Members(NodeId("a", 1), NodeState.READY, members, {}, None, None)


@pytest.mark.proves("N18")
def test_clients_are_told_of_the_others_that_are_ready_and_have_an_address() -> None:
    """Each time in another order; a single node has none."""
    there = cluster(
        member("a", "http://a"), member("b", "http://b"), member("c", "https://c/stocks"),
        member("d", "http://d", ready=False), member("e", None), member("a", "http://old", boot=0),
    )  # fmt: skip
    told = [other_nodes(there) for _ in range(60)]
    assert {frozenset(one) for one in told} == {
        frozenset({"http://b", "https://c/stocks", "http://old"})
    }
    assert len({one[0] for one in told}) == 3
    assert other_nodes(None) == []
    assert other_nodes(cluster(member("a", "http://a"))) == []


def test_the_address_of_a_balancer_before_all_nodes_is_no_other_place_to_go_to() -> None:
    """Each of them has it in `PUBLIC_URL`, for links in mail. Two nodes of one are one place."""
    there = cluster(
        member("a", "https://all"), member("b", "https://all"), member("c", "https://c"),
        member("d", "https://c"),
    )  # fmt: skip
    assert other_nodes(there) == ["https://c"]
    assert socket_sources(there) == ["wss://c"]


@pytest.mark.proves("N18")
def test_a_page_may_open_websockets_to_all_that_are_known_and_to_nobody_else() -> None:
    """One that is not ready now may be when its own goes. What is no plain address is left out."""
    there = cluster(
        member("a", "http://a"), member("b", "http://b:4000"), member("c", "https://c/stocks"),
        member("d", "http://[::1]:4000", ready=False), member("e", "http://x; script-src *"),
        member("f", "ftp://f"), member("g", "http://u:p@g"), member("h", "http://[h"),
    )  # fmt: skip
    sources = socket_sources(there)
    assert sources == ["ws://[::1]:4000", "ws://b:4000", "wss://c"]
    policy = content_security_policy(sources)
    assert "; connect-src 'self' ws://[::1]:4000 ws://b:4000 wss://c; " in policy
    assert "; connect-src 'self'; " in content_security_policy(socket_sources(None))
