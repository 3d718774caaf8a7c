"""Memberships of several nodes in one run on virtual time, with a bus in memory between them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from queue import SimpleQueue

import trio

from stockstream import paths
from stockstream.cluster.fingerprints import fingerprints
from stockstream.cluster.membership import Membership, MembershipSettings
from stockstream.cluster.memory import Memory
from stockstream.cluster.messages import (
    AskWants,
    BusDown,
    BusUp,
    BusWanted,
    Heard,
    NobodyThere,
    Probe,
    Say,
    SayLast,
    TableFull,
)
from stockstream.cluster.wire import Wants
from stockstream.messages import Demand, DemandWanted, HoldingChanged
from stockstream.shards import NodeId, Sharding
from stockstream.tables import Tables
from supervision import Actor, ChildSpec, System, handles, supervisor

WALL_MS = 1_795_341_600_000
SETTINGS = {"STOCK_API_URL": "http://prices", "FETCH_SHARDS": "1"}
SECRET = "s" * 32
DELAY = 0.01
KEEP_SECONDS = 10.0


def wall_clock():
    """A wall clock that runs with trio's."""
    return WALL_MS + round(trio.current_time() * 1000)


class Air:
    """Carries what a bus says to all that are up, in order, a moment later."""

    def __init__(self):
        self.up = True
        self.listening = {}

    def say(self, message):
        for bus in list(self.listening.values()):
            if isinstance(message, Wants) and message.sender == bus.me:
                continue
            bus.system.ref(paths.MEMBERSHIP).send_after(DELAY, Heard(message))


class MemoryBus(Actor):
    """Stands where the bus stands."""

    def __init__(self, air, me, state):
        self.air, self.me, self.state = air, me, state
        self.wants = None

    async def init(self):
        self.membership = self.system.ref(paths.MEMBERSHIP)
        self._report()

    @property
    def up(self):
        return self.air.up and self.state["up"]

    def _report(self):
        if self.up:
            self.air.listening[self.me] = self
            self.membership.cast(BusUp())
            self.membership.send_after(3 * DELAY, TableFull())
        else:
            self.air.listening.pop(self.me, None)
            self.membership.cast(BusDown("the test said so"))

    @handles(BusWanted)
    def _on_wanted(self, _message: BusWanted) -> None:
        self._report()

    @handles(Say)
    def _on_say(self, message: Say) -> None:
        if isinstance(message.message, Wants):
            self.wants = message.message
        if self.up:
            self.air.say(message.message)

    @handles(SayLast)
    def _on_last(self, message: SayLast) -> bool:
        if self.up:
            self.air.say(message.message)
        return self.up

    @handles(Probe)
    def _on_probe(self, message: Probe) -> None:
        if message.node not in self.air.listening:
            self.membership.cast(NobodyThere(message.node))

    @handles(AskWants)
    def _on_ask(self, message: AskWants) -> None:
        bus = self.air.listening.get(message.node)
        if bus is not None and bus.wants is not None:
            self.membership.cast(Heard(bus.wants))


class Probed(Actor):
    """Stands where a feed or the subscription manager stands, and keeps what it is told."""

    def __init__(self, told):
        self.told = told

    @handles(Demand)
    def _on_demand(self, message: Demand) -> None:
        self.told.append(message)

    @handles(HoldingChanged)
    def _on_holding(self, message: HoldingChanged) -> None:
        self.told.append(message)

    @handles(DemandWanted)
    def _on_wanted(self, message: DemandWanted) -> None:
        self.told.append(message)


class Node:
    """A node: its tables, and the way to poke it."""

    def __init__(self, air, name, boot, settings, parts, secret):
        self.me = NodeId(name, boot)
        self.air = air
        self.tables = Tables()
        self.memory = Memory()
        self.state = {"up": True}
        self.ahead_ms = 0
        self.feed = []
        self.streamer = []
        self.manager = []
        self.watcher = []
        self._kept_epochs = SimpleQueue()
        self.settings = MembershipSettings(
            me=self.me,
            sharding=Sharding({"api": parts}),
            fingerprints=fingerprints(secret, {**SETTINGS, **settings}),
            address=f"http://{name}",
            public_url="",
            keep_epoch=self._kept_epochs.put,
        )

    async def until_kept(self, epoch):
        """Wait until that epoch is kept: in a thread, for which the virtual clock does not wait."""

        def wait():
            while self._kept_epochs.get(timeout=KEEP_SECONDS) != epoch:
                pass

        await trio.to_thread.run_sync(wait)

    def spec(self):
        membership = lambda: Membership(  # noqa: E731
            self.settings, self.tables, self.memory, clock=self.wall_clock
        )
        cluster = [
            ChildSpec("bus", lambda: MemoryBus(self.air, self.me, self.state)),
            ChildSpec("membership", membership),
        ]
        feed = ChildSpec("feed", lambda: Probed(self.feed))
        streamer = ChildSpec("streamer", lambda: Probed(self.streamer))
        manager = ChildSpec("subscription_manager", lambda: Probed(self.manager))
        return _forever(
            "root",
            [
                _forever("cluster", cluster),
                _forever("market", [streamer, _forever("feeds", [_forever("api", [feed])])]),
                _forever("delivery", [manager]),
                _forever("alerts", [ChildSpec("watcher", lambda: Probed(self.watcher))]),
            ],
        )

    def wall_clock(self):
        """The time by this node's clock."""
        return wall_clock() + self.ahead_ms

    async def start(self, nursery):
        self.system = System()
        self._scope = await nursery.start(self._run)

    async def _run(self, task_status=trio.TASK_STATUS_IGNORED):
        with trio.CancelScope() as scope:
            await self.system.run(self.spec(), on_start=lambda _: task_status.started(scope))

    def cast(self, message):
        self.system.ref(paths.MEMBERSHIP).cast(message)

    def die(self):
        """As a killed process: nothing is said any more, and its connection is gone."""
        self.air.listening.pop(self.me, None)
        self._scope.cancel()

    def stop(self):
        """As a process that is told to stop."""
        self.system.stop()

    def kill(self, path=paths.MEMBERSHIP):
        self.system.ref(path).kill()

    def cut_off(self, *, cut=True):
        self.state["up"] = not cut
        self.system.ref(paths.BUS).cast(BusWanted())

    @property
    def demand(self):
        """The last that its feed was told."""
        return [told for told in self.feed if isinstance(told, Demand)][-1]

    @property
    def holds(self):
        return set(self.tables.holding.value.epochs)

    @property
    def alone(self):
        return self.tables.holding.value.alone

    @property
    def others(self):
        members = self.tables.members.value
        return {member.node.name for member in members.members} - {self.me.name}


class Nodes:
    """Several of them; `air` is between them."""

    def __init__(self, nursery):
        self.air = Air()
        self.nodes = {}
        self._nursery = nursery

    async def start(self, name, boot=1, *, settings=None, parts=1, secret=SECRET, ahead_ms=0):
        node = Node(self.air, name, WALL_MS + boot, settings or {}, parts, secret)
        node.ahead_ms = ahead_ms
        self.nodes[node.me] = node
        await node.start(self._nursery)
        return node


@asynccontextmanager
async def running_nodes(*names, parts=1):
    """Nodes of those names, each a second older than the next, once they know each other."""
    async with trio.open_nursery() as nursery:
        nodes = Nodes(nursery)
        started = [await nodes.start(name, boot, parts=parts) for boot, name in enumerate(names, 1)]
        await trio.sleep(3)
        yield nodes, *started
        nursery.cancel_scope.cancel()


def _forever(name, children):
    return supervisor(name, children, intensity=10_000, period=1.0)
