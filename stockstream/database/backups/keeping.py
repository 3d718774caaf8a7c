"""Which backups may go. Pure.

A backup stays while it is among the newest, or young, or while one that stays needs it. The newest
good one always stays, whatever the clock says. One that began after now was made by a clock that
was ahead: how old it is, nobody knows. It stays, and is not counted: it pushes out no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.database.backups.manifest import Manifest

_PART = re.compile(r"(\d{1,5})(d?)")


@dataclass(frozen=True, slots=True)
class Keep:
    """The `count` newest stay, and those that are not older than `days`."""

    count: int = 14
    days: float = 0.0

    def __str__(self) -> str:
        return ", ".join([str(self.count)] + ([f"{self.days:g}d"] if self.days else []))


def read_keep(text: str) -> Keep:
    """What a person has written: `14`, `30d`, or both.

    Raises:
        ValueError: it is neither.
    """
    count, days = None, 0.0
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"{text!r}: write how many are kept, how long, or both: 14, 30d")
        if found[2]:
            days = float(found[1])
        else:
            count = int(found[1])
    if count == 0 or (count is None and not days):
        raise ValueError(f"{text!r}: one is kept at least")
    return Keep(1 if count is None else count, days)


def may_go(backups: Sequence[Manifest], keep: Keep, now: int) -> list[Manifest]:
    """Those that are not needed any more, each after what needs it; `now` in ms since 1970."""
    newest = sorted(backups, key=lambda one: (one.began, one.name), reverse=True)
    by_name = {one.name: one for one in newest}
    dated = [one for one in newest if one.began <= now]
    stay = {one.name for one in dated[: max(1, keep.count)]}
    stay |= {one.name for one in newest if one.began > now}
    stay |= {one.name for one in newest if one.began > now - keep.days * DAY_MS}
    for one in newest:
        parent = one.parent if one.name in stay else None
        while parent is not None and parent in by_name:
            stay.add(parent)
            parent = by_name[parent].parent
    return [one for one in newest if one.name not in stay]


def first_log_needed(backups: Sequence[Manifest]) -> str | None:
    """The first file of the write-ahead log that a restore may need; None where none is known."""
    firsts = [one.first_log for one in backups if one.first_log is not None]
    return min(firsts, key=position) if firsts else None


def position(log: str) -> str:
    """A log file's place in the log, whatever its timeline."""
    return log[8:24]
