"""What must hold all the time, judged by what clients see.

The first thing that does not hold ends the run. Each check names its statement of the design.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import trio

from stockstream.statuses import CircuitState, NodeState
from stockstream.times import to_ms
from tests.simulation.node import UPSTREAM
from tests.simulation.upstream import QUIET, tick_of

if TYPE_CHECKING:
    from stockstream.quotes import Quote, Symbol
    from tests.simulation.clients import Shown, SimulatedClient
    from tests.simulation.world import World

LOOK_SECONDS = 0.25
SETTLED_SECONDS = 1.75
"""Within this time all nodes have another price of each symbol: an interval, and the way."""
AFTER_KILL_SECONDS = 0.25
"""Beyond the fetch interval: C14."""
SERVED_SECONDS = 8.0
"""Within this time a client that can reach a node has its subscription, two that hang aside."""
KNOWN_MS = 6_000
"""A price that is older than this has come to all nodes and clients, when all is calm."""
MOST_LOST_MS = 1_500
VANISHED_SECONDS = 41.0
"""W17, and a look."""
LONGEST_OPEN_SECONDS = 70.0
"""The breaker's longest wait, with its jitter."""


@dataclass(frozen=True, slots=True)
class Violation:
    """What did not hold, `at` so many virtual seconds after the start."""

    at: float
    rule: str
    what: str

    def __str__(self) -> str:
        return f"at {self.at:.3f} s: {self.rule}: {self.what}"


@lru_cache(maxsize=1024)
def _ms(timestamp: str) -> int:
    return to_ms(datetime.fromisoformat(timestamp))


class Checks:
    """See the module. `due` is by when a client must see a newer price, or be served."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._due: dict[int, float] = {}
        self._may_drop: dict[int, float] = {}
        self._upstream_troubled_until = -math.inf
        self._disturbed_until = -math.inf
        self.interval = world.nodes[0].settings.fetch_interval
        self.longest_gap = 0.0
        self._fresh_at: dict[int, float] = {}
        self.shown_quotes = 0
        self._vanished: dict[int, int] = {}
        self._recorded: set[tuple[int, int, str]] = set()

    # What clients tell

    def shown(
        self, client: SimulatedClient, symbol: str, before: Shown | None, shown: Shown
    ) -> None:
        """A client was shown a quote."""
        self.shown_quotes += 1
        fail, who = self._world.fail, f"{client.name} was shown {symbol}"
        timestamp = _ms(shown.timestamp)
        if symbol not in client.answered:
            fail("W8", f"{who}, which it is not subscribed to")
        true = self._world.exchange.price_of(symbol, timestamp)
        if timestamp % tick_of(symbol) or shown.price != true:
            fail("truth", f"{who} at {shown.price}, which was {true} at {shown.timestamp}")
        if before is not None:
            if shown.version < before.version:
                fail("C13", f"{who} {shown.version} after {before.version}")
            elif shown.version == before.version and shown != before:
                fail("C13", f"{who} as {shown} after {before}: one version, two quotes")
            elif shown.timestamp < before.timestamp and symbol not in client.forgiven:
                # Nodes that cannot hear each other fetch in turns: who moves may lose an interval.
                lost = _ms(before.timestamp) - timestamp
                if symbol not in client.carried or lost > MOST_LOST_MS:
                    what = f"{shown.timestamp} after one of {before.timestamp}"
                    fail("C13, by time", f"{who} of {what}")
            elif shown.timestamp == before.timestamp:
                return
        client.forgiven.discard(symbol)
        client.carried.discard(symbol)
        if symbol == QUIET:
            return
        now = trio.current_time()
        gap = now - self._fresh_at.get(client.number, now)
        self._fresh_at[client.number] = now
        if gap > self.longest_gap:
            self.longest_gap = gap
        self._extend(client, 0.0)

    def served(self, client: SimulatedClient) -> None:
        """A client has the answer to its subscription."""
        self._extend(client, 0.0)

    def cut(self, client: SimulatedClient, node: int | None, code: int, reason: str) -> None:
        """A node ends the connection of a client, who may learn of it much later."""
        allowed = self._may_drop.get(client.number, -math.inf)
        if not client.leaving and trio.current_time() > allowed:
            self._world.fail("C12", f"n{node} cut off {client.name} by {code} {reason}")

    def disconnected(self, client: SimulatedClient) -> None:
        """A client learned that its connection has ended."""
        due = trio.current_time() + SERVED_SECONDS
        self._due[client.number] = max(self._due.get(client.number, 0.0), due)

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

    def _extend(self, client: SimulatedClient, excused: float) -> None:
        bound = self.interval + AFTER_KILL_SECONDS + 2 * client.delay
        due = max(trio.current_time(), excused) + bound
        self._due[client.number] = max(self._due.get(client.number, 0.0), due)

    def killed(self, node: int, seconds: float = 0.0) -> None:
        """An actor of a node was killed, or hangs for so long: C14 counts from then."""
        for client in self._world.clients:
            self._extend(client, trio.current_time() + seconds)

    def disturbed(self, seconds: float) -> None:
        """The cluster has to find a fetcher: so long, once what was before it is over."""
        self._disturbed_until = max(self._disturbed_until, trio.current_time()) + seconds
        for client in self._world.clients:
            self._extend(client, self._disturbed_until)

    def away(self, clients: list[SimulatedClient], seconds: float, *, drop: bool) -> None:
        """Clients cannot be served for so long; their connections may end if `drop`."""
        until = trio.current_time() + seconds
        for client in clients:
            self._extend(client, until + SERVED_SECONDS)
            if drop:
                number = client.number
                self._may_drop[number] = max(self._may_drop.get(number, 0.0), until + 0.5)

    def memory_lost(self) -> None:
        """No node is left that knew the prices: an old replica's would be new to who comes next."""
        for client in self._world.clients:
            client.forgets = True

    def upstream_troubled(self, seconds: float) -> None:
        """The upstream fails for so long."""
        until = trio.current_time() + seconds
        self._upstream_troubled_until = max(self._upstream_troubled_until, until)
        self.killed(0, seconds)

    # What is looked at when all is calm

    def healed(self) -> str | None:
        """Why the cluster has not found together; None when it has (N4 to N8, N14)."""
        nodes = self._world.nodes
        views = {}
        fetchers: dict[str, list[str]] = {}
        for node in nodes:
            members, holding = node.tables.members.value, node.tables.holding.value
            if members is None or holding is None or node.system is None:
                return f"{node.name} is not there"
            if members.state is not NodeState.READY:
                return f"{node.name} is {members.state}"
            if len(members.members) != len(nodes):
                return f"{node.name} knows {len(members.members)} nodes"
            views[node.name] = dict(members.claims)
            for name in holding.epochs:
                fetchers.setdefault(name, []).append(node.name)
        if any(view != views[nodes[0].name] for view in views.values()):
            return f"the claims differ: {views}"
        wrong = {name: who for name, who in fetchers.items() if len(who) != 1}
        if wrong or len(fetchers) != len(views[nodes[0].name]):
            return f"not one fetcher each: {fetchers}"
        return None

    def calm(self) -> None:
        """A round is over, and all trouble with it for a while."""
        if len(self._world.nodes) > 1:
            why = self.healed()
            if why is not None:
                self._world.fail("N4", why)
                return
        newest = self._world.exchange.began(QUIET, KNOWN_MS)
        for node in self._world.nodes:
            row = node.tables.quotes.rows.get(QUIET)
            if row is None or row.quote.timestamp < newest:
                self._world.fail("N9", f"{node.name} has missed the last price of {QUIET}: {row}")
        for client in self._world.clients:
            has = client.has.get(QUIET)
            if client.served and (has is None or _ms(has.timestamp) < newest):
                self._world.fail("N17", f"{client.name} has missed the last of {QUIET}: {has}")
        rows = [node.tables.quotes.rows for node in self._world.nodes]
        told = {symbol: {row[symbol].quote for row in rows if symbol in row} for symbol in rows[0]}
        self._world.agenda.after(SETTLED_SECONDS, lambda: self._agree(told))

    def _agree(self, before: dict[Symbol, set[Quote]]) -> None:
        """What nodes showed of late is gone, or all show it."""
        for node in self._world.nodes:
            for symbol, quotes in before.items():
                if symbol == QUIET:
                    continue
                row = node.tables.quotes.rows.get(symbol)
                newest = max(quote.version for quote in quotes)
                if row is None or row.quote.version <= newest:
                    self._world.fail("N3", f"{node.name} is behind with {symbol}: {row}")

    # What is looked at all the time

    async def run(self) -> None:
        """Look at what no client tells."""
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """See that no client waits for too long."""
        now = trio.current_time()
        for client in self._world.clients:
            if client.leaving or now <= self._due.get(client.number, math.inf):
                continue
            if client.served and self._circuit_excuses(client, now):
                continue
            what = "has seen no newer price" if client.served else "is not served"
            fresh = now - self._fresh_at.get(client.number, self._world.began)
            self._world.fail("C14", f"{client.name} {what} for {fresh:.2f} s")

    def _circuit_excuses(self, client: SimulatedClient, now: float) -> bool:
        """An upstream that is back is asked when the breaker's wait is over (C17)."""
        if now > self._upstream_troubled_until + LONGEST_OPEN_SECONDS:
            return False
        circuits = [node.tables.circuits.get(UPSTREAM) for node in self._world.nodes]
        probes = [
            row.next_probe for row in circuits if row and row.state is not CircuitState.CLOSED
        ]
        if not probes:
            return False
        self._extend(client, max((p.seconds for p in probes if p is not None), default=now))
        return True

    def vanished(self, client: SimulatedClient) -> None:
        """A client left without a word: its lane must go."""
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

        self._world.agenda.after(VANISHED_SECONDS, look)

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
