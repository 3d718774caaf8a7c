"""Which notices are told, and when: the same one within a minute is counted, and told after it.

No I/O and no clock of its own: seconds of a monotonic clock are passed in, and the wall time of
what happened. Everything is bounded. It outlives the actor that tells.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from stockstream.notices.notice import NoticeKind, Said

MINUTE_SECONDS = 60.0
MOST_KNOWN = 256
"""Notices that are told apart; beyond it, the one that was told longest ago is forgotten."""
MOST_DUE = 100
"""Notices that wait to be told; they do while nobody is there to tell them. The oldest give way."""


class Told(NamedTuple):
    """A notice to be told now: what was `said` last, at `at` in ms since 1970, `times` times."""

    said: Said
    at: int
    times: int


@dataclass(slots=True)
class _Minute:
    """A notice was told; until its minute is over the same one is `held`. `last` is the last."""

    ends: float
    held: int = 0
    last: tuple[Said, int] | None = None


class NoticeBook:
    """See the module."""

    def __init__(self) -> None:
        self.said: Counter[NoticeKind] = Counter()
        """All that was said, by kind."""
        self.held = 0
        """Of these, the ones that came within a minute after the same one."""
        self.bad: OrderedDict[tuple[NoticeKind, str], tuple[Said, int]] = OrderedDict()
        """What was said last of each subject, and when, where that is bad."""
        self._minutes: OrderedDict[tuple[str, str, str], _Minute] = OrderedDict()
        self._states: dict[tuple[str, str], str] = {}
        self._due: deque[Told] = deque(maxlen=MOST_DUE)

    def say(self, said: Said, now: float, at: int) -> None:
        """Have it told, at once or when its minute is over."""
        self.said[said.kind] += 1
        self._states[said.kind, said.subject] = said.state
        self.bad.pop((said.kind, said.subject), None)
        if said.bad:
            self.bad[said.kind, said.subject] = (said, at)
            if len(self.bad) > MOST_KNOWN:
                self.bad.popitem(last=False)
        key = (said.kind, said.subject, said.state)
        minute = self._minutes.get(key)
        if minute is not None and now < minute.ends:
            self.held += 1
            minute.held += 1
            minute.last = (said, at)
            return
        self._tell(key, said, at, 1 + (0 if minute is None else minute.held), now)

    def take(self, now: float) -> list[Told]:
        """What is to be told by now; it is not told again."""
        for key, minute in list(self._minutes.items()):
            if now < minute.ends:
                continue
            if minute.last is None:
                self._forget(key)
            elif self._states.get(key[:2]) == key[2]:
                said, at = minute.last
                self._tell(key, said, at, minute.held, now)
            # Else it is not so any more: it counts in the next one like it.
        due = list(self._due)
        self._due.clear()
        return due

    def _tell(self, key: tuple[str, str, str], said: Said, at: int, times: int, now: float) -> None:
        self._due.append(Told(said, at, times))
        self._minutes[key] = _Minute(now + MINUTE_SECONDS)
        self._minutes.move_to_end(key)
        while len(self._minutes) > MOST_KNOWN:
            self._forget(next(iter(self._minutes)))

    def _forget(self, key: tuple[str, str, str]) -> None:
        del self._minutes[key]
        if self._states.get(key[:2]) == key[2]:
            del self._states[key[:2]]
