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


_Memberships = tuple[dict[int, tuple[K, dict["Cell", None]]], "Callable[[], None]"]
"""The groups of a member by identity, each with its key, and what leaves them all."""


class Groups(Generic[K]):
    """Members by key, in the order in which they joined. An actor is in a group at most once.

    A member leaves all its groups when it ends: before its monitors are told, and before its
    successor starts, which joins anew.
    """

    def __init__(self) -> None:
        self._members: dict[K, dict[Cell, None]] = {}
        self._joined: dict[Cell, _Memberships[K]] = {}

    def join(self, key: K, member: ActorRef) -> None:
        """Put the incarnation that `member` names now into the group; again is a no-op.

        Raises:
            NoProc: there is none.
        """
        cell = member.locate()
        if cell is None or cell.ended:
            raise NoProc(member.path)
        group = self._members.setdefault(key, {})
        group[cell] = None
        if cell not in self._joined:

            def leave_all() -> None:
                self._leave_all(cell)

            self._joined[cell] = {}, leave_all
            cell.at_end = (*cell.at_end, leave_all)
        self._joined[cell][0][id(group)] = key, group

    def leave(self, key: K, member: ActorRef) -> None:
        """Take `member` out of the group; a no-op when it is not in it."""
        cell = member.locate()
        group = self._members.get(key)
        if cell is None or group is None or cell not in group:
            return
        joined, leave_all = self._joined[cell]
        del joined[id(group)]
        self._remove(key, group, cell)
        if not joined:
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
        # By the groups, not by their keys: a key that was changed is not found any more, and an
        # error here would be the end of the member's supervisor.
        for key, group in self._joined.pop(cell)[0].values():
            self._remove(key, group, cell)

    def _remove(self, key: K, group: dict[Cell, None], cell: Cell) -> None:
        del group[cell]
        if group:
            return
        if self._members.get(key) is group:
            del self._members[key]
        else:
            self._members = {key: group for key, group in self._members.items() if group}
