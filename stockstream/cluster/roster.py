"""Who else is in the cluster: heard of by heartbeats, dead after echoes. Pure: no clock, no I/O.

Time is counted in echoes: a node's own heartbeats that came back to it through the bus. Another
node is dead when `DEAD_AFTER` of them came without one from it. So a node that was frozen, is cut
off or lags buries nobody: no echo, no time passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.cluster.fingerprints import MUST_BE_EQUAL, differing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.cluster.wire import Heartbeat
    from stockstream.shards import NodeId

DEAD_AFTER = 6
SUSPECT_AFTER = 2
"""Echoes without a heartbeat. A suspect is dead when nobody listens on its own subject."""
MOST_NODES = 100
"""Others that are known at once; more are not heard. Names are what senders say, and whoever made
up thousands would have each node count them, and nothing else."""
DISAGREES_AFTER = 3
"""Heartbeats in a row. One may have been on its way while its sender was told better."""


@dataclass(slots=True)
class Peer:
    """Another node: its last heartbeat, and by which own echo it came.

    `differing` are the settings that are not the same here; `disagreed` counts its latest
    heartbeats with claims that cannot be followed.
    """

    beat: Heartbeat
    heard: int
    differing: tuple[str, ...]
    disagreed: int = 0

    @property
    def is_stranger(self) -> bool:
        """It gives prices that cannot be mixed with those given here."""
        return self.beat.ready and not MUST_BE_EQUAL.isdisjoint(self.differing)


class Roster:
    """The other nodes that live, as node `me` has heard them."""

    def __init__(
        self, me: NodeId, fingerprints: Mapping[str, str], beats: Iterable[Heartbeat] = ()
    ) -> None:
        """`beats` are those of the nodes that were there before this roster was made again."""
        self._me = me
        self._fingerprints = fingerprints
        self._echo = 0
        self._peers = {
            beat.sender: Peer(beat, 0, differing(fingerprints, beat.fingerprints)) for beat in beats
        }

    def __contains__(self, node: NodeId) -> bool:
        return node in self._peers

    def beats(self) -> dict[NodeId, Heartbeat]:
        """The last heartbeat of each, by the node."""
        return {node: peer.beat for node, peer in self._peers.items()}

    def hear(self, beat: Heartbeat, *, agrees: bool) -> bool:
        """Take in a heartbeat that is no farewell; whether its sender was not known.

        `agrees` says whether its claims can be followed. A newer life of a name buries the older.
        While it lives the older one counts for nothing, and may come back afterwards.
        """
        node = beat.sender
        namesakes = [other for other in (self._me, *self._peers) if other.name == node.name]
        if any(other.boot > node.boot for other in namesakes):
            return False
        known = self._peers.get(node)
        if known is None and not namesakes and len(self._peers) >= MOST_NODES:
            return False
        for other in namesakes:
            if other != node:
                self._peers.pop(other, None)
        disagreed = 0 if agrees else 1 if known is None else known.disagreed + 1
        self._peers[node] = Peer(
            beat, self._echo, differing(self._fingerprints, beat.fingerprints), disagreed
        )
        return known is None

    def bury(self, node: NodeId) -> None:
        """It is gone: it said so, or nobody listens there."""
        self._peers.pop(node, None)

    def begin_again(self) -> None:
        """Time begins anew: what was sent meanwhile could not be heard."""
        self._echo = 0
        for peer in self._peers.values():
            peer.heard = 0

    def echo(self) -> None:
        """An own heartbeat came back: time has passed, and the dead are buried."""
        self._echo += 1
        for node in self._silent_for(DEAD_AFTER):
            self.bury(node)

    def suspects(self) -> list[NodeId]:
        """Those to ask whether anybody listens there."""
        return self._silent_for(SUSPECT_AFTER)

    def newer_namesake(self) -> NodeId | None:
        """The newer node of this one's name, if there is one."""
        return next((node for node in self._peers if node.name == self._me.name), None)

    def differing(self, node: NodeId) -> tuple[str, ...]:
        """The settings of `node` that should be the same as here and are not."""
        return self._peers[node].differing

    def ahead_with_other_settings(self, *, ready: bool) -> NodeId | None:
        """The node that stays ready in this one's place, as their prices cannot be mixed.

        Who is ready goes first: nobody who joins with a wrong setting stops the others. Of two
        that are ready, as after a partition, it is the one that was started first.
        """
        mine = (self._me.boot, self._me.name)
        for node, peer in self._peers.items():
            if peer.is_stranger and (not ready or (node.boot, node.name) < mine):
                return node
        return None

    def candidates(self) -> dict[str, tuple[str, ...]]:
        """Those that may fetch, by their names, with the upstreams they are unfit for."""
        return {
            node.name: peer.beat.unfit
            for node, peer in self._peers.items()
            if peer.beat.ready and peer.disagreed < DISAGREES_AFTER and not peer.is_stranger
        }

    def _silent_for(self, echoes: int) -> list[NodeId]:
        return [node for node, peer in self._peers.items() if self._echo - peer.heard >= echoes]
