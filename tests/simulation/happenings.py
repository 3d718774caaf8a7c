"""Lets each trouble of a schedule happen, ends it in time, and tells the checks what it excuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.statuses import CircuitState
from supervision import NoProc, inject_fault
from tests.simulation.node import UPSTREAM
from tests.simulation.requests import FEED
from tests.simulation.troubles import Trouble
from tests.simulation.upstream import SHORTEST_ANSWER

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable

    import trio

    from tests.simulation.clients import SimulatedClient
    from tests.simulation.node import Node
    from tests.simulation.world import World

SESSIONS = "delivery/sessions/"
STREAMER = "market/streamer"
HOLDERS_UP = {STREAMER, "market/feeds/api/circuit_breaker"}
"""A feed waits for them, and tries again when they die."""
TRADES_AFTER = 0.1
"""So that the price is lost with what does not get through."""
LEAVE_SECONDS = 12.0
CLOCK_INTERVALS = 3
"""W23: a clock that steps stops no prices for longer."""
TAKEOVER_SECONDS = 1.75
"""N7, for a node that is dead: two echoes of another node, and its question who listens."""
SILENT_SECONDS = 4.75
"""N7 and N8: six echoes of a node that hears nothing, and a connection that is given up."""
RETURN_SECONDS = 2.5
"""N8 and N14: a connection is made, two heartbeats come back, and somebody claims."""
BUS_SECONDS = 1.0
"""N19: a killed bus has another connection, and what it missed comes by pages."""
LONG_STALL_SECONDS = 8.0
"""A client that reads nothing for so long may be taken for one that is gone."""


class Happenings:
    """See the module."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._checks = world.checks
        self._probing_is_deadly = False

    def begin(self, trouble: Trouble, nursery: trio.Nursery) -> None:
        """Let it happen now."""
        world = self._world
        world.trace("TROUBLE", trouble)
        world.agenda.after(TRADES_AFTER, world.exchange.trade)
        match trouble.kind:
            case "kill":
                self._kill(world.nodes[trouble.target], trouble)
            case "hang":
                self._hang(world.nodes[trouble.target], trouble)
            case "web":
                self._kill_web(world.nodes[trouble.target])
            case "node":
                self._node_away(world.nodes[trouble.target], trouble, nursery, at_once=True)
            case "leave":
                self._node_away(world.nodes[trouble.target], trouble, nursery, at_once=False)
            case "clock":
                node = world.nodes[trouble.target]
                node.skew = trouble.amount
                self._checks.killed(CLOCK_INTERVALS * self._checks.interval)
            case "reset" | "vanish" | "stall" | "delay" | "change" | "hop":
                self._client(world.clients[trouble.target], trouble)
            case "upstream_down" | "upstream_hang" | "upstream_slow" | "upstream_old":
                self._upstream(trouble)
            case "freeze" | "cut" | "drop" | "nats_down" | "nats_frozen" | "partition":
                self._cluster(trouble)
            case "unreachable":
                self._unreachable(world.nodes[trouble.target], trouble)
            case "kill_probing":
                self._probing_is_deadly = True
            case _:
                raise ValueError(f"no such trouble: {trouble}")

    # Of nodes

    def _path(self, node: Node, trouble: Trouble) -> str | None:
        if trouble.what != "session":
            return trouble.what
        assert node.system is not None
        sessions = [path for path in node.system.names if path.startswith(SESSIONS)]
        return sessions[int(trouble.amount) % len(sessions)] if sessions else None

    def _kill(self, node: Node, trouble: Trouble) -> None:
        if node.system is None:
            return
        path = self._path(node, trouble)
        living = None if path is None else node.system.whereis(path)
        if living is not None and living.kill():
            # With a streamer die the batches of other nodes that wait for it.
            if living.path in HOLDERS_UP and not (living.path == STREAMER and node.clustered):
                self._checks.held_up()
            else:
                self._checks.killed(BUS_SECONDS if "cluster" in living.path else 0.0)

    def _hang(self, node: Node, trouble: Trouble) -> None:
        if node.system is None:
            return
        path = self._path(node, trouble)
        if path is not None and trouble.seconds:
            try:
                inject_fault(node.system, path, seconds=trouble.seconds, delay=None)
            except NoProc:
                return
            if path in HOLDERS_UP:
                self._checks.held_up(trouble.seconds)
            else:
                self._checks.killed(trouble.seconds)

    def asked(self, number: int) -> None:
        """A node asks the upstream: the feed of the next one that probes dies while it waits."""
        node = self._world.nodes[number]
        row = node.tables.circuits.get(UPSTREAM)
        if self._probing_is_deadly and row is not None and row.state is CircuitState.HALF_OPEN:
            self._probing_is_deadly = False
            trouble = Trouble(0.0, "kill", number, what=FEED)
            self._world.agenda.after(SHORTEST_ANSWER / 2, lambda: self._kill(node, trouble))

    def _clients_of(self, node: Node) -> list[SimulatedClient]:
        return [client for client in self._world.clients if client.node == node.number]

    def _kill_web(self, node: Node) -> None:
        living = None if node.system is None else node.system.whereis("web")
        self._world.scheduler.thaw(node.number)
        if living is not None:
            self._checks.away(self._clients_of(node), 0.0, drop=True)
            living.kill()

    def _node_away(
        self, node: Node, trouble: Trouble, nursery: trio.Nursery, *, at_once: bool
    ) -> None:
        if node.system is None:
            return
        away = trouble.seconds + (0.0 if at_once else LEAVE_SECONDS)
        there = self._world.clients if len(self._world.nodes) == 1 else self._clients_of(node)
        self._checks.away(there, away, drop=True)
        if all(other is node or not other.up for other in self._world.nodes):
            self._checks.memory_lost()
        self._checks.disturbed(TAKEOVER_SECONDS)
        if at_once:
            self._world.scheduler.thaw(node.number)
            node.kill()
        else:
            node.leave()

        def start() -> None:
            if node.system is None:
                node.start(nursery)
            else:
                self._world.agenda.after(0.1, start)

        self._world.agenda.after(trouble.seconds, start)

    # Of the cluster

    def _cluster(self, trouble: Trouble) -> None:
        world, nats, after = self._world, self._world.nats, self._world.agenda.after
        node, seconds = trouble.target, trouble.seconds
        match trouble.kind:
            case "freeze":
                world.scheduler.freeze(node)
                self._checks.disturbed(SILENT_SECONDS)
                self._checks.away(self._clients_of(world.nodes[node]), seconds, drop=False)

                def thaw() -> None:
                    world.scheduler.thaw(node)
                    self._checks.disturbed(RETURN_SECONDS)

                after(seconds, thaw)
            case "drop":
                self._checks.disturbed(RETURN_SECONDS)
                nats.drop(node)
            case "cut":
                nats.cut[node] += 1
                nats.fell_silent()
                self._lasts(seconds, lambda: nats.cut.subtract([node]))
            case "nats_frozen":
                nats.frozen["all"] += 1
                nats.fell_silent()
                self._lasts(seconds, lambda: nats.frozen.subtract(["all"]))
            case "nats_down":
                nats.down["all"] += 1
                nats.kill()
                self._lasts(seconds, lambda: nats.down.subtract(["all"]))
            case _:
                sides = {number: int(trouble.amount) >> number & 1 for number in range(8)}
                nats.sides.update(sides)
                self._lasts(seconds, lambda: nats.sides.subtract(sides))

    def _lasts(self, seconds: float, undo: Callable[[], None]) -> None:
        """The bus is in trouble for so long: first somebody notices it, in the end all meet."""
        self._checks.disturbed(SILENT_SECONDS)

        def end() -> None:
            undo()
            self._world.nats.speaks_again()
            self._checks.disturbed(RETURN_SECONDS)

        self._world.agenda.after(seconds, end)

    def _unreachable(self, node: Node, trouble: Trouble) -> None:
        down = self._world.exchange.down
        down[node.number] += 1
        # N11: until its breaker opens, and then another node fetches.
        self._checks.upstream_troubled(trouble.seconds + 1.0)

        def end() -> None:
            down[node.number] -= 1

        self._world.agenda.after(trouble.seconds, end)

    # Of clients

    def _client(self, client: SimulatedClient, trouble: Trouble) -> None:
        link, after = client.link, self._world.agenda.after
        match trouble.kind:
            case "change":
                self._checks.away([client], 0.0, drop=False)
                client.change(int(trouble.amount))
            case "hop" if link is not None:
                self._checks.away([client], 0.0, drop=True)
                client.hop(int(trouble.amount))
            case "reset" | "vanish" if link is not None:
                self._checks.away([client], 0.0, drop=True)
                if trouble.kind == "reset":
                    link.reset()
                else:
                    taken = bool(trouble.amount)
                    self._checks.vanished(client, taken=taken)
                    link.vanish(taken=taken)
            case "stall":
                drop = trouble.seconds > LONG_STALL_SECONDS
                self._checks.away([client], trouble.seconds + 1.0, drop=drop)
                client.stalled = True
                if link is not None:
                    link.reading = False

                def go_on() -> None:
                    client.stalled = False
                    if client.link is not None:
                        client.link.read_on()

                after(trouble.seconds, go_on)
            case "delay":
                before = client.delay
                client.delay += trouble.amount
                self._checks.away([client], trouble.seconds + 2 * trouble.amount, drop=False)

                def quicken() -> None:
                    client.delay -= trouble.amount
                    if client.link is not None:
                        client.link.delay = client.delay

                if link is not None:
                    link.delay = client.delay
                assert before >= 0
                after(trouble.seconds, quicken)

    # Of the upstream

    def _upstream(self, trouble: Trouble) -> None:
        exchange = self._world.exchange
        counter: Counter[int] = {
            "upstream_down": exchange.down,
            "upstream_hang": exchange.hanging,
            "upstream_slow": exchange.slow,
            "upstream_old": exchange.old,
        }[trouble.kind]
        for node in self._world.nodes:
            counter[node.number] += 1
        extra = 5.5 if trouble.kind == "upstream_hang" else 1.0
        old = trouble.kind == "upstream_old"
        self._checks.upstream_troubled(trouble.seconds + extra, old=old)

        def end() -> None:
            for node in self._world.nodes:
                counter[node.number] -= 1

        self._world.agenda.after(trouble.seconds, end)
