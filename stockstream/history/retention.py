"""The actor `retention`: rolls candles up, makes partitions ahead, drops and purges old rows.

Each node has one. They take turns by locks of the database (`database/turns.py`), so each step is
done once, by whichever node comes first; the others try again in their next round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import msgspec
import structlog
import trio

from stockstream import paths
from stockstream.database.backup_notes import read_notes
from stockstream.database.query import DatabaseError, ask
from stockstream.history.clock_doubt import FetchRecorded, agrees, doubt
from stockstream.history.rolling import RollUp
from stockstream.history.upkeep import Retain
from stockstream.program import as_typed
from stockstream.statuses import RetentionStatus
from stockstream.times import now_ms
from supervision import Actor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from stockstream.database.query import Query
    from stockstream.statuses import UpstreamClock
    from supervision import Slot, Table

ROUND_SECONDS = 60.0
RETAIN_SECONDS = 600.0
RETRY_SECONDS = 5.0
"""How soon the database is asked again after it could not be asked."""
NOTES_SECONDS = 2.0
STEP_SECONDS = 1.0
"""Between two steps, so that others get the disk."""
ASK_SECONDS = 130.0
TROUBLE_SECONDS = 60.0
"""Only failures that last so long are reported: a database comes back, a long query ends."""

_log: BoundLogger = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Days that things are kept: ticks, 1-minute candles. Notes of backups are in `directory`."""

    ticks: float = 7.0
    candles: float = 90.0
    directory: Path | None = None

    def step(self, now: int, *, dry_run: bool = False, waits: bool = False) -> Retain:
        """A step at `now` (ms since 1970)."""
        return Retain(now, {"ticks": self.ticks, "candles_1m": self.candles}, dry_run, waits)


class Purged(Protocol):
    """The result of a purge's step: rows deleted by table, and whether there are more."""

    @property
    def rows(self) -> Mapping[str, int]:
        """How many, by table."""

    @property
    def more(self) -> bool:
        """Whether a further step would delete more."""


class Retention(Actor):
    """See the module. It keeps no state, so its successor continues where it ended."""

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self,
        settings: RetentionSettings,
        purge: Callable[[int], Query[Purged]],
        upstreams: Table[str, UpstreamClock],
        statuses: Slot[RetentionStatus],
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`purge` makes a step for the rows of users, at a moment in ms since 1970. These rows do
        not belong to the history, but need the same clock, which must be believed first.
        """
        self._settings = settings
        self._purge_step = purge
        self._upstreams = upstreams
        self._statuses = statuses
        self._clock = clock
        self._failing_since: float | None = None
        self._limiter = trio.CapacityLimiter(1)
        self._notes_told = ""

    async def init(self) -> None:
        """Begin."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        self._due = trio.current_time()
        while True:
            await self._look_for_backups()
            try:
                more = await self._turn()
            except DatabaseError as error:
                self._note_failure(str(error))
                await trio.sleep(RETRY_SECONDS)
            else:
                self._failing_since = None
                self._tell(trouble=None)
                await trio.sleep(STEP_SECONDS if more else ROUND_SECONDS)

    async def _look_for_backups(self) -> None:
        """Have it known when the last backup was made. A disk that hangs holds up nothing else."""
        directory = self._settings.directory
        if directory is None:
            return
        with trio.move_on_after(NOTES_SECONDS):
            try:
                notes = await trio.to_thread.run_sync(
                    read_notes, directory, abandon_on_cancel=True, limiter=self._limiter
                )
            except OSError as error:
                if str(error) != self._notes_told:
                    _log.warning("the notes of backups cannot be read", reason=str(error))
                self._notes_told = str(error)
            else:
                self._notes_told = ""
                before = self._statuses.value or RetentionStatus()
                self._statuses.put(msgspec.structs.replace(before, backed_up=notes.made))

    async def _turn(self) -> bool:
        """One step of each, so that a long or failing one does not stop the others. Returns whether
        one of them has more to do.

        Raises:
            DatabaseError: one of them failed.
        """
        failures: list[DatabaseError] = []
        more = await self._tried(self._roll_up, failures)
        if trio.current_time() >= self._due and await self._may_drop():
            kept = await self._tried(self._retain, failures)
            purged = await self._tried(self._purge, failures)
            if not (kept or purged or failures):
                self._due = trio.current_time() + RETAIN_SECONDS
            more = more or kept or purged
        if failures:
            raise failures[0]
        return more

    async def _tried(
        self, step: Callable[[], Awaitable[bool]], failures: list[DatabaseError]
    ) -> bool:
        try:
            return await step()
        except DatabaseError as error:
            failures.append(error)
            return False

    def _note_failure(self, why: str) -> None:
        now = trio.current_time()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= TROUBLE_SECONDS:
            self._tell(trouble=f"fails: {why}")

    def _tell(self, **changes: str | None) -> None:
        """Store the status, and log each trouble and its end."""
        before = self._statuses.value or RetentionStatus()
        now = msgspec.structs.replace(before, **changes)
        if now == before:
            return
        self._statuses.put(now)
        if now.waits is not None and before.waits is None:
            _log.warning("retention waits", reason=now.waits)
        if now.trouble is not None and before.trouble is None:
            _log.warning("retention is in trouble", reason=now.trouble)
        if now.waits is now.trouble is None:
            _log.info("retention goes on")

    async def _roll_up(self) -> bool:
        return bool(await ask(self._database, RollUp(self._clock()), timeout=ASK_SECONDS))

    async def _may_drop(self) -> bool:
        """Whether the clock may be believed (H25); until then nothing is dropped or purged."""
        now, steady = self._clock(), round(trio.current_time() * 1000)
        why = None
        clocks = self._upstreams.rows.values()
        if not any(agrees(clock, now, steady) for clock in clocks):
            why = doubt(now, await ask(self._database, FetchRecorded(now), timeout=ASK_SECONDS))
        if why is not None:
            why += "; nothing is dropped before the price API agrees with it (from another machine)"
            why += as_typed(", or `stockstream db retention --yes` is run")
        self._tell(waits=why)
        return why is None

    async def _retain(self) -> bool:
        query = self._settings.step(self._clock())
        done = await ask(self._database, query, timeout=ASK_SECONDS)
        if done.dropped:
            _log.info("old history dropped", partitions=done.dropped)
        return done.more

    async def _purge(self) -> bool:
        done = await ask(self._database, self._purge_step(self._clock()), timeout=ASK_SECONDS)
        if done.rows:
            _log.info("old rows purged", rows=dict(done.rows))
        return done.more
