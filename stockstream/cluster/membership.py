"""The membership: this node in its cluster, who else is there, and who fetches what.

What decides is `ownership.py`, which has no clock and does no I/O. This actor tells it what comes
from the bus and when half a second is over, and sends what it answers. It tells the rest of the
node by tables: `holding` is what this node fetches, `members` who is there, `presence` whose
clients want what. Only it knows the demand of all nodes, so the feeds get it from here.

It may be killed at any moment: its next life begins with what the last one remembered, so the node
goes on fetching what it holds, and the others hear of it again before they would miss it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING

import structlog
import trio

from stockstream import paths
from stockstream.cluster.changes import Changes
from stockstream.cluster.figures import Figures
from stockstream.cluster.fitness import Fitness
from stockstream.cluster.member_rows import members_of
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
from stockstream.cluster.own_beats import OwnBeats
from stockstream.cluster.ownership import Ownership, Remembered
from stockstream.cluster.wanting import Wanting
from stockstream.cluster.wire import ClaimMessage, Heartbeat, Wants
from stockstream.messages import (
    ClusterChanged,
    DemandWanted,
    EpochSeen,
    EpochsUsed,
    HoldingChanged,
    LocalDemand,
)
from stockstream.times import Moment, now_ms
from supervision import Actor, CallError, Normal, Shutdown, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.cluster.memory import Memory
    from stockstream.cluster.wire import MemberMessage
    from stockstream.shards import NodeId, Sharding
    from stockstream.statuses import Holding
    from stockstream.tables import Tables
    from supervision import ExitReason

BEAT_SECONDS = 0.5
"""Six of them without a word, and a node is dead."""
TELL_WANTS_SECONDS = 0.25
"""What the clients want is told so often at most: a storm of clients is four messages a second."""
FAREWELL_SECONDS = 1.0
"""A bus that does not write within this time has no connection: the others notice that."""

_log: BoundLogger = structlog.get_logger("cluster.membership")


@dataclass(frozen=True, slots=True)
class MembershipSettings:
    """This node is `me`, and its settings are told as `fingerprints`.

    The cluster fetches from each of the upstreams of `sharding`, in so many shards. Operators reach
    this node at `address`, browsers at `public_url`; either may be empty. `keep_epoch` keeps an
    epoch for the next start of this node, and blocks.
    """

    me: NodeId
    sharding: Sharding
    fingerprints: Mapping[str, str]
    address: str
    public_url: str
    keep_epoch: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class _Beat:
    """A heartbeat interval is over."""


@dataclass(frozen=True, slots=True)
class _TellWants:
    """Time to tell what the own clients want."""


class Membership(Actor):
    """See the module."""

    owns_tasks = True

    def __init__(
        self,
        settings: MembershipSettings,
        tables: Tables,
        memory: Memory,
        *,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._settings = settings
        self._tables = tables
        self._memory = memory
        self._clock = clock
        me = settings.me
        self._core = Ownership(
            me,
            settings.sharding.shards,
            settings.fingerprints,
            memory.remembered.value or Remembered(),
        )
        self._wanting = Wanting(me, memory.wants.value or {})
        self._fitness = Fitness()
        self._heard: dict[NodeId, Moment] = {}
        self._told_version: object = None
        self._telling = False
        self._kept_epoch = 0
        self._epoch_rose = trio.Event()
        self._figures = Figures(tables.member_figures)
        self._beats = OwnBeats(settings.address, settings.public_url, self._figures.echoes)

    async def init(self) -> None:
        """Say what this node holds before anything is fetched, and ask how the bus does."""
        self._bus = self.system.ref(paths.BUS)
        self._feeds = [self.system.ref(paths.feed(name)) for name in self._settings.sharding.counts]
        self._alerts = self.system.ref(paths.ALERTS)
        self._streamer = self.system.ref(paths.STREAMER)
        self._changes = Changes(self._tables.members.value, self._tables.holding.value, self._clock)
        self._settle()
        self._bus.cast(BusWanted())
        if self.generation > 1:
            self.system.ref(paths.SUBSCRIPTION_MANAGER).cast(DemandWanted())
        self.send_every(BEAT_SECONDS, _Beat())
        self.tasks.start_soon(self._keep_epochs, name="keep epochs")

    async def terminate(self, reason: ExitReason) -> None:
        """Say goodbye, where the node stops: a restarted membership goes on instead."""
        if not isinstance(reason, Normal | Shutdown):
            return
        for message in self._core.leave():
            try:
                await self._bus.call(SayLast(self._whole(message)), timeout=FAREWELL_SECONDS)
            except CallError as error:
                _log.debug("the farewell was not heard", reason=str(error))

    # Time

    @handles(_Beat)
    def _on_beat(self, _message: _Beat) -> None:
        self._beats.measure_load()
        unfit = self._fitness.unfit(self._tables.circuits.rows, trio.current_time())
        self._say(self._core.set_unfit(unfit, self._clock()))
        self._core.set_upstream_clock(self._upstream_ahead())
        self._say(self._core.tick(self._clock()))
        for node in self._core.suspects():
            self._bus.cast(Probe(node))
        self._settle()

    # The bus

    @handles(BusUp)
    def _on_up(self, _message: BusUp) -> None:
        self._say(self._core.connected())
        self._bus.cast(Say(self._wanting.mine))
        self._settle()

    @handles(BusDown)
    def _on_down(self, _message: BusDown) -> None:
        self._core.disconnected()
        self._settle()

    @handles(Heard)
    def _on_heard(self, heard: Heard) -> None:
        message = heard.message
        if isinstance(message, Wants):
            self._wanting.hear(message)
            self._add_up()
            return
        if isinstance(message, Heartbeat):
            self._notice(message)
        self._say(self._core.heard(message, self._clock()))
        self._settle()

    @handles(NobodyThere)
    def _on_nobody(self, message: NobodyThere) -> None:
        self._say(self._core.nobody_there(message.node, self._clock()))
        self._settle()

    @handles(TableFull)
    def _on_full(self, _message: TableFull) -> None:
        self._say(self._core.table_filled(self._clock()))
        self._settle()

    def _notice(self, beat: Heartbeat) -> None:
        """Note when it came, and whether something was missed."""
        if beat.sender == self._settings.me:
            self._beats.came_back(beat)
            return
        self._heard[beat.sender] = Moment.now()
        if beat.kind != "bye" and self._wanting.misses(beat.sender, beat.wants):
            self._bus.cast(AskWants(beat.sender))

    # The own node

    @handles(LocalDemand)
    def _on_demand(self, demand: LocalDemand) -> None:
        if self._wanting.tell(demand) and not self._telling:
            self._telling = True
            self.send_after(TELL_WANTS_SECONDS, _TellWants())
        self._settle()

    @handles(_TellWants)
    def _on_tell(self, _message: _TellWants) -> None:
        self._telling = False
        self._bus.cast(Say(self._wanting.mine))

    @handles(DemandWanted)
    def _on_demand_wanted(self, _message: DemandWanted) -> None:
        self._told_version = None
        self._add_up()

    @handles(EpochSeen)
    def _on_seen(self, message: EpochSeen) -> None:
        for name in self._settings.sharding.everywhere(message.symbol):
            self._core.seen(name, message.epoch)

    @handles(EpochsUsed)
    def _on_used(self, message: EpochsUsed) -> None:
        for name, epoch in message.epochs.items():
            self._core.local_epoch(name, epoch)
        self._settle()

    # What follows: said to the others, and shown to the own node

    def _say(self, messages: Iterable[MemberMessage]) -> None:
        for message in messages:
            if isinstance(message, ClaimMessage):
                self._figures.claimed(len(message.claims))
            self._bus.cast(Say(self._whole(message)))

    def _whole(self, message: MemberMessage) -> MemberMessage:
        if isinstance(message, Heartbeat):
            return self._beats.whole(message, self._wanting.mine, self._clock())
        return message

    def _settle(self) -> None:
        """Have the tables say what the core has come to, and whoever it concerns know."""
        core, tables = self._core, self._tables
        remembered = core.remembered()
        self._memory.remembered.put(remembered)
        if remembered.highest > self._kept_epoch:
            self._kept_epoch = remembered.highest
            self._epoch_rose.set()
        before, holding = tables.holding.value, core.holding()
        tables.holding.put(holding)
        living = core.members
        self._wanting.count(living)
        self._heard = {node: self._heard.get(node) or Moment.now() for node in living}
        clients = self._wanting.mine.connections
        members = members_of(core, self._beats, self._heard, clients=clients)
        self._figures.changed(tables.members.value, members)
        tables.members.put(members)
        self._add_up()
        if before is not None and _fetched(before) != _fetched(holding):
            for who in (self._streamer, *self._feeds, self._alerts):
                who.cast(HoldingChanged())
        for text in self._changes.note(members, holding, core.refused):
            self.system.emit(ClusterChanged(self.path, text))

    def _add_up(self) -> None:
        """Tell the feeds what all clients want, where that is not what they know."""
        alone = self._core.alone
        version = self._wanting.version(alone=alone)
        if version == self._told_version:
            return
        self._told_version = version
        self._memory.wants.put(self._wanting.kept())
        self._tables.presence.put(self._wanting.presence(alone=alone))
        demand = self._wanting.demand(alone=alone)
        for feed in self._feeds:
            feed.cast(demand)

    def _upstream_ahead(self) -> int | None:
        """By how many ms the upstreams' clocks are ahead of this node's, as far as they tell."""
        steady, wall = Moment.now().milliseconds, self._clock()
        told = [clock.dated for clock in self._tables.upstream_clocks.rows.values()]
        ahead = [steady + dated - wall for dated in told if dated is not None]
        return median_low(ahead) if ahead else None

    # The task: a disk may hang, and nobody waits for it

    async def _keep_epochs(self) -> None:
        while True:
            await self._epoch_rose.wait()
            self._epoch_rose = trio.Event()
            await trio.to_thread.run_sync(
                self._settings.keep_epoch,
                self._kept_epoch,
                abandon_on_cancel=True,
                limiter=self._memory.disk,
            )


def _fetched(holding: Holding) -> tuple[object, ...]:
    """What the streamer, a feed and the watcher of alerts go by."""
    return holding.epochs, holding.recording, holding.alone
