"""Limits the lines of one story: a burst per second, and the rest is counted."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.telemetry.entries import EntryKind

BURST = 5
BURST_SECONDS = 1.0
MOST = 1_000
"""Stories kept apart; beyond, the one begun first is forgotten."""
_NUMBERED = re.compile(r"(?<![^/])\d+(?=/|$)")


@dataclass(slots=True)
class Story:
    """Events of one kind at one place within one second; `more` is how many got no line.

    The numbered children of one supervisor are one place: a hundred sessions dying of one bug
    would otherwise be all that a log holds.
    """

    kind: EntryKind
    place: str
    began: float
    lines: int = 0
    more: int = 0


class Stories:
    """Admits lines of stories."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._running: OrderedDict[tuple[EntryKind, str], Story] = OrderedDict()

    def admit(self, kind: EntryKind, path: str) -> bool:
        """Whether an event gets a line; else it is counted."""
        now = self._monotonic()
        key = kind, place_of(path)
        story = self._running.get(key)
        if story is None or now - story.began >= BURST_SECONDS:
            left = 0 if story is None else story.more
            self._running.pop(key, None)
            # Events without a line yet are reported with the rest of this second.
            story = self._running[key] = Story(*key, now, more=left)
            if len(self._running) > MOST:
                self._running.popitem(last=False)
        if story.lines >= BURST:
            story.more += 1
            return False
        story.lines += 1
        return True

    def calm(self) -> list[Story]:
        """Take out the stories whose second is over; returns those with unreported events."""
        now = self._monotonic()
        over = [key for key, story in self._running.items() if now - story.began >= BURST_SECONDS]
        return [story for story in map(self._running.pop, over) if story.more]


def place_of(path: str) -> str:
    """The path, with `#` in place of a dynamic supervisor's running number."""
    return _NUMBERED.sub("#", path)


def is_numbered(path: str) -> bool:
    """Whether this is a child of a dynamic supervisor, which gives them running numbers."""
    return path.rpartition("/")[2].isdecimal()
