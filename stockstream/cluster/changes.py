"""One line for each change of the cluster as this node sees it: members, holding, alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from stockstream.cluster.member_rows import has_another_time, how_far
from stockstream.statuses import NodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.shards import NodeId, Shard
    from stockstream.statuses import Holding, Member, Members

MOST_NAMED = 8
"""So many shards are named in a line; of more it has the number."""

_log: BoundLogger = structlog.get_logger("cluster")


class Changes:
    """Logs what is not as it was when it was told last."""

    def __init__(
        self, members: Members | None, holding: Holding | None, clock: Callable[[], int]
    ) -> None:
        """Begin with what the tables say: a restarted membership has nothing new to tell. `clock`
        is the wall clock, in ms.
        """
        self._clock = clock
        self._members = members
        self._holding = holding
        self._refused: frozenset[NodeId] = frozenset()

    def note(self, members: Members, holding: Holding, refused: Mapping[NodeId, int]) -> list[str]:
        """Log the changes. Of the nodes in `refused`, that epoch is too far ahead. The answer is
        what was logged, for the event log.
        """
        told = [
            *self._members_changed(members),
            *self._settings_differ(members),
            *self._holding_changed(holding),
            *self._clocks_differ(members),
            *self._state_changed(members),
            *self._refused_changed(refused),
        ]
        self._members, self._holding = members, holding
        return told

    def _members_changed(self, members: Members) -> list[str]:
        before, after = _others(self._members), _others(members)
        came = [_named(node) for node in after if node not in before]
        gone = [_named(node) for node in before if node not in after]
        if not came and not gone:
            return []
        names = [member.node.name for member in members.members]
        _log.info("the members changed", came=came, gone=gone, members=names)
        parts = [f"{name} came" for name in came] + [f"{name} is gone" for name in gone]
        return [f"{', '.join(parts)}: {len(names)} nodes"]

    def _settings_differ(self, members: Members) -> list[str]:
        before = _others(self._members)
        told = []
        for node, member in _others(members).items():
            known = before.get(node)
            if member.differing and (known is None or known.differing != member.differing):
                settings = ", ".join(member.differing)
                _log.warning("settings differ", node=node.name, settings=settings)
                told.append(f"settings of {node.name} differ from those here: {settings}")
        return told

    def _holding_changed(self, holding: Holding) -> list[str]:
        before = frozenset() if self._holding is None else frozenset(self._holding.epochs)
        after = frozenset(holding.epochs)
        if before == after:
            return []
        gained, lost = after - before, before - after
        parts = [f"fetches {_listed(gained)}"] if gained else []
        parts += [f"leaves {_listed(lost)} to others"] if lost else []
        text = "; ".join(parts)
        _log.info("the holding changed", what=text, holds=len(after))
        return [text]

    def _clocks_differ(self, members: Members) -> list[str]:
        before = _others(self._members)
        told = []
        for node, member in _others(members).items():
            ahead = member.clock_ahead
            if ahead is not None and has_another_time(member):
                known = before.get(node)
                if known is None or not has_another_time(known):
                    _log.warning("clocks differ", node=node.name, seconds_ahead=round(ahead / 1000))
                    told.append(f"the clock of {node.name} is {how_far(ahead)} this node's")
        return told

    def _state_changed(self, members: Members) -> list[str]:
        before = None if self._members is None else self._members.state
        after = members.state
        if before is after:
            return []
        text = _STATES[after] if members.why is None else f"stands by: {members.why}"
        log = _log.info if after in {NodeState.READY, NodeState.JOINING} else _log.warning
        log("the state in the cluster changed", state=after.value, meaning=text)
        return [text]

    def _refused_changed(self, refused: Mapping[NodeId, int]) -> list[str]:
        told = []
        for node in refused.keys() - self._refused:
            ahead = round((refused[node] - self._clock()) / 1000)
            _log.warning("epochs are refused", node=node.name, seconds_ahead=ahead)
            told.append(f"epochs that {node.name} tells are {ahead} s ahead, and refused")
        self._refused = frozenset(refused)
        return told


_STATES = {
    NodeState.JOINING: "is joining the cluster",
    NodeState.READY: "is ready to fetch for the cluster",
    NodeState.ALONE: "is alone, nothing comes back from NATS: it fetches for its own clients",
    NodeState.STANDING_BY: "stands by",
}


def _others(members: Members | None) -> Mapping[NodeId, Member]:
    if members is None:
        return {}
    return {member.node: member for member in members.members if member.node != members.me}


def _named(node: NodeId) -> str:
    return node.name


def _listed(shards: Collection[Shard]) -> str:
    if len(shards) > MOST_NAMED:
        return f"{len(shards)} shards"
    return ", ".join(sorted(shards))
