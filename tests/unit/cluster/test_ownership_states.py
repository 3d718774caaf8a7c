"""A cluster of ownership cores in arbitrary states: what holds in each, and that all ends well."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from stockstream.cluster.codec import decode_told, encode
from stockstream.cluster.ownership import Ownership
from stockstream.cluster.rendezvous import preferred
from stockstream.cluster.wire import ClaimMessage, Heartbeat
from stockstream.shards import NodeId, Sharding, part_of, upstream_of
from stockstream.statuses import NodeState
from tests.support.deep import DEEP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stockstream.cluster.wire import MemberMessage
    from stockstream.shards import Claim, Shard

NOW = 1_795_000_000_000
UPSTREAMS = ["api", "push"]
SHARDS = Sharding(dict.fromkeys(UPSTREAMS, 3)).shards
SETTINGS = {"STOCK_API_URL": "right"}
ROUNDS_TO_HEAL = 14
WHICH = st.integers(0, 3)


class Node:
    """A core, what is under way to it, and its clock."""

    def __init__(self, name: str, boot: int) -> None:
        self.core = Ownership(NodeId(name, boot), SHARDS, SETTINGS)
        self.core.table_filled(NOW)
        self.coming: deque[bytes] = deque()
        self.connected = False
        self.clock = NOW
        self.unfit: frozenset[str] = frozenset()
        self.claims: dict[Shard, Claim] = {}

    def begin_again(self) -> None:
        """Its owner was killed."""
        self.core = Ownership(self.core.me, SHARDS, SETTINGS, self.core.remembered())


class Cluster(RuleBasedStateMachine):
    """Up to four nodes. A connection is in order; whatever else can happen, does."""

    @initialize(count=st.integers(1, 3))
    def begin(self, count: int) -> None:
        """Nodes that know each other."""
        self.boots = 0
        self.nodes: list[Node] = []
        for index in range(count):
            self.start(index)
        self.heal()

    def one(self, which: int) -> Node:
        """One of those there are."""
        return self.nodes[which % len(self.nodes)]

    def send(self, node: Node, messages: Iterable[MemberMessage]) -> None:
        """To all that are connected, the sender too."""
        for message in messages:
            data = encode(message)
            assert decode_told(data) == message
            if node.connected:
                for other in self.nodes:
                    if other.connected:
                        other.coming.append(data)

    def hear(self, node: Node) -> None:
        """The next message that is under way to it."""
        message = decode_told(node.coming.popleft())
        assert isinstance(message, Heartbeat | ClaimMessage)
        self.send(node, node.core.heard(message, node.clock))

    @rule(which=WHICH)
    def start(self, which: int) -> None:
        """A node, or a newer life of one that may still be there."""
        self.boots += 1
        if len(self.nodes) < 4:
            self.nodes.append(Node("abcd"[which], self.boots))

    @rule(which=WHICH)
    def kill(self, which: int) -> None:
        """Without a word."""
        if len(self.nodes) > 1:
            self.nodes.remove(self.one(which))

    @rule(which=WHICH)
    def leave(self, which: int) -> None:
        """With one."""
        if len(self.nodes) > 1:
            node = self.one(which)
            self.send(node, node.core.leave())
            self.nodes.remove(node)

    @rule(which=WHICH)
    def connect(self, which: int) -> None:
        """Its connection stands, perhaps a new one in place of another."""
        node = self.one(which)
        node.coming.clear()
        node.connected = True
        self.send(node, node.core.connected())

    @rule(which=WHICH)
    def disconnect(self, which: int) -> None:
        """What was under way to it is lost."""
        node = self.one(which)
        node.coming.clear()
        node.connected = False
        node.core.disconnected()

    @rule(which=WHICH, times=st.integers(1, 8))
    def tick(self, which: int, times: int) -> None:
        """Intervals pass at one node. That alone buries nobody."""
        node = self.one(which)
        for _ in range(times):
            members = node.core.members
            self.send(node, node.core.tick(node.clock))
            assert node.core.members == members

    @rule(which=WHICH, times=st.integers(1, 30))
    def deliver(self, which: int, times: int) -> None:
        """So much of what is under way comes."""
        node = self.one(which)
        for _ in range(min(times, len(node.coming))):
            self.hear(node)

    @rule(which=WHICH)
    def probe(self, which: int) -> None:
        """Nobody listens where a suspect was."""
        node = self.one(which)
        listening = {other.core.me for other in self.nodes if other.connected}
        for suspect in node.core.suspects():
            if suspect not in listening:
                self.send(node, node.core.nobody_there(suspect, node.clock))

    @rule(which=WHICH)
    def begin_again(self, which: int) -> None:
        """The membership actor was killed, and its successor finds the bus as it is."""
        node = self.one(which)
        node.begin_again()
        if node.connected:
            self.send(node, node.core.connected())

    @rule(which=WHICH, shard=st.sampled_from(SHARDS), ahead=st.integers(-5, 50_000_000))
    def bring(self, which: int, shard: Shard, ahead: int) -> None:
        """A client has seen a version, or says so."""
        node = self.one(which)
        node.core.seen(shard, node.clock + ahead)

    @rule(which=WHICH)
    def fetch_alone(self, which: int) -> None:
        """For the own clients, in a new epoch."""
        node = self.one(which)
        holding = node.core.holding()
        if holding.alone:
            for shard in holding.epochs:
                node.core.local_epoch(shard, max(node.clock, holding.highest[shard] + 1))

    @rule(which=WHICH, unfit=st.frozensets(st.sampled_from(UPSTREAMS)))
    def lose_upstreams(self, which: int, unfit: frozenset[str]) -> None:
        """Its breakers open or close."""
        node = self.one(which)
        node.unfit = unfit
        self.send(node, node.core.set_unfit(unfit, node.clock))

    @rule(which=WHICH, minutes=st.integers(-10, 10))
    def set_clock(self, which: int, minutes: int) -> None:
        """Somebody sets it."""
        self.one(which).clock = NOW + minutes * 60_000

    @invariant()
    def claims_only_rise(self) -> None:
        """On each node, whatever it hears."""
        for node in getattr(self, "nodes", ()):
            now = node.core.claims
            assert all(now[shard] >= claim for shard, claim in node.claims.items())
            node.claims = now

    @invariant()
    def who_stands_by_fetches_nothing(self) -> None:
        """Nor does anybody fetch a shard for all that another node has claimed."""
        for node in getattr(self, "nodes", ()):
            holding = node.core.holding()
            if node.core.stands_by:
                assert not holding.epochs
            elif not holding.alone:
                assert all(node.core.claims[s].node == node.core.me for s in holding.epochs)
            assert holding.recording <= holding.epochs.keys()

    @invariant()
    def the_next_life_would_be_the_same(self) -> None:
        """The owner may be killed at any moment."""
        for node in getattr(self, "nodes", ()):
            core = node.core
            again = Ownership(core.me, SHARDS, SETTINGS, core.remembered())
            assert again.holding() == core.holding()
            assert (again.claims, again.members) == (core.claims, core.members)

    def heal(self) -> None:
        """All are connected, and time passes everywhere."""
        for index in range(len(self.nodes)):
            self.connect(index)
        for _ in range(ROUNDS_TO_HEAL):
            for node in list(self.nodes):
                self.send(node, node.core.tick(node.clock))
            while any(node.coming for node in self.nodes):
                for node in self.nodes:
                    while node.coming:
                        self.hear(node)

    def teardown(self) -> None:
        """Each shard has the one fetcher that it should have, and all know it."""
        if not getattr(self, "nodes", ()):
            return
        self.heal()
        newest = {node.core.me.name: node for node in self.nodes}
        for node in self.nodes:
            newest[node.core.me.name] = max(
                node, newest[node.core.me.name], key=lambda n: n.core.me.boot
            )
        for node in self.nodes:
            is_newest = newest[node.core.me.name] is node
            assert node.core.state is (NodeState.READY if is_newest else NodeState.STANDING_BY)
        for shard in SHARDS:
            upstream = upstream_of(shard)
            fit = [name for name, node in newest.items() if upstream not in node.unfit]
            should = preferred(part_of(shard), frozenset(fit or newest))
            fetch = [n.core.me.name for n in self.nodes if shard in n.core.holding().epochs]
            assert fetch == [should]
            assert len({node.core.claims[shard] for node in self.nodes}) == 1


@pytest.mark.proves("N2", "N4", "N5", "N8", "N11", "N17", "N19")
def test_a_cluster_of_any_state_heals() -> None:
    """T1: and in each state claims only rise, and the owner could be killed."""
    run_state_machine_as_test(
        Cluster,
        settings=settings(
            max_examples=3000 if DEEP else 40,
            stateful_step_count=60 if DEEP else 40,
            suppress_health_check=list(HealthCheck),
            deadline=None,
        ),
    )
