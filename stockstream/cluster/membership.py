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
from typing import TYPE_CHECKING

import msgspec
import structlog
import trio

from stockstream import paths
from stockstream.cluster.changes import Changes
from stockstream.cluster.fitness import Fitness
from stockstream.cluster.load import Load
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
from stockstream.cluster.ownership import Ownership, Remembered
from stockstream.cluster.wanting import Wanting
from stockstream.cluster.wire import ClaimMessage, Heartbeat, Wants
from stockstream.histogram import Histogram
from stockstream.messages import (
    ClusterChanged,
    Demand,
    DemandWanted,
    EpochSeen,
    EpochsUsed,
    HoldingChanged,
    LocalDemand,
)
from stockstream.shards import NodeId, index_of, shard, shards
from stockstream.statuses import Holding, Member, MemberFigures, Members, NodeState
from stockstream.times import Moment, now_ms
from stockstream.version import program_version
from supervision import Actor, CallError, Normal, Shutdown, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.cluster.memory import Memory
    from stockstream.cluster.wire import MemberMessage
    from stockstream.tables import Tables
    from supervision import ExitReason

BEAT_SECONDS = 0.5
"""Six of them without a word, and a node is dead."""
TELL_WANTS_SECONDS = 0.25
"""What the clients want is told so often at most: a storm of clients is four messages a second."""
FAREWELL_SECONDS = 1.0
"""A bus that does not write within this time has no connection: the others notice that."""
ECHO_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The buckets of the time until a heartbeat comes back."""
UNHEARD_BEATS = 20
"""Heartbeats whose echo is still timed."""

_log: BoundLogger = structlog.get_logger("cluster.membership")


@dataclass(frozen=True, slots=True)
class MembershipSettings:
    """This node is `me`, and its settings are told as `fingerprints`.

    The cluster fetches from `upstreams`, from each in so many `parts`. Operators reach this node at
    `address`, browsers at `public_url`; either may be empty. `keep_epoch` keeps an epoch for the
    next start of this node, and blocks.
    """

    me: NodeId
    upstreams: Sequence[str]
    parts: int
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
            shards(settings.upstreams, settings.parts),
            settings.fingerprints,
            memory.remembered.value or Remembered(),
        )
        self._wanting = Wanting(me, memory.wants.value or {})
        self._fitness = Fitness()
        self._unfit: frozenset[str] = frozenset()
        self._heard: dict[NodeId, Moment] = {}
        self._sent: dict[int, float] = {}  # own heartbeats, by number: when, on trio's clock
        self._demand: Demand | None = None
        self._telling = False
        self._kept_epoch = 0
        self._epoch_rose = trio.Event()
        self._load = Load()
        self._figures = tables.member_figures.value or MemberFigures(Histogram(ECHO_SECONDS))
        self._echo: tuple[Moment, float] | None = None  # the last one: when, after how many seconds

    async def init(self) -> None:
        """Say what this node holds before anything is fetched, and ask how the bus does."""
        self._bus = self.system.ref(paths.BUS)
        self._feeds = [self.system.ref(paths.feed(name)) for name in self._settings.upstreams]
        self._alerts = self.system.ref(paths.ALERTS)
        self._tables.member_figures.put(self._figures)
        self._changes = Changes(self._tables.members.value, self._tables.holding.value)
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
                await self._bus.call(SayLast(self._told(message)), timeout=FAREWELL_SECONDS)
            except CallError as error:
                _log.debug("the farewell was not heard", reason=str(error))

    # Time

    @handles(_Beat)
    def _on_beat(self, _message: _Beat) -> None:
        now = trio.current_time()
        self._load.measure(now)
        self._unfit = self._fitness.unfit(self._tables.circuits.rows, now)
        self._say(self._core.set_unfit(self._unfit, self._now()))
        self._say(self._core.tick(self._now()))
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
        self._say(self._core.heard(message, self._now()))
        self._settle()

    @handles(NobodyThere)
    def _on_nobody(self, message: NobodyThere) -> None:
        self._say(self._core.nobody_there(message.node, self._now()))
        self._settle()

    @handles(TableFull)
    def _on_full(self, _message: TableFull) -> None:
        self._say(self._core.table_filled(self._now()))
        self._settle()

    def _notice(self, beat: Heartbeat) -> None:
        """Note when it came, and whether something was missed."""
        if beat.sender == self._settings.me:
            sent = self._sent.pop(beat.number, None)
            if sent is not None:
                self._echo = Moment.now(), trio.current_time() - sent
                self._figures.echoes.add(self._echo[1])
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
        self._demand = None
        self._add_up()

    @handles(EpochSeen)
    def _on_seen(self, message: EpochSeen) -> None:
        part = index_of(message.symbol, self._settings.parts)
        for upstream in self._settings.upstreams:
            self._core.seen(shard(upstream, part), message.epoch)

    @handles(EpochsUsed)
    def _on_used(self, message: EpochsUsed) -> None:
        for name, epoch in message.epochs.items():
            self._core.local_epoch(name, epoch)
        self._settle()

    # What follows: said to the others, and shown to the own node

    def _say(self, messages: Iterable[MemberMessage]) -> None:
        for message in messages:
            if isinstance(message, ClaimMessage):
                self._count(claims=len(message.claims))
            self._bus.cast(Say(self._told(message)))

    def _told(self, message: MemberMessage) -> MemberMessage:
        """A heartbeat with all that it tells beside membership."""
        if not isinstance(message, Heartbeat):
            return message
        self._sent[message.number] = trio.current_time()
        while len(self._sent) > UNHEARD_BEATS:
            del self._sent[next(iter(self._sent))]
        return msgspec.structs.replace(
            message,
            wants=self._wanting.mine.number,
            product=program_version(),
            address=self._settings.address,
            public_url=self._settings.public_url,
            load=self._load.share,
            clients=self._wanting.mine.connections,
        )

    def _settle(self) -> None:
        """Have the tables say what the core has come to, and whoever it concerns know."""
        core, tables = self._core, self._tables
        remembered = core.remembered()
        self._memory.remembered.put(remembered)
        if remembered.highest > self._kept_epoch:
            self._kept_epoch = remembered.highest
            self._epoch_rose.set()
        before, holding = tables.holding.value, self._holding()
        tables.holding.put(holding)
        living = core.members
        self._wanting.count(living)
        self._heard = {node: self._heard.get(node) or Moment.now() for node in living}
        members, known = self._members(living), tables.members.value
        tables.members.put(members)
        self._count_changes(known, members)
        self._add_up()
        if before is not None and _fetched(before) != _fetched(holding):
            for who in (*self._feeds, self._alerts):
                who.cast(HoldingChanged())
        for text in self._changes.note(members, holding, self._why_standing_by()):
            self.system.emit(ClusterChanged(self.path, text))

    def _count_changes(self, before: Members | None, after: Members) -> None:
        if before is None:
            return
        nodes = [{member.node for member in each.members} for each in (before, after)]
        came, gone = len(nodes[1] - nodes[0]), len(nodes[0] - nodes[1])
        alone = after.state is NodeState.ALONE is not before.state
        if came or gone or alone:
            self._count(came=came, gone=gone, alone=int(alone))

    def _count(self, *, claims: int = 0, came: int = 0, gone: int = 0, alone: int = 0) -> None:
        now = self._figures
        self._figures = msgspec.structs.replace(
            now,
            claims=now.claims + claims,
            came=now.came + came,
            gone=now.gone + gone,
            alone=now.alone + alone,
        )
        self._tables.member_figures.put(self._figures)

    def _holding(self) -> Holding:
        """What the core says; but a node that is alone fetches nothing that nobody wants.

        What it fetched for all when the bus went it fetches on, for those who look later.
        """
        holding = self._core.holding()
        if holding.alone and self._wanting.mine.subscribers == 0:
            epochs = {name: holding.epochs[name] for name in holding.recording}
            return msgspec.structs.replace(holding, epochs=epochs)
        return holding

    def _add_up(self) -> None:
        """Tell the feeds what all clients want, where that is not what they know."""
        self._memory.wants.put(self._wanting.kept())
        alone = self._core.alone
        self._tables.presence.put(self._wanting.presence(alone=alone))
        demand = self._wanting.demand(alone=alone)
        if demand != self._demand:
            self._demand = demand
            for feed in self._feeds:
                feed.cast(demand)

    def _members(self, living: Mapping[NodeId, Heartbeat]) -> Members:
        core = self._core
        mine = Member(
            node=core.me,
            ready=core.ready,
            unfit=self._unfit,
            heard=Moment.now(),
            version=program_version(),
            address=self._settings.address or None,
            public_url=self._settings.public_url or None,
            load=self._load.share,
            clients=self._wanting.mine.connections,
        )
        others = (
            Member(
                node=node,
                ready=beat.ready,
                unfit=frozenset(beat.unfit),
                heard=self._heard[node],
                version=beat.product,
                address=beat.address or None,
                public_url=beat.public_url or None,
                load=beat.load,
                clients=beat.clients,
                differing=core.differing(node),
            )
            for node, beat in living.items()
        )
        echoed, seconds = self._echo or (None, None)
        return Members(
            me=core.me,
            state=core.state,
            members=tuple(sorted((mine, *others), key=lambda member: member.node)),
            claims={name: claim for name, claim in core.claims.items() if claim.name},
            echoed=echoed,
            echo_seconds=seconds,
        )

    def _why_standing_by(self) -> str | None:
        newer, other = self._core.superseded_by, self._core.yields_to
        if newer is not None:
            address = self._core.members[newer].address or "an address it does not tell"
            return f"a newer node has the same NODE_NAME, {newer.name}; it is at {address}"
        if other is not None:
            settings = ", ".join(self._core.differing(other))
            return f"node {other.name} fetches already, with another {settings}"
        return None

    def _now(self) -> int:
        """The wall clock for new epochs; never below what this node has known before its start."""
        return max(self._clock(), self._settings.me.boot)

    # The task: a disk may hang, and nobody waits for it

    async def _keep_epochs(self) -> None:
        while True:
            await self._epoch_rose.wait()
            self._epoch_rose = trio.Event()
            await trio.to_thread.run_sync(
                self._settings.keep_epoch, self._kept_epoch, abandon_on_cancel=True
            )


def _fetched(holding: Holding) -> tuple[object, ...]:
    """What a feed, and the watcher of alerts, go by."""
    return holding.epochs, holding.recording, holding.alone
