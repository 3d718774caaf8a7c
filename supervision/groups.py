"""Groups of actors under a key, which empty themselves as members end.

As Elixir's `Registry` with duplicate keys, and OTP's `pg`. A plain object, made by whoever wires
the system and handed on by child spec. A name that only one may have is `Actor.register`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from .errors import NoProc

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from .cell import Cell
    from .ref import ActorRef

K = TypeVar("K", bound="Hashable")


@dataclass(frozen=True, slots=True)
class GroupStatistics:
    """Keys that have members, and memberships in all."""

    keys: int
    memberships: int


class Groups(Generic[K]):
    """Members by key, in the order in which they joined. An actor is in a group at most once.

    A member leaves all its groups when it ends: before its monitors are told, and before its
    successor starts, which joins anew.
    """

    def __init__(self) -> None:
        self._members: dict[K, dict[Cell, None]] = {}
        self._joined: dict[Cell, tuple[set[K], Callable[[], None]]] = {}

    def join(self, key: K, member: ActorRef) -> None:
        """Put the incarnation that `member` names now into the group; again is a no-op.

        Raises:
            NoProc: there is none.
        """
        cell = member.locate()
        if cell is None or cell.ended:
            raise NoProc(member.path)
        self._members.setdefault(key, {})[cell] = None
        if cell not in self._joined:

            def leave_all() -> None:
                self._leave_all(cell)

            self._joined[cell] = set(), leave_all
            cell.at_end = (*cell.at_end, leave_all)
        self._joined[cell][0].add(key)

    def leave(self, key: K, member: ActorRef) -> None:
        """Take `member` out of the group; a no-op when it is not in it."""
        cell = member.locate()
        if cell is None or key not in self._joined.get(cell, ((), None))[0]:
            return
        keys, leave_all = self._joined[cell]
        self._remove(key, cell)
        keys.remove(key)
        if not keys:
            del self._joined[cell]
            cell.at_end = tuple(action for action in cell.at_end if action is not leave_all)

    def members(self, key: K) -> list[ActorRef]:
        """The incarnations in the group now."""
        return [cell.ref for cell in self._members.get(key, ())]

    def keys(self) -> list[K]:
        """The keys of groups that have members."""
        return list(self._members)

    def cast(self, key: K, message: object) -> int:
        """Send to every member; the answer is how many there were. Never waits."""
        members = self.members(key)
        for ref in members:
            ref.cast(message)
        return len(members)

    def statistics(self) -> GroupStatistics:
        """Counts, for operators."""
        return GroupStatistics(len(self._members), sum(map(len, self._members.values())))

    def _leave_all(self, cell: Cell) -> None:
        for key in self._joined.pop(cell)[0]:
            self._remove(key, cell)

    def _remove(self, key: K, cell: Cell) -> None:
        group = self._members[key]
        del group[cell]
        if not group:
            del self._members[key]
