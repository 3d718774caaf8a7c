"""What must hold all the time, judged by what clients see.

The first thing that does not hold ends the run. Each check names its statement of the design. What
concerns the nodes among themselves is in `clustering`, the upstream in `requests`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from stockstream.quotes import Symbol
from stockstream.statuses import CircuitState
from tests.simulation.clustering import Clustering
from tests.simulation.excuses import LONGEST_OPEN_SECONDS, Excuses, OfClient
from tests.simulation.node import UPSTREAM
from tests.simulation.requests import Requests
from tests.simulation.upstream import OLD_TICKS, SELDOM, TICK_MS

if TYPE_CHECKING:
    from tests.simulation.clients import Shown, SimulatedClient
    from tests.simulation.world import World

LOOK_SECONDS = 0.25
SETTLED_SECONDS = 1.75
"""Within this time all nodes have another price of each symbol: an interval, and the way."""
AFTER_KILL_SECONDS = 0.25
"""Beyond the fetch interval: C14."""
SERVED_SECONDS = 8.0
"""Within this time a client that can reach a node has its subscription, two that hang aside."""
MOST_LOST_MS = 5_500
"""An interval, be it the long one of nodes that hear of no client: the price that a node has was
the last one there was within this time before a client came to it."""
VANISHED_SECONDS = 41.0
"""W17, and a look."""
TAKEN_SECONDS = 58.0
"""The same where somebody takes what is sent: a ping, the longest patience, and a look."""
OUTDONE_SECONDS = 1.5
"""What clients bring counts once a second, and the holder hears of it by a heartbeat (N17)."""
PROBING_SECONDS = 3.5
"""A half-open breaker has the outcomes of two probes."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What did not hold, `at` so many virtual seconds after the start."""

    at: float
    rule: str
    what: str

    def __str__(self) -> str:
        return f"at {self.at:.3f} s: {self.rule}: {self.what}"


class Checks:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._excuses = Excuses()
        self._of: defaultdict[int, OfClient] = defaultdict(OfClient)
        self._served_at: dict[int, float] = {}
        self._fresh_at: dict[tuple[int, str], float] = {}
        self._of_version: dict[tuple[str, tuple[int, int]], tuple[str, Shown]] = {}
        self._vanished: dict[int, int] = {}
        self._recorded: set[tuple[int, int, str]] = set()
        self.interval = world.nodes[0].settings.fetch_interval
        self.longest_gap = 0.0
        self.shown_quotes = 0
        self.clustering = Clustering(world)
        self.requests = Requests(world.nodes, self.interval, self._is_calm, world.fail)

    # What clients tell

    def shown(
        self, client: SimulatedClient, symbol: str, before: Shown | None, shown: Shown
    ) -> None:
        """A client was shown a quote."""
        self.shown_quotes += 1
        fail, who = self._world.fail, f"{client.name} was shown {symbol}"
        known = self._of_version.setdefault((symbol, shown.version), (client.name, shown))
        if known[1] != shown:
            fail("W1", f"{who} as {shown}, and {known[0]} as {known[1]}: one version, two quotes")
        timestamp = shown.milliseconds
        if symbol not in client.answered:
            fail("W8", f"{who}, which it is not subscribed to")
        true = self._world.exchange.price_of(symbol, timestamp)
        if not self._world.exchange.has_traded(symbol, timestamp) or shown.price != true:
            fail("truth", f"{who} at {shown.price}, which was {true} at {shown.timestamp}")
        if before is not None:
            if shown.version < before.version:
                fail("C13", f"{who} {shown.version} after {before.version}")
            elif shown.timestamp < before.timestamp and symbol not in client.forgiven:
                # Nodes that cannot hear each other fetch in turns: who moves may lose an interval.
                lost = self._lost_ms(client, symbol, before, shown)
                if symbol not in client.carried or lost > self._most_lost_ms:
                    what = f"{shown.timestamp} after one of {before.timestamp}"
                    fail("C13, by time", f"{who} of {what}")
            elif shown.timestamp == before.timestamp:
                return
        client.forgiven.discard(symbol)
        client.carried.discard(symbol)
        if symbol in SELDOM:
            return
        now, key = trio.current_time(), (client.number, symbol)
        gap = now - max(self._fresh_at.get(key, now), self._served_at.get(client.number, now))
        self._fresh_at[key] = now
        if gap > self.longest_gap:
            self.longest_gap = gap

    def _lost_ms(self, client: SimulatedClient, symbol: str, before: Shown, shown: Shown) -> int:
        """For how long the older price was outdated when the client came to this node. An upstream
        that failed meanwhile told nobody: then it is when the price it had before began.
        """
        outdated = self._world.exchange.outdated_at(symbol, shown.milliseconds)
        ago = (self._world.true_ns() // 1_000_000 - outdated) / 1000
        failed = self._excuses.upstream > trio.current_time() - ago
        return (before.milliseconds if failed else client.came_ms) - outdated

    @property
    def _most_lost_ms(self) -> int:
        """A node that does not hear of the others cannot know that a replica is old."""
        is_old = self._excuses.old > trio.current_time() - MOST_LOST_MS / 1000
        return MOST_LOST_MS + (OLD_TICKS * TICK_MS if is_old else 0)

    def served(self, client: SimulatedClient) -> None:
        """A client has the answer to its subscription."""
        self._served_at[client.number] = trio.current_time()

    def reads_since(self, client: SimulatedClient) -> float:
        """Since when a client is served and reads."""
        if not client.served or client.stalled:
            return math.inf
        return max(self._served_at[client.number], self._of[client.number].slow)

    def cut(self, client: SimulatedClient, node: int | None, code: int, reason: str) -> None:
        """A node ends the connection of a client, who may learn of it much later."""
        if not client.leaving and trio.current_time() > self._of[client.number].drop:
            self._world.fail("C12", f"n{node} cut off {client.name} by {code} {reason}")

    def disconnected(self, client: SimulatedClient) -> None:
        """A client learned that its connection has ended."""
        of = self._of[client.number]
        of.served = max(of.served, trio.current_time() + SERVED_SECONDS)

    def recorded(self, node: int, epoch: int, seq: int, symbol: str) -> None:
        """A price went to the history."""
        key = (epoch, seq, symbol)
        if key in self._recorded:
            self._world.fail("C16", f"{symbol} [{epoch}, {seq}] was recorded twice, by n{node} now")
        self._recorded.add(key)

    def refused(self, client: SimulatedClient, code: str, reason: str) -> None:
        """A client was told an error."""
        if code != "unknown_symbol":
            self._world.fail("protocol", f"{client.name} was told {code}: {reason}")

    # What the troubles excuse

    def killed(self, seconds: float = 0.0) -> None:
        """An actor was killed, or hangs for so long: C14 counts from then."""
        self._excuses.late = max(self._excuses.late, trio.current_time() + seconds)

    def held_up(self, seconds: float = 0.0) -> None:
        """The same of an actor that others wait for: no round is lost by it."""
        self._excuses.held = max(self._excuses.held, trio.current_time() + seconds)

    def disturbed(self, seconds: float) -> None:
        """The cluster has to find a fetcher: so long, once what was before it is over."""
        self._excuses.disturbed(trio.current_time(), seconds)

    def away(self, clients: list[SimulatedClient], seconds: float, *, drop: bool) -> None:
        """Clients cannot be served for so long; their connections may end if `drop`."""
        until = trio.current_time() + seconds
        for client in clients:
            of = self._of[client.number]
            of.served = max(of.served, until + SERVED_SECONDS)
            of.slow = max(of.slow, until)
            if drop:
                of.drop = max(of.drop, until + 0.5)

    def memory_lost(self) -> None:
        """No node is left that knew the prices: an old replica's would be new to who comes next."""
        for client in self._world.clients:
            client.forgets = True

    def upstream_troubled(self, seconds: float, *, old: bool = False) -> None:
        """The upstream fails for so long, or half of its replicas are `old`."""
        until = trio.current_time() + seconds
        if old:
            self._excuses.old = max(self._excuses.old, until)
        self._excuses.upstream = max(self._excuses.upstream, until)
        self.killed(seconds)

    # What is looked at when a round is over

    def calm(self) -> None:
        """A round is over, and all trouble with it for a while."""
        if len(self._world.nodes) > 1:
            why = self.clustering.healed()
            if why is not None:
                self._world.fail("N4", why)
                return
        told = self.clustering.shown()
        self._world.agenda.after(SETTLED_SECONDS, lambda: self.clustering.agree(told))

    # What is looked at all the time

    async def run(self) -> None:
        """Look at what no client tells."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """See that no client waits for too long, and no node lacks anything."""
        now = trio.current_time()
        for client in self._world.clients:
            if not client.leaving:
                self._look_at(client, now)
        self.clustering.look(self._all_over)

    @property
    def _all_over(self) -> float:
        return max(self._excuses.late, self._excuses.held)

    def _is_calm(self) -> bool:
        return (
            trio.current_time() > self._all_over + self.interval
            and self.clustering.all_well
            and self.clustering.circuits_closed
        )

    def _look_at(self, client: SimulatedClient, now: float) -> None:
        of, on_its_way = self._of[client.number], AFTER_KILL_SECONDS + 2 * client.delay
        if not client.served:
            since = max(of.served, self._excuses.by(self._world.began, self.interval))
            if now > since + on_its_way:
                self._world.fail("C14", f"{client.name} is not served")
            return
        begun = max(self._served_at[client.number], of.slow)
        for symbol in sorted(client.wants):
            if symbol in SELDOM:
                continue
            fresh = self._fresh_at.get((client.number, symbol), -math.inf)
            least = max(fresh, begun + self._to_outdo(client, symbol))
            if now <= self._excuses.by(least, self.interval) + on_its_way:
                continue
            if self._circuit_excuses(now):
                return
            seconds = now - max(fresh, self._world.began)
            what = f"{client.name} has seen no newer price of {symbol} for {seconds:.2f} s"
            self._world.fail("C14", what)

    def _to_outdo(self, client: SimulatedClient, symbol: str) -> float:
        """How long its node may take to have a version above the one that a client brought."""
        assert client.node is not None
        row = self._world.nodes[client.node].tables.quotes.get(Symbol(symbol))
        shown = client.has.get(symbol)
        if symbol not in client.carried or row is None or shown is None:
            return 0.0
        return OUTDONE_SECONDS if shown.version > tuple(row.quote.version) else 0.0

    def _circuit_excuses(self, now: float) -> bool:
        """An upstream that is back is asked when the breaker's wait is over (C17)."""
        if now > self._excuses.upstream + LONGEST_OPEN_SECONDS:
            return False
        until = -math.inf
        for node in self._world.nodes:
            row, holding = node.tables.circuits.get(UPSTREAM), node.tables.holding.value
            if row is None or (holding is not None and not holding.epochs):
                continue
            if row.state is CircuitState.OPEN and row.next_probe is not None:
                until = max(until, row.next_probe.seconds)
            elif row.state is CircuitState.HALF_OPEN:
                until = max(until, row.since.seconds + PROBING_SECONDS)
        if until > self._excuses.late:
            self._excuses.late = until
        return now <= self._excuses.by(-math.inf, self.interval) + AFTER_KILL_SECONDS

    def vanished(self, client: SimulatedClient, *, taken: bool) -> None:
        """A client left without a word, and what is sent to it is `taken` all the same: its lane
        must go.
        """
        assert client.node is not None
        node = self._world.nodes[client.node]
        life, link = node.lives, client.link
        mine = [
            lane.number
            for lane in node.connections.lanes()
            if link is not None and getattr(lane.client, "_socket", None) is link.socket
        ]

        self._vanished[node.number] = self._vanished.get(node.number, 0) + 1

        def look() -> None:
            self._vanished[node.number] -= 1
            if node.lives == life and mine and mine[0] in node.connections:
                self._world.fail("W17", f"the lane of {client.name} is there after it vanished")

        self._world.agenda.after(TAKEN_SECONDS if taken else VANISHED_SECONDS, look)

    def left(self) -> None:
        """All clients have left a while ago, and nothing may be left of them (C15)."""
        for node in self._world.nodes:
            fail = self._world.fail
            if self._vanished.get(node.number):
                continue  # it may not know yet that they are gone
            if len(node.connections):
                fail("C15", f"{node.name} has {len(node.connections)} lanes, and no client")
            if len(node.tables.subscriptions.rows):
                fail("C15", f"{node.name} has subscriptions, and no client")
            if node.system is not None:
                sessions = [path for path in node.system.names if "sessions/" in path]
                if sessions:
                    fail("C15", f"{node.name} has sessions, and no client: {sessions}")
