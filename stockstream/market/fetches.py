"""How long a feed's fetches took, and how they ended: its row, and where a new life goes on."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from stockstream.histogram import Histogram
from stockstream.statuses import FetchFigures
from stockstream.times import Moment

if TYPE_CHECKING:
    from stockstream.statuses import BodySample
    from supervision import Table

FETCH_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The buckets of the time that a fetch, or an attempt to connect, took."""


RECENT = 200
"""Fetches of which the times are kept one by one, for operators."""


class Outcome(StrEnum):
    """The end of a fetch, or of an attempt to connect.

    The provider `refused` our key, or what the plan allows; all other troubles have `failed` it.
    """

    SUCCESSFUL = "successful"
    FAILED = "failed"
    REFUSED = "refused"


class Fetches:
    """See the module. Used in tasks of the upstream's feed only, which may write the row."""

    def __init__(self, upstream: str, rows: Table[str, FetchFigures]) -> None:
        self._upstream = upstream
        self._rows = rows
        row = rows.get(upstream)
        self._recent: deque[float] = deque(() if row is None else row.recent, maxlen=RECENT)
        row = FetchFigures(Histogram(FETCH_SECONDS)) if row is None else row
        self._row = msgspec.structs.replace(row, recent=self._recent)

    def ended(self, outcome: Outcome, seconds: float, body: BodySample | None = None) -> None:
        """One ended that took so long, with this answer if any."""
        self._row.seconds.add(seconds)
        self._recent.append(seconds)
        counts = {**self._row.outcomes, outcome: self._row.outcomes.get(outcome, 0) + 1}
        self._put(outcomes=counts, body=body or self._row.body, ended=Moment.now())

    def items(self, told: int, newer: int, refused: int) -> None:
        """So many items were told, of which so many are newer; so many others were refused."""
        row = self._row
        self._put(told=row.told + told, newer=row.newer + newer, refused=row.refused + refused)

    def _put(self, **changes: object) -> None:
        self._row = msgspec.structs.replace(self._row, **changes)
        self._rows.put(self._upstream, self._row)
