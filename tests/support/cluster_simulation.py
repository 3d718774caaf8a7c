"""Nodes of a cluster in virtual time: the ownership core over a bus that loses, delays and splits.

Everything comes from one seed. Nodes are killed, frozen, cut off, restarted, joined by others; the
bus goes away or falls in two; clocks jump; upstreams cannot be reached; two nodes have one name, or
one other settings; a membership actor is killed. Clients go from node to node, and take only what
is newer. `problems` says what is not as it should be; some time after everything is calm again,
nothing is.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from stockstream.cluster.claim_book import NOBODY, is_too_far_ahead
from stockstream.cluster.ownership import Ownership
from stockstream.cluster.rendezvous import preferred
from stockstream.cluster.wire import ClaimMessage
from stockstream.shards import NodeId, Shard, Sharding, part_of, upstream_of
from stockstream.statuses import NodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stockstream.cluster.wire import MemberMessage

    Version = tuple[int, int]

BEAT = 0.5
INTERVAL = 1.0
UPSTREAMS = ("api", "push")
SHARDS = Sharding(dict.fromkeys(UPSTREAMS, 4)).shards
RIGHT = {"STOCK_API_URL": "right"}
WRONG = {"STOCK_API_URL": "wrong"}
MOST_NODES = 6
STRETCHES = 8
PATIENCE = 12.0
STAYS_WELL = 1.0
DAY_MS = 86_400_000
NEVER: Version = (0, 0)


class Broken(AssertionError):
    """A rule that holds at any time does not."""


@dataclass(eq=False)
class Node:
    """A process: its core, and the versions that it shows to its clients."""

    core: Ownership
    fingerprints: dict[str, str]
    side: int = 0
    cut: bool = False
    frozen: bool = False
    listens: bool = False
    unfit: set[str] = field(default_factory=set)
    link: int = 0
    edge: float = 0.0
    ticks: int = 0
    backlog: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    shown: dict[Shard, Version] = field(default_factory=dict)
    claimed: dict[Shard, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the node; two may have the same one."""
        return self.core.me.name


@dataclass
class Client:
    """What a client has seen."""

    node: Node
    has: dict[Shard, Version] = field(default_factory=dict)


class Simulation:
    """One cluster; see the module."""

    def __init__(self, seed: int, nodes: int = 4) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.nodes: list[Node] = []
        self.clients: list[Client] = []
        self.bus_up = True
        self.fetches = self.double = self.claims = self.told = self.refused = 0
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = self._boots = 0
        self._skews: dict[str, float] = {}
        self._fetched: dict[Shard, tuple[float, Node]] = {}
        for index in range(nodes):
            self.start(f"n{index}")
        self.clients = [Client(self.random.choice(self.nodes)) for _ in range(3)]
        self._at(3.0, self._clients_move)

    # Time

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        while self._queue and self._queue[0][0] <= until:
            self.now, _, action = heapq.heappop(self._queue)
            action()
        self.now = until

    def trouble_and_calm(self) -> Iterator[float]:
        """Troubles, one on the other, and calm after them: how long it took until all was well.

        Raises:
            Broken: a rule does not hold, or something stays wrong for `PATIENCE` seconds.
        """
        self.run(10)
        for _ in range(STRETCHES):
            for _ in range(self.random.randrange(1, 4)):
                self._trouble()
                self.run(self.random.uniform(0, 6))
            took, problems = self._settle(PATIENCE)
            if problems:
                raise Broken(f"after {self.now:.1f} s: {'; '.join(problems[:4])}")
            yield took

    def _settle(self, limit: float) -> tuple[float, list[str]]:
        """End all trouble; how long it takes until all is well, and what is not at the limit."""
        self._calm()
        begun = self.now
        while self.now < begun + limit:
            if not self.problems():
                took = self.now - begun
                self.run(STAYS_WELL)
                if not self.problems():
                    return took, []
            self.run(0.1)
        return self.now - begun, self.problems()

    def _at(self, delay: float, action: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self.now + delay, self._count, action))

    def _wall(self, node: Node) -> int:
        return int((self.now + 1_000_000 + self._skews[node.name]) * 1000)

    # A node

    def start(self, name: str, fingerprints: dict[str, str] = RIGHT) -> Node:
        """Another process."""
        self._boots += 1
        self._skews.setdefault(name, self.random.uniform(-30, 30))
        core = Ownership(NodeId(name, self._boots), SHARDS, fingerprints)
        node = Node(core, fingerprints)
        self.nodes.append(node)
        self._at(self.random.random(), lambda: self._connect(node))
        self._at(self.random.random() * BEAT, lambda: self._tick(node))
        self._at(self.random.random() * INTERVAL, lambda: self._fetch(node))
        return node

    def _connect(self, node: Node) -> None:
        if node not in self.nodes or node.listens:
            return
        if node.cut or not self.bus_up:
            node.core.disconnected()
            self._at(0.5, lambda: self._connect(node))
            return
        node.link += 1
        node.listens = True
        self._publish(node, node.core.connected())
        self._at(self.random.random(), lambda: self._fill(node))

    def _disconnect(self, node: Node) -> None:
        node.link += 1
        node.listens = False
        node.core.disconnected()
        self._at(self.random.uniform(0.1, 0.6), lambda: self._connect(node))

    def _fill(self, node: Node) -> None:
        """The pages of another node come: the table is what that one shows."""
        if node not in self.nodes or node.frozen or not self._reaches_bus(node):
            if node in self.nodes:
                self._at(0.2, lambda: self._fill(node))
            return
        ready = [n for n in self.nodes if n.core.ready and n is not node and self._hear(node, n)]
        if ready:
            self._show(node, self.random.choice(ready).shown)
        self._publish(node, node.core.table_filled(self._wall(node)))

    def _tick(self, node: Node) -> None:
        if node not in self.nodes:
            return
        if node.frozen:
            self._at(0.05, lambda: self._tick(node))
            return
        node.ticks += 1
        members = node.core.members
        self._publish(node, node.core.tick(self._wall(node)))
        if node.core.members.keys() != members.keys():
            raise Broken(f"{node.core.me} buries others by its own clock")
        if self._reaches_bus(node):
            for suspect in node.core.suspects():
                there = next((n for n in self.nodes if n.core.me == suspect), None)
                gone = there is None or not there.listens or there.side != node.side
                if gone and self.random.random() < 0.8:
                    self._publish(node, node.core.nobody_there(suspect, self._wall(node)))
        self._at(BEAT, lambda: self._tick(node))

    def _fetch(self, node: Node) -> None:
        if node not in self.nodes:
            return
        if node.frozen:
            self._at(0.05, lambda: self._fetch(node))
            return
        holding = node.core.holding()
        if holding.epochs and node.core.stands_by:
            raise Broken(f"{node.core.me} stands by and fetches")
        epochs = dict(holding.epochs)
        if holding.alone:
            epochs = {s: max(self._wall(node), holding.highest[s] + 1) for s in epochs}
            for shard, epoch in epochs.items():
                node.core.local_epoch(shard, epoch)
        else:
            self._count_double(node, epochs)
        fetched = {
            shard: (epoch, node.shown.get(shard, NEVER)[1] + 1) for shard, epoch in epochs.items()
        }
        for shard, version in fetched.items():
            if version < node.shown.get(shard, NEVER):
                node.core.seen(shard, node.shown[shard][0])
        self._show(node, fetched)
        if epochs and not holding.alone:
            self._publish_batch(node, fetched)
        self._at(INTERVAL, lambda: self._fetch(node))

    def _count_double(self, node: Node, epochs: Iterable[Shard]) -> None:
        for shard in epochs:
            self.fetches += 1
            at, other = self._fetched.get(shard, (-9.0, node))
            if other is not node and self.now - at < 0.8 * INTERVAL and other.side == node.side:
                self.double += 1
            self._fetched[shard] = (self.now, node)

    def _show(self, node: Node, versions: dict[Shard, Version]) -> None:
        for shard, version in versions.items():
            if version <= node.shown.get(shard, NEVER):
                continue
            node.shown[shard] = version
            for client in self.clients:
                if client.node is node:
                    self.told += 1
                    self.refused += version <= client.has.get(shard, NEVER)
                    client.has[shard] = max(version, client.has.get(shard, NEVER))

    # The bus

    def _reaches_bus(self, node: Node) -> bool:
        return self.bus_up and node.listens and not node.cut

    def _hear(self, one: Node, other: Node) -> bool:
        return self._reaches_bus(one) and self._reaches_bus(other) and one.side == other.side

    def _publish(self, node: Node, messages: list[MemberMessage]) -> None:
        for message in messages:
            said = message
            if isinstance(message, ClaimMessage):
                self._check_rate(node, message)
            else:
                said = msgspec.structs.replace(message, clock=self._wall(node))
            self._send(node, lambda to, said=said: self._heard(to, said))

    def _publish_batch(self, node: Node, versions: dict[Shard, Version]) -> None:
        def take(to: Node) -> None:
            wall = self._wall(to)
            self._show(to, {s: v for s, v in versions.items() if not is_too_far_ahead(v[0], wall)})

        self._send(node, take)

    def _send(self, node: Node, take: Callable[[Node], None]) -> None:
        if not self._reaches_bus(node):
            return
        for other in self.nodes:
            if self._hear(node, other):
                # In order per receiver, as a server sends it.
                other.edge = max(other.edge, self.now + self.random.uniform(0.0002, 0.02))
                link = other.link
                self._at(
                    other.edge - self.now,
                    lambda to=other, link=link: self._deliver(to, link, lambda: take(to)),
                )

    def _deliver(self, node: Node, link: int, take: Callable[[], None]) -> None:
        if node not in self.nodes or node.link != link:
            return
        if node.frozen:
            node.backlog.append((link, take))
        else:
            take()

    def _heard(self, node: Node, message: MemberMessage) -> None:
        before = node.core.claims
        self._publish(node, node.core.heard(message, self._wall(node)))
        after = node.core.claims
        if any(after[shard] < claim for shard, claim in before.items()):
            raise Broken(f"{node.core.me} took a lower claim for a higher one")

    def _check_rate(self, node: Node, message: ClaimMessage) -> None:
        self.claims += len(message.claims)
        for shard in message.claims:
            if node.claimed.get(shard) == node.ticks:
                raise Broken(f"{node.core.me} claims {shard} again in the same tick")
            node.claimed[shard] = node.ticks

    # Clients

    def _clients_move(self) -> None:
        for client in self.clients:
            if self.nodes and (client.node not in self.nodes or self.random.random() < 0.3):
                client.node = node = self.random.choice(self.nodes)
                for shard, version in client.has.items():
                    if version[0] > node.shown.get(shard, NEVER)[0]:
                        node.core.seen(shard, version[0])
                for shard, version in node.shown.items():
                    client.has[shard] = max(version, client.has.get(shard, NEVER))
        self._at(3.0, self._clients_move)

    # Trouble

    def _trouble(self) -> None:
        """Something goes wrong, or somebody comes or goes."""
        node = self.random.choice(self.nodes)
        self.random.choice(
            [
                self._kill, self._leave, self._join, self._freeze, self._cut, self._lose_bus,
                self._split, self._jump, self._lose_upstream, self._restart_membership,
                self._start_namesake, self._start_stranger, self._make_up_versions,
            ]
        )(node)  # fmt: skip

    def _kill(self, node: Node) -> None:
        if len(self.nodes) > 1:
            self.nodes.remove(node)

    def _leave(self, node: Node) -> None:
        if len(self.nodes) > 1:
            self._publish(node, node.core.leave())
            self.nodes.remove(node)

    def _join(self, _: Node) -> None:
        names = {node.name for node in self.nodes}
        if len(self.nodes) < MOST_NODES:
            self.start(next(f"n{k}" for k in range(MOST_NODES + 1) if f"n{k}" not in names))

    def _freeze(self, node: Node) -> None:
        node.frozen = True
        self._at(self.random.uniform(0.2, 15), lambda: self._thaw(node))

    def _thaw(self, node: Node) -> None:
        node.frozen = False
        backlog, node.backlog = node.backlog, []
        for link, take in backlog:
            self._deliver(node, link, take)

    def _cut(self, node: Node) -> None:
        """For long, or for so short that only what was said is lost."""
        node.cut = True
        if self.random.random() < 0.5:
            self._disconnect(node)
        longest = self.random.choice([1, 15])
        self._at(self.random.uniform(0.05, longest), lambda: setattr(node, "cut", False))

    def _lose_bus(self, _: Node) -> None:
        self.bus_up = False
        if self.random.random() < 0.5:
            for node in self.nodes:
                self._disconnect(node)
        self._at(self.random.uniform(0.2, 15), lambda: setattr(self, "bus_up", True))

    def _split(self, _: Node) -> None:
        for node in self.nodes:
            node.side = self.random.randrange(2)
        self._at(self.random.uniform(1, 15), self._mend)

    def _mend(self) -> None:
        for node in self.nodes:
            node.side = 0

    def _jump(self, node: Node) -> None:
        self._skews[node.name] = self.random.uniform(-600, 600)

    def _lose_upstream(self, node: Node) -> None:
        node.unfit ^= {self.random.choice(UPSTREAMS)}
        self._publish(node, node.core.set_unfit(node.unfit, self._wall(node)))

    def _restart_membership(self, node: Node) -> None:
        """The actor is killed: all that is left is what it had last kept."""
        node.core = Ownership(node.core.me, SHARDS, node.fingerprints, node.core.remembered())
        node.claimed.clear()
        if node.listens:
            self._publish(node, node.core.connected())

    def _start_namesake(self, node: Node) -> None:
        if len(self.nodes) < MOST_NODES:
            self.start(node.name)

    def _start_stranger(self, _: Node) -> None:
        """It joins with another source."""
        if len(self.nodes) < MOST_NODES and not any(n.fingerprints == WRONG for n in self.nodes):
            stranger = self.start("stranger", WRONG)
            # Where nobody else is it is ready, and then it meets the others.
            stranger.side = self.random.randrange(2)

    def _make_up_versions(self, node: Node) -> None:
        """A client tells what was never there, perhaps by as much as is just not refused."""
        most = self.random.choice([60_000, DAY_MS])
        ahead = int(most * self.random.uniform(0.99, 1.01))
        node.core.seen(self.random.choice(SHARDS), self._wall(node) + ahead)

    def _calm(self) -> None:
        for node in self.nodes:
            self._thaw(node)
            node.cut = False
        self.bus_up = True
        self._mend()

    # What should be

    def problems(self) -> list[str]:
        """What is not as it should be where nothing goes wrong."""
        newest = {node.name: node for node in self.nodes}
        ready = [node for node in newest.values() if node.core.state is NodeState.READY]
        found = [
            f"{node.core.me} is {node.core.state}"
            for node in self.nodes
            if node.core.state
            not in ({NodeState.READY, NodeState.STANDING_BY} if node in newest.values()
                    else {NodeState.STANDING_BY})
        ]  # fmt: skip
        sources = {node.fingerprints["STOCK_API_URL"] for node in ready}
        if len(sources) != 1:
            found.append(f"prices of {sources}")
        found += [
            f"{node.core.me} stands by without need"
            for node in newest.values()
            if node not in ready and node.fingerprints["STOCK_API_URL"] in sources
        ]
        for shard in SHARDS:
            found += self._problems_of(shard, ready)
        return found

    def _problems_of(self, shard: Shard, ready: list[Node]) -> list[str]:
        found = []
        fit = [node for node in ready if upstream_of(shard) not in node.unfit] or ready
        should = preferred(part_of(shard), frozenset(node.name for node in fit))
        fetch = [node.name for node in self.nodes if shard in node.core.holding().epochs]
        if fetch != [should]:
            found.append(f"{shard}: fetched by {fetch}, should be by {should}")
        record = [node.name for node in self.nodes if shard in node.core.holding().recording]
        if record != fetch:
            found.append(f"{shard}: recorded by {record}, fetched by {fetch}")
        views = {node.core.claims.get(shard, NOBODY) for node in self.nodes}
        if len(views) != 1:
            found.append(f"{shard}: known as {views}")
        shown = {node.shown.get(shard, NEVER)[0] for node in self.nodes}
        if len(shown) != 1:
            found.append(f"{shard}: shown in epochs {shown}")
        if any(client.has.get(shard, NEVER)[0] > min(shown) for client in self.clients):
            found.append(f"{shard}: a client waits for a higher epoch than {shown}")
        return found
