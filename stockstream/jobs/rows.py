"""The rows of jobs in the database: who runs one now, and how its last run went. Queries only.

A run is claimed for a lease, which its runner renews; all by the database's clock. A claim whose
lease has ended is of a node that is gone: its run counts as failed, and the next node that comes
takes the job. So one node at a time runs a job. What a job does to rows is guarded besides, by the
turns of its own steps (`database/turns.py`), should a node be held up for longer than its lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query
from stockstream.times import to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

LEASE_SECONDS = 60.0
LONGEST_NOTE = 2_000

_KNOW = "INSERT INTO jobs (name) VALUES ($1) ON CONFLICT DO NOTHING"
# The run of a claimant that is gone, or of a former life of this very claimant. A lease that ends
# later than it was ever given for was given before the clock was set back.
_SWEEP = """
UPDATE jobs SET outcome = 'failed', failures = failures + 1, runs = runs + 1, claimed_by = NULL,
    note = 'its node ended in the middle of it, or was cut off', ended = clock_timestamp(),
    seconds = NULL
WHERE name = $1 AND claimed_by IS NOT NULL AND (
    claimed_until < clock_timestamp()
    OR claimed_until > clock_timestamp() + 2 * make_interval(secs => $2)
    OR claimed_by = $3)
"""
_COLUMNS = """name, coalesce(started, known) AS base, started, ended, seconds, outcome, note, node,
    succeeded, CASE WHEN claimed_by IS NULL THEN NULL ELSE node END AS running_on, claimed_by,
    runs, failures, clock_timestamp() AS now"""
_FETCH = f"SELECT {_COLUMNS} FROM jobs WHERE name = $1"  # noqa: S608 - columns of ours
_CLAIM = """
UPDATE jobs SET claimed_by = $2, node = $3, started = clock_timestamp(),
    claimed_until = clock_timestamp() + make_interval(secs => $4)
WHERE name = $1 AND claimed_by IS NULL
    AND floor(extract(epoch FROM coalesce(started, known)) * 1000)::bigint = $5
"""
_KEEP = """
UPDATE jobs SET claimed_until = clock_timestamp() + make_interval(secs => $3)
WHERE name = $1 AND claimed_by = $2
"""
_END = """
UPDATE jobs SET claimed_by = NULL, ended = clock_timestamp(), seconds = $3, outcome = $4,
    note = $5, runs = runs + 1, failures = failures + CASE WHEN $4 = 'failed' THEN 1 ELSE 0 END,
    succeeded = CASE WHEN $4 = 'ok' THEN clock_timestamp() ELSE succeeded END
WHERE name = $1 AND claimed_by = $2
"""


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job's row; times in ms since 1970. `base` is its last start, or when it was first known.

    `now` is the database's clock. `running_on` names the node that has it, None where none does.
    """

    name: str
    base: int
    started: int | None
    ended: int | None
    seconds: float | None
    outcome: str
    note: str
    node: str | None
    succeeded: int | None
    running_on: str | None
    runs: int
    failures: int
    now: int


def _read(row: Row) -> JobRow:
    def moment(column: str) -> int | None:
        value = row[column]
        return None if value is None else to_ms(value)

    return JobRow(
        name=row["name"],
        base=to_ms(row["base"]),
        started=moment("started"),
        ended=moment("ended"),
        seconds=row["seconds"],
        outcome=row["outcome"],
        note=row["note"],
        node=row["node"],
        succeeded=moment("succeeded"),
        running_on=row["running_on"],
        runs=row["runs"],
        failures=row["failures"],
        now=to_ms(row["now"]),
    )


@dataclass(frozen=True, slots=True)
class FetchJob(Query[JobRow]):
    """The row of a job, which is made where there is none. Claims of those that are gone end.

    Only who does not run the job now asks: a claim of the asker itself counts as gone.
    """

    name: str
    claimant: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> JobRow:
        """Ask."""
        row = await connection.fetchrow(_FETCH, self.name)
        if row is None:
            await connection.execute(_KNOW, self.name)
        if row is None or row["claimed_by"] is not None:
            await connection.execute(_SWEEP, self.name, LEASE_SECONDS, self.claimant)
            row = await connection.fetchrow(_FETCH, self.name)
        assert row is not None  # noqa: S101 - for the type checker
        return _read(row)


@dataclass(frozen=True, slots=True)
class ClaimJob(Query[bool]):
    """Begin a run, if nobody has begun one since `base`; whether it is ours."""

    name: str
    claimant: str
    node: str
    base: int
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> bool:
        """Ask."""
        done = await connection.execute(
            _CLAIM, self.name, self.claimant, self.node, LEASE_SECONDS, self.base
        )
        return done == "UPDATE 1"


@dataclass(frozen=True, slots=True)
class KeepJob(Query[bool]):
    """Renew the lease; false when the run is not ours any more."""

    name: str
    claimant: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> bool:
        """Ask."""
        return await connection.execute(_KEEP, self.name, self.claimant, LEASE_SECONDS) == (
            "UPDATE 1"
        )


@dataclass(frozen=True, slots=True)
class EndJob(Query[bool]):
    """Store how a run of ours went: `ok`, `failed` or `waits`; false when it was not ours."""

    name: str
    claimant: str
    seconds: float
    outcome: str
    note: str
    purpose: ClassVar[Purpose] = Purpose.ROWS

    async def run(self, connection: Connection) -> bool:
        """Ask."""
        note = self.note.replace("\0", "")[:LONGEST_NOTE]
        done = await connection.execute(
            _END, self.name, self.claimant, self.seconds, self.outcome, note
        )
        return done == "UPDATE 1"
