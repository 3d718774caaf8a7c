"""Who fetches which shard: each node decides for itself, by what it hears. No clock, no I/O.

A fetcher is known by the epoch of its claim. Who should fetch a shard, the node of the highest
random weight among those that are ready and fit, claims it in a higher epoch than any it knows. The
claim holds once it has come back; who hears a higher one stops fetching, and until then goes on. So
two may fetch the same for a moment, and nobody ever waits for a lease to run out. Every heartbeat
tells all claims that its sender knows, so that what one missed comes with the next.

The bus is the lease: who cannot reach it cannot publish there. A node that hears nothing of itself
is *alone*, and fetches for its own clients only, each time in a new epoch. Those epochs are claims
as others are, told at the return and claimed over. See ADR 0211.
"""

from __future__ import annotations

from collections import deque

# Not only for type checking: msgspec reads the annotations.
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from stockstream.cluster.claim_book import ClaimBook, is_too_far_ahead
from stockstream.cluster.clocks import Clocks
from stockstream.cluster.rendezvous import preferred
from stockstream.cluster.roster import Roster
from stockstream.cluster.wire import ClaimMessage, Heartbeat
from stockstream.shards import Claim, Shard, next_epoch, part_of, upstream_of
from stockstream.statuses import Holding, NodeState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

    from stockstream.cluster.wire import MemberMessage
    from stockstream.shards import NodeId

ECHOES_TO_JOIN = 2
SILENT_WHEN_ALONE = 6
"""So many ticks without an echo, and a node is alone: 3 s."""
SILENT_PER_TICK_CUT_OFF = 2
"""A tick without a connection counts for more: alone after 1 s."""
CLAIM_AGAIN_AFTER = 3
"""Ticks until a claim that has not come back is made again."""
BROUGHT_EVERY = 2
"""Ticks between two times that epochs from outside are believed: 1 s."""
SENT_AND_UNHEARD = 64
"""Heartbeats of which an echo still counts; later ones that are not are of no use."""


class Remembered(msgspec.Struct, frozen=True):
    """What outlives the owner of an `Ownership`; only `Ownership` itself looks inside."""

    claims: Mapping[Shard, Claim] = {}
    highest: int = 0
    brought: Mapping[Shard, int] = {}
    unfit: frozenset[str] = frozenset()
    beats: tuple[Heartbeat, ...] = ()
    number: int = 0
    joined: bool = False
    filled: bool = False
    ready: bool = False
    silent: int = 0
    tried: bool = False
    kept: frozenset[Shard] | None = None
    claimed: frozenset[Shard] = frozenset()
    contested: frozenset[Shard] = frozenset()
    taken_back: frozenset[Shard] = frozenset()
    outbid_unheard: frozenset[Shard] = frozenset()
    given_alone: frozenset[Shard] = frozenset()
    clock_off: int = 0
    clock_is_wrong: bool = False


class Ownership:
    """Node `me` in its cluster. What a method returns is to be sent to the members at once.

    Its owner calls `tick` at each heartbeat interval, and adds to heartbeats what else they tell.
    `now_ms` is the wall clock, which new epochs are taken from as `clocks` allow, and nothing else.
    """

    def __init__(
        self,
        me: NodeId,
        shards: Iterable[Shard],
        fingerprints: Mapping[str, str],
        remembered: Remembered = Remembered(),  # noqa: B008  immutable
    ) -> None:
        """`fingerprints` are told in heartbeats; `remembered` is of an earlier life of the owner.

        It begins without a connection.
        """
        self.me = me
        self._shards: dict[str, list[Shard]] = {}
        for shard in shards:
            self._shards.setdefault(upstream_of(shard), []).append(shard)
        self._fingerprints = dict(fingerprints)
        self._unfit = remembered.unfit
        self._roster = Roster(me, self._fingerprints, remembered.beats)

        names = [shard for shards in self._shards.values() for shard in shards]
        self._book = ClaimBook(names, remembered.claims, remembered.highest)
        self._sent: dict[Shard, tuple[int, int]] = {}  # own claims: the epoch, and at which tick
        self._pending: set[Shard] = set()  # those that have not come back
        self._claimed = set(remembered.claimed)  # what this node has ever claimed
        self._contested = set(remembered.contested)  # those above an epoch of others
        self._taken_back = set(remembered.taken_back)  # of those, where the others are alive
        # Those that were this node's until it was told of a claim of one that it had not heard.
        self._outbid_unheard = set(remembered.outbid_unheard)
        # Those with prices that this node gave while alone, so that nobody else was told of them.
        self._given_alone = set(remembered.given_alone)
        self._brought = dict(remembered.brought)
        self._refused: dict[NodeId, int] = {}
        self.clocks = Clocks(remembered.clock_off, is_wrong=remembered.clock_is_wrong)
        self._upstream_ahead: int | None = None
        self._outran = False

        self._connected = False
        self._tried = remembered.tried  # whether the first attempt to connect has ended
        self._left = False
        self._joined = remembered.joined
        self._filled = remembered.filled
        self._ready = remembered.ready
        self._ticks = 0
        self._echoes = 0
        self._silent = remembered.silent
        self._number = remembered.number
        # The numbers of heartbeats that count as time when they come back.
        self._timed: deque[int] = deque(maxlen=SENT_AND_UNHEARD)
        self._kept = remembered.kept  # what was fetched for all when the bus went

    def remembered(self) -> Remembered:
        """For the next life of the owner."""
        return Remembered(
            claims=self._book.all(),
            highest=self._book.highest,
            brought=dict(self._brought),
            unfit=self._unfit,
            beats=tuple(self._roster.beats().values()),
            number=self._number,
            joined=self._joined,
            filled=self._filled,
            ready=self._ready,
            silent=self._silent,
            tried=self._tried,
            kept=self._kept,
            claimed=frozenset(self._claimed),
            contested=frozenset(self._contested),
            taken_back=frozenset(self._taken_back),
            outbid_unheard=frozenset(self._outbid_unheard),
            given_alone=frozenset(self._given_alone),
            clock_off=self.clocks.off,
            clock_is_wrong=self.clocks.is_wrong,
        )

    # What follows from it

    @property
    def claims(self) -> dict[Shard, Claim]:
        """Who fetches each shard, as far as known; nobody's claims too."""
        return self._book.all()

    @property
    def refused(self) -> dict[NodeId, int]:
        """The members that tell epochs too far ahead, and the highest of them."""
        return dict(self._refused)

    @property
    def members(self) -> dict[NodeId, Heartbeat]:
        """The last heartbeat of each other node that lives."""
        return self._roster.beats()

    @property
    def ready(self) -> bool:
        """Whether this node has all prices and may fetch."""
        return self._ready

    @property
    def filled(self) -> bool:
        """Whether this node has been told all prices there were when it came."""
        return self._filled

    @property
    def unfit(self) -> frozenset[str]:
        """The upstreams that this node leaves to others, where there are any."""
        return self._unfit

    @property
    def alone(self) -> bool:
        """Whether nothing comes back: the others cannot be reached.

        Not before the first attempt to connect has ended. A machine that is busy with the start
        takes its time for that, and the node would fetch beside the one that fetches for all.
        """
        return self._tried and self._silent >= SILENT_WHEN_ALONE

    @property
    def stands_by(self) -> bool:
        """Whether this node must not fetch, not even alone."""
        return (
            self.superseded_by is not None
            or self.yields_to is not None
            or self.clocks.is_wrong
            or self.outran
        )

    @property
    def superseded_by(self) -> NodeId | None:
        """A newer node of the same name."""
        return self._roster.newer_namesake()

    @property
    def yields_to(self) -> NodeId | None:
        """A node whose settings make other prices, and which goes first; `differing` says which."""
        return self._roster.ahead_with_other_settings(ready=self._ready)

    @property
    def outran(self) -> bool:
        """Whether its epochs are those of a clock that was wrong by days, and is right again.

        What it was told of them nobody can follow, and it takes nothing that is below them.
        """
        return self._outran

    @property
    def state(self) -> NodeState:
        """How this node stands in its cluster."""
        if self.stands_by:
            return NodeState.STANDING_BY
        if self.alone:
            return NodeState.ALONE
        return NodeState.READY if self._ready and self._up else NodeState.JOINING

    def differing(self, node: NodeId) -> tuple[str, ...]:
        """The settings of member `node` that should be as they are here, and are not."""
        return self._roster.differing(node)

    def suspects(self) -> list[NodeId]:
        """Those to ask whether anybody listens on their own subject."""
        return self._roster.suspects() if self._up else []

    def holding(self) -> Holding:
        """What this node fetches.

        Alone it keeps recording what it fetched for all when the bus went. Back again, it records
        nothing more before it has heard what the others hold.
        """
        highest = {shard: claim.epoch for shard, claim in self._book.all().items()}
        if self.stands_by:
            return Holding(highest=highest, alone=self.alone)
        mine = self._book.of(self.me)
        recording = mine if self._kept is None else self._kept & mine
        if self.alone:
            mine = frozenset(highest)
            recording = self._kept or frozenset()
        epochs = {shard: highest[shard] for shard in mine}
        back = frozenset() if self.alone else mine & self._taken_back
        return Holding(epochs, recording, highest, self.alone, mine & self._contested, back)

    # The bus

    def connected(self) -> list[MemberMessage]:
        """There is a connection, and it listens: join, or join again."""
        if not self._tried:
            self._silent = 0
        self._connected = self._tried = True
        self._join()
        return [self._beat("hello")]

    def disconnected(self) -> None:
        """There is none any more, or the first attempt has failed."""
        self._connected, self._tried = False, True
        self._pending.clear()

    def leave(self) -> list[MemberMessage]:
        """Say that this node stops; it says nothing more."""
        farewell: list[MemberMessage] = [self._beat("bye")] if self._connected else []
        self._left = True
        return farewell

    # Time

    def tick(self, now_ms: int) -> list[MemberMessage]:
        """A heartbeat interval is over."""
        if self._left:
            return []
        self._ticks += 1
        if self._ticks % BROUGHT_EVERY == 0:
            for shard, epoch in self._brought.items():
                self._book.bring(shard, epoch, self._time(now_ms))
            self._brought.clear()
        self._silent += 1 if self._connected else SILENT_PER_TICK_CUT_OFF
        if self.alone and self._kept is None:
            self._kept = self._book.of(self.me)
            self._join()
        if not self._connected:
            return []
        beat = self._beat()
        self._timed.append(beat.number)
        return [beat, *self._new_claims(now_ms)]

    # What is heard

    def heard(self, message: MemberMessage, now_ms: int) -> list[MemberMessage]:
        """Take in what a node said about itself or its shards; this one hears itself too."""
        if self._left:
            return []
        if message.sender == self.me:
            return self._heard_myself(message, now_ms)
        refused = self._take(message.claims, now_ms)
        if isinstance(message, ClaimMessage):
            return self._new_claims(now_ms)
        if message.kind == "bye":
            self._roster.bury(message.sender)
            return self._judge(now_ms)
        if refused is not None:
            self._refused[message.sender] = refused
        else:
            self._refused.pop(message.sender, None)
        self.clocks.hear(message.sender, message.clock)
        agrees = refused is None and self._book.agrees(message.claims)
        came = self._roster.hear(message, agrees=agrees)
        said = self._judge(now_ms)
        if message.kind == "hello" or (came and self._up):
            return [self._beat(), *said]
        return said

    def nobody_there(self, node: NodeId, now_ms: int) -> list[MemberMessage]:
        """Nobody listens on the subject of a suspect any more: its connection is gone."""
        if node not in self.suspects():
            return []  # it was heard meanwhile
        self._roster.bury(node)
        return self._judge(now_ms)

    # What its own node tells

    def table_filled(self, now_ms: int) -> list[MemberMessage]:
        """All prices of the cluster are here, or nobody was there to ask."""
        self._filled = True
        return self._judge(now_ms)

    def set_unfit(self, upstreams: Iterable[str], now_ms: int) -> list[MemberMessage]:
        """The upstreams that this node cannot reach, so that another should fetch from them."""
        unfit = frozenset(upstreams)
        if unfit == self._unfit:
            return []
        self._unfit = unfit
        return [self._beat(), *self._new_claims(now_ms)] if self._up else []

    def set_upstream_clock(self, ahead: int | None) -> None:
        """By the date of its answers the upstream's clock is so many ms ahead of this node's."""
        self._upstream_ahead = ahead

    def seen(self, shard: Shard, epoch: int) -> None:
        """A version of that epoch came from outside: of a node that was alone, and is dead.

        It counts as a claim by nobody, so that whoever fetches the shard claims above it. A client
        may make one up, so that they count once a second only.
        """
        if shard in self._book:
            self._brought[shard] = max(epoch, self._brought.get(shard, 0))

    def local_epoch(self, shard: Shard, epoch: int) -> None:
        """While alone, this node has given versions of that epoch."""
        self._book.add(shard, Claim(epoch, *self.me))
        self._given_alone.add(shard)

    # Inside

    @property
    def _up(self) -> bool:
        return self._connected and self._echoes >= ECHOES_TO_JOIN

    def _time(self, now_ms: int) -> int:
        # At each use anew: what is being heard may tell that the clock is wrong, or right again.
        return self.clocks.now(now_ms, self.me.boot)

    def _join(self) -> None:
        self._echoes = 0
        self._pending.clear()
        self._timed.clear()
        self._book.begin_again()
        self._roster.begin_again()
        self.clocks.begin_again()

    def _beat(self, kind: Literal["beat", "hello", "bye"] = "beat") -> Heartbeat:
        self._number += 1
        return Heartbeat(
            name=self.me.name,
            boot=self.me.boot,
            number=self._number,
            kind=kind,
            ready=self._ready,
            unfit=tuple(sorted(self._unfit)),
            claims=self._book.all(),
            fingerprints=self._fingerprints,
        )

    def _heard_myself(self, message: MemberMessage, now_ms: int) -> list[MemberMessage]:
        if isinstance(message, ClaimMessage):
            for shard, claim in message.claims.items():
                if shard in self._pending and self._sent[shard][0] == claim.epoch:
                    self._pending.discard(shard)
                    self._outbid_unheard.discard(shard)
                    self._book.add(shard, claim)
                    if self._book[shard] == claim:
                        self._given_alone.discard(shard)
            return []
        # Answers to others are not counted: many who join would make time fly.
        if message.number not in self._timed:
            return []
        while self._timed and self._timed[0] <= message.number:
            self._timed.popleft()
        self._silent = 0
        self._echoes += 1
        self._book.note()
        self.clocks.echo(message.clock, self._upstream_ahead)
        if self._up:
            self._joined = True
            self._kept = None
            self._roster.echo()
            self._refused = {n: epoch for n, epoch in self._refused.items() if n in self._roster}
            # Where the others' epochs are far ahead too, all clocks were set: they go on together.
            self._outran = (
                self.clocks.judged
                and not self._refused
                and any(beat.ready for beat in self.members.values())
                and is_too_far_ahead(self._book.highest, self._time(now_ms))
            )
        return self._judge(now_ms)

    def _judge(self, now_ms: int) -> list[MemberMessage]:
        """Whether this node is ready now; it is told at once when that changed."""
        before = self._ready
        self._ready = self._joined and self._filled and not self.stands_by
        news: list[MemberMessage] = [self._beat()] if self._up and self._ready != before else []
        return [*news, *self._new_claims(now_ms)]

    # Claims

    def _take(self, claims: Mapping[Shard, Claim], now_ms: int) -> int | None:
        """Take in claims that another node tells; the answer is that of the book.

        Of one from the other side of a partition the claim may come before its first heartbeat, as
        everybody tells all claims.
        """
        mine = self._book.of(self.me)
        refused = self._book.take(claims, self._time(now_ms))
        for shard in mine:
            claim = self._book[shard]
            if claim.node != self.me and not claim.is_nobodys and claim.node not in self._roster:
                self._outbid_unheard.add(shard)
        return refused

    def _new_claims(self, now_ms: int) -> list[MemberMessage]:
        """What this node should fetch and does not hold."""
        if not (self._up and self._ready) or self._left:
            return []
        epoch = next_epoch(self.me.name, self._time(now_ms), self._book.highest)
        claims: dict[Shard, Claim] = {}
        for upstream, shards in self._shards.items():
            candidates = self._candidates(upstream)
            for shard in shards:
                if (
                    preferred(part_of(shard), candidates) == self.me.name
                    and not self._has(shard)
                    and self._may_claim(shard)
                ):
                    self._note_contested(shard)
                    self._claimed.add(shard)
                    claims[shard] = Claim(epoch, *self.me)
                    self._sent[shard] = (epoch, self._ticks)
                    self._pending.add(shard)
        if not claims:
            return []
        return [ClaimMessage(name=self.me.name, boot=self.me.boot, claims=claims)]

    def _has(self, shard: Shard) -> bool:
        """Whether its claim is this node's, and all that was given in it was told to all."""
        return self._book[shard].node == self.me and shard not in self._given_alone

    def _candidates(self, upstream: str) -> frozenset[str]:
        """The nodes that may fetch from an upstream; are all unfit for it, all may."""
        candidates = {**self._roster.candidates(), self.me.name: tuple(self._unfit)}
        fit = frozenset(name for name, unfit in candidates.items() if upstream not in unfit)
        return fit or frozenset(candidates)

    def _note_contested(self, shard: Shard) -> None:
        """Whether there may be prices in the epoch that is outbid which nobody tells, or which hide
        those told here: it is nobody's, or of a node that took what this one had claimed. That one
        was alone, or on the other side of a partition. If it was not, the same prices are told
        once more. So are those that this node gave while alone, and in that epoch since, before
        others were there to hear.
        """
        if self._takes_back(shard):
            self._taken_back.add(shard)
        else:
            self._taken_back.discard(shard)
        untold = self._book[shard].is_nobodys or shard in self._given_alone
        if untold or shard in self._taken_back:
            self._contested.add(shard)
        else:
            self._contested.discard(shard)

    def _takes_back(self, shard: Shard) -> bool:
        known = shard in self._claimed and self._book[shard].node in self._roster
        return known or shard in self._outbid_unheard

    def _may_claim(self, shard: Shard) -> bool:
        """Not while the last claim is under way, and once a tick at most.

        Two that do not agree about who is there would outbid each other as fast as the bus goes.
        """
        if shard not in self._sent:
            return True
        passed = self._ticks - self._sent[shard][1]
        return passed >= (CLAIM_AGAIN_AFTER if shard in self._pending else 1)
