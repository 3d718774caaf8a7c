"""Memory that outlives its writer, as an ETS table with an heir does.

A table is a plain object. Whoever wires the system makes it and hands it on by child spec. The
actor at one path writes it, or each of its rows, through all its incarnations. Anyone reads,
without waiting. Values are immutable, so a reader may keep what it got. Nothing can wait for a
change of a table: to tell somebody, send a message.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from .context import current_cell
from .errors import NotTheWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class TableStatistics:
    """Rows now, writes and deletes since the table was made."""

    rows: int
    writes: int
    deletes: int


class Ownership:
    """Lets the actor at one path write, whatever its incarnation. Checked before each write."""

    __slots__ = ("name", "writer")

    def __init__(self, name: str, writer: str) -> None:
        self.name = name
        self.writer = writer

    def check(self) -> None:
        """Pass for a task of the writer.

        Raises:
            NotTheWriter: the running task belongs to another actor, or to none.
        """
        cell = current_cell.get()
        if cell is None or cell.path != self.writer:
            culprit = "no actor" if cell is None else cell.path
            raise NotTheWriter(self.name, self.writer, culprit)


class Table(Generic[K, V]):
    """Rows by key, written by the actor at the path `writer` only.

    Where each row has a writer of its own, `writer` gives its path by the key.

    `revision` rises with every change, so a reader knows cheaply whether to look again.
    """

    def __init__(self, name: str, *, writer: str | Callable[[K], str]) -> None:
        self.revision = 0
        self._name = name
        self._owner = Ownership(name, writer) if isinstance(writer, str) else writer
        self._rows: dict[K, V] = {}
        self._deletes = 0
        self.rows: Mapping[K, V] = MappingProxyType(self._rows)
        """A live, read-only view."""

    def put(self, key: K, value: V) -> None:
        """Set a row."""
        self._check((key,))
        self._rows[key] = value
        self.revision += 1

    def put_all(self, rows: Mapping[K, V]) -> None:
        """Set many rows in one step."""
        self._check(rows)
        self._rows.update(rows)
        self.revision += 1

    def delete(self, key: K) -> None:
        """Drop a row; no error when there is none."""
        self._check((key,))
        if key in self._rows:
            del self._rows[key]
            self._deletes += 1
            self.revision += 1

    def _check(self, keys: Iterable[K]) -> None:
        if isinstance(self._owner, Ownership):
            self._owner.check()
            return
        for key in keys:
            Ownership(self._name, self._owner(key)).check()

    def get(self, key: K) -> V | None:
        """The row, or None."""
        return self._rows.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def statistics(self) -> TableStatistics:
        """Counts, for operators."""
        return TableStatistics(len(self._rows), self.revision - self._deletes, self._deletes)


class Slot(Generic[V]):
    """A table of one row: the state that the actor at the path `writer` shows to everybody."""

    def __init__(self, name: str, *, writer: str) -> None:
        self._owner = Ownership(name, writer)
        self._value: V | None = None

    @property
    def value(self) -> V | None:
        """What was put last; None before the first."""
        return self._value

    def put(self, value: V) -> None:
        """Set the value.

        Raises:
            NotTheWriter: the running task is not the writer's.
        """
        self._owner.check()
        self._value = value
