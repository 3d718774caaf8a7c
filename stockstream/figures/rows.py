"""Figures as rows: written by the minute, read over hours, and deleted after a week."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.figures.minutes import Figures, Minute
from stockstream.times import to_datetime, to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection
    from stockstream.run_record import PastRun

KEPT_MS = 7 * 86_400_000
PURGED_AT_ONCE = 1_000
"""A node writes 1,440 a day: this is a hundred times as much, so that it catches up."""
MOST_POINTS = 400

_WRITE = """
INSERT INTO node_figures (node, at, figures)
SELECT $1, m.at, m.figures::jsonb FROM unnest($2::timestamptz[], $3::text[]) AS m (at, figures)
ON CONFLICT DO NOTHING
"""
_WRITE_RUN = """
INSERT INTO node_runs (node, started, before_ended, before_how) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
"""
_PURGE = """
DELETE FROM node_figures WHERE (node, at) IN (
    SELECT node, at FROM node_figures WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)
"""
_PURGE_RUNS = "DELETE FROM node_runs WHERE started < $1"
_READ = """
SELECT at, figures::text FROM node_figures WHERE node = $1 AND at > $2 AND at <= $3 ORDER BY at
"""
_READ_RUNS = """
SELECT started, before_ended, before_how FROM node_runs
WHERE node = $1 AND started > $2 AND started <= $3 ORDER BY started
"""
_HIGHEST = frozenset({"client_lag", "history_lag", "fetch_p95", "memory", "cpu", "loop_ms"})
_SUMS = frozenset({"fetches_failed", "refused"})
NAMES = Figures.__struct_fields__


class Run(msgspec.Struct, frozen=True):
    """A run began; the one before `ended` `how`, which are null where it had no time to say so."""

    started: int
    ended: int | None
    how: str | None


class Course(msgspec.Struct, frozen=True):
    """Figures over hours: points of `step` ms, each the time at its end and the figures by `names`;
    of several minutes the mean, the sum of what is counted, the highest of what is too much.
    """

    names: tuple[str, ...]
    start: int
    end: int
    step: int
    points: list[list[float | None]]
    runs: list[Run]


@dataclass(frozen=True, slots=True)
class WriteFigures(Query[None]):
    """Store minutes of a node, and its run; what is stored already stays. Old rows go."""

    node: str
    minutes: tuple[Minute, ...]
    now: int
    started: int
    before: PastRun | None
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> None:
        """Write them."""
        before = self.before
        ended = None if before is None or before.ended is None else to_datetime(before.ended)
        await connection.execute(
            _WRITE_RUN,
            self.node,
            to_datetime(self.started),
            ended,
            None if before is None else before.how or "killed",
        )
        await connection.execute(
            _WRITE,
            self.node,
            [to_datetime(minute.at) for minute in self.minutes],
            [msgspec.json.encode(minute.figures).decode() for minute in self.minutes],
        )
        oldest = to_datetime(self.now - KEPT_MS)
        await connection.execute(_PURGE, oldest, PURGED_AT_ONCE)
        await connection.execute(_PURGE_RUNS, oldest)


@dataclass(frozen=True, slots=True)
class FetchCourse(Query[Course]):
    """The figures of a node from `start` to `end`, in ms since 1970."""

    node: str
    start: int
    end: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> Course:
        """Read them."""
        span = self.node, to_datetime(self.start), to_datetime(self.end)
        rows = await connection.fetch(_READ, *span)
        minutes = [
            (to_ms(row[0]), msgspec.json.decode(row[1], type=dict[str, float | None]))
            for row in rows
        ]
        runs = [
            Run(to_ms(row[0]), None if row[1] is None else to_ms(row[1]), row[2])
            for row in await connection.fetch(_READ_RUNS, *span)
        ]
        return course_of(minutes, self.start, self.end, runs)


def course_of(
    minutes: list[tuple[int, dict[str, float | None]]], start: int, end: int, runs: list[Run]
) -> Course:
    """Minutes put together so that there are `MOST_POINTS` at most. Pure."""
    per_point = max(1, -(-(end - start) // (MOST_POINTS * 60_000)))
    step = per_point * 60_000
    gathered: dict[int, list[dict[str, float | None]]] = {}
    for at, figures in minutes:
        gathered.setdefault(-(-at // step) * step, []).append(figures)
    points = [
        [float(at), *(_together(name, some) for name in NAMES)] for at, some in gathered.items()
    ]
    return Course(NAMES, start, end, step, points, runs)


def _together(name: str, some: list[dict[str, float | None]]) -> float | None:
    values = [value for one in some if (value := one.get(name)) is not None]
    if not values:
        return None
    if name in _HIGHEST:
        return max(values)
    return sum(values) if name in _SUMS else round(sum(values) / len(values), 3)
