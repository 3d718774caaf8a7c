"""Puts a minute of a node into one row of figures, and keeps the rows that are not stored yet.

No I/O. It outlives the actor that stores the rows: a kill, and a database that is away, lose none
of the last day.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.delivery.lanes import lag
from stockstream.history.progress import progress

if TYPE_CHECKING:
    from stockstream.delivery.lanes import Connections
    from stockstream.run_record import PastRun
    from stockstream.tables import Tables
    from stockstream.telemetry.telemetry import Telemetry

MINUTE_MS = 60_000
MOST_WAITING = 1_440


class Figures(msgspec.Struct, frozen=True):
    """A minute. `clients` and what lags are as at its end, in seconds; rates are per second over
    it; `memory` in bytes, `cpu` in percent of one processor and `loop_ms` are the highest of it.
    """

    clients: int
    client_lag: float
    history_lag: float
    prices: float
    updates: float
    fetches: float
    fetch_p95: float | None
    fetches_failed: int
    refused: int
    memory: int
    cpu: float
    loop_ms: float


class Minute(msgspec.Struct, frozen=True):
    """The figures of the minute that ended `at` a time, in ms since 1970."""

    at: int
    figures: Figures


class _Counts(msgspec.Struct, frozen=True):
    """What only rises."""

    prices: int
    updates: int
    ended: int
    failed: int
    refused: int


class MinuteBook:
    """See the module. `waiting` are rows that are not stored yet, the oldest first."""

    def __init__(self, tables: Tables, connections: Connections, telemetry: Telemetry) -> None:
        self._tables = tables
        self._connections = connections
        self._telemetry = telemetry
        self._last = self._counts()
        self._last_at = telemetry.process.started
        self.waiting: deque[Minute] = deque(maxlen=MOST_WAITING)
        self.run_is_stored = False

    @property
    def started(self) -> int:
        """When this run began, in ms since 1970."""
        return self._telemetry.process.started

    @property
    def before(self) -> PastRun | None:
        """The run before this one."""
        return self._telemetry.before

    def take(self, now_ms: int) -> bool:
        """Add the row of the minute that is over by now; whether there was one. Inside a trio run.

        Minutes end where those of the clock do, so that rows of all nodes stand side by side.
        """
        if now_ms // MINUTE_MS <= self._last_at // MINUTE_MS:
            return False
        self.waiting.append(
            Minute(now_ms // MINUTE_MS * MINUTE_MS, self._figures(self._last_at, now_ms))
        )
        self._last, self._last_at = self._counts(), now_ms
        return True

    def _counts(self) -> _Counts:
        tables = self._tables
        fetches = [row for name, row in tables.fetches.rows.items() if "@" not in name]
        outcomes = [row.outcomes for row in fetches]
        return _Counts(
            prices=sum(row.newer for row in fetches),
            updates=self._connections.counts.updates,
            ended=sum(sum(one.values()) for one in outcomes),
            failed=sum(n for one in outcomes for what, n in one.items() if what != "successful"),
            refused=sum(row.refused for row in fetches),
        )

    def _figures(self, since: int, now_ms: int) -> Figures:
        counts, last = self._counts(), self._last
        seconds = max(1.0, (now_ms - since) / 1000)
        samples = [one for one in self._telemetry.process.samples() if one.at >= since]
        now, lanes = trio.current_time(), self._connections.lanes()
        recent = sorted(
            taken
            for row in self._tables.fetches.rows.values()
            for taken in list(row.recent)[-max(1, counts.ended - last.ended) :]
        )
        return Figures(
            clients=len(lanes),
            client_lag=round(max((lag(lane, now) for lane in lanes), default=0.0), 2),
            history_lag=round(progress(self._tables, now_ms).lag_seconds, 2),
            prices=round((counts.prices - last.prices) / seconds, 2),
            updates=round((counts.updates - last.updates) / seconds, 2),
            fetches=round((counts.ended - last.ended) / seconds, 3),
            fetch_p95=recent[int(0.95 * (len(recent) - 1))] if recent else None,
            fetches_failed=counts.failed - last.failed,
            refused=counts.refused - last.refused,
            memory=max((one.memory for one in samples), default=0),
            cpu=round(max((one.cpu for one in samples), default=0.0), 1),
            loop_ms=round(max((one.lag_ms for one in samples), default=0.0), 2),
        )
