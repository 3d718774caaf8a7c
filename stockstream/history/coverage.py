"""Up to when history is complete, as whoever reads it is told. Pure.

Prices are recorded a moment after they are published, and later while the database is away, or
slow. A reader who is not told takes a hole for a market without trades.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from stockstream.history.progress import LATE_SECONDS, progress
from stockstream.quotes import iso_utc

if TYPE_CHECKING:
    from stockstream.tables import Tables
    from stockstream.times import Moment


class RecordingState(StrEnum):
    """`current`: all but the last seconds is there. `behind`: later prices wait to be recorded.
    `down`: they wait, and nothing is recorded now.
    """

    CURRENT = "current"
    BEHIND = "behind"
    DOWN = "down"


class Recording(msgspec.Struct, frozen=True):
    """How far recording has come. Prices that were received before `complete_to` are in the answer,
    later ones may be missing; `behind_seconds` is how long ago that was, 0 when nothing waits.
    """

    state: RecordingState
    complete_to: str
    behind_seconds: float

    def on_replica(self, as_of: Moment | None, now_ms: int) -> Recording:
        """The same for an answer from a replica, which has what was recorded before `as_of`."""
        if as_of is None or as_of.age <= self.behind_seconds:
            return self
        late = self.state is RecordingState.CURRENT and as_of.age > LATE_SECONDS
        return Recording(
            RecordingState.BEHIND if late else self.state,
            iso_utc(now_ms - round(as_of.age * 1000)),
            round(as_of.age, 3),
        )


def recording(tables: Tables, now_ms: int) -> Recording:
    """How recording stands now; only inside a trio run."""
    database, recorder = tables.database.value, tables.recorder.value
    standing = progress(tables, now_ms)
    behind = standing.lag_seconds
    if database is None or not database.up or recorder is None:
        state = RecordingState.DOWN
    elif max(behind, _age(recorder.behind_since)) > LATE_SECONDS:
        state = RecordingState.BEHIND
    else:
        state = RecordingState.CURRENT
    return Recording(state, iso_utc(now_ms - round(behind * 1000)), behind)


def _age(since: Moment | None) -> float:
    return 0.0 if since is None else since.age
