"""The jobs of the history's upkeep: rolling candles up, dropping what is old, purging rows.

Each node has them. Each step takes a turn of the database (`database/turns.py`), so it is done
once, also beside a command that does the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import structlog
import trio

from stockstream.database.query import ask
from stockstream.history.clock_doubt import FetchRecorded, agrees, doubt
from stockstream.history.rolling import RollUp
from stockstream.history.upkeep import Retain, Retained
from stockstream.jobs.job import Done, JobSpec
from stockstream.jobs.schedule import Every
from stockstream.program import as_typed
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.database.query import Query
    from stockstream.statuses import UpstreamClock
    from supervision import ActorRef, Table

ROUND_SECONDS = 60.0
RETAIN_SECONDS = 600.0
RETRY_SECONDS = 5.0
"""How soon a step is tried again after it failed."""
STEP_SECONDS = 1.0
"""Between two steps, so that others get the disk."""
ASK_SECONDS = 130.0
RUN_SECONDS = 60.0
"""After these a run ends, and the next one goes on: so it is seen that something happens."""
DEADLINE_SECONDS = RUN_SECONDS + 4 * ASK_SECONDS

_log: BoundLogger = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """Days that things are kept: ticks, 1-minute candles."""

    ticks: float = 7.0
    candles: float = 90.0

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


class RollUps:
    """The work of `roll_ups`. It keeps no state, so the next run continues where one ended."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock

    async def __call__(self, database: ActorRef) -> Done:
        """Roll up what is due."""
        hours, end = 0, trio.current_time() + RUN_SECONDS
        while some := await ask(database, RollUp(self._clock()), timeout=ASK_SECONDS):
            hours += some
            if trio.current_time() > end:
                return Done(f"{hours} hours rolled up, more to do", again=STEP_SECONDS)
            await trio.sleep(STEP_SECONDS)
        return Done(f"{hours} hours rolled up" if hours else "")


class Trust:
    """Whether the clock may be believed (H25); until then nothing is dropped or purged."""

    def __init__(
        self, upstreams: Table[str, UpstreamClock], clock: Callable[[], int] = now_ms
    ) -> None:
        self._upstreams = upstreams
        self.clock = clock

    async def why_not(self, database: ActorRef) -> str | None:
        """Why nothing may be dropped now; None where nothing is in the way.

        Raises:
            DatabaseError: it cannot be asked what was recorded.
        """
        now, steady = self.clock(), round(trio.current_time() * 1000)
        if any(agrees(clock, now, steady) for clock in self._upstreams.rows.values()):
            return None
        why = doubt(now, await ask(database, FetchRecorded(now), timeout=ASK_SECONDS))
        if why is None:
            return None
        why += "; nothing is dropped before the price API agrees with it (from another machine)"
        return why + as_typed(", or `stockstream db retention --yes` is run")


class Retaining:
    """The work of `retention`: makes partitions ahead, drops old ones, thins the rest."""

    def __init__(self, settings: RetentionSettings, trust: Trust) -> None:
        self._settings = settings
        self._trust = trust
        self._waited = False

    async def __call__(self, database: ActorRef) -> Done:
        """Do it, step by step."""
        why = await self._trust.why_not(database)
        self._tell(why)
        if why is not None:
            return Done(why, waits=True, again=ROUND_SECONDS)
        done, end = Retained(), trio.current_time() + RUN_SECONDS
        while True:
            step = self._settings.step(self._trust.clock())
            part = await ask(database, step, timeout=ASK_SECONDS)
            done = done.plus(part)
            if part.dropped:
                _log.info("old history dropped", partitions=part.dropped)
            if not part.more:
                return Done(_what(done))
            if trio.current_time() > end:
                return Done(f"{_what(done)}; more to do", again=STEP_SECONDS)
            await trio.sleep(STEP_SECONDS)

    def _tell(self, why: str | None) -> None:
        if why is not None and not self._waited:
            _log.warning("retention waits", reason=why)
        if why is None and self._waited:
            _log.info("retention goes on")
        self._waited = why is not None


def _what(done: Retained) -> str:
    parts = [f"{len(done.dropped)} partitions dropped"] if done.dropped else []
    parts += [f"{done.deleted:,} rows deleted"] if done.deleted else []
    parts += [f"{done.made} partitions made"] if done.made else []
    return ", ".join(parts)


class Purging:
    """The work of `purge`: deletes old rows of users, by the same clock as the history's.

    `step` makes a step at a moment in ms since 1970.
    """

    def __init__(self, step: Callable[[int], Query[Purged]], trust: Trust) -> None:
        self._step = step
        self._trust = trust

    async def __call__(self, database: ActorRef) -> Done:
        """Do it, step by step."""
        why = await self._trust.why_not(database)
        if why is not None:
            return Done(why, waits=True, again=ROUND_SECONDS)
        rows: dict[str, int] = {}
        end = trio.current_time() + RUN_SECONDS
        while True:
            done = await ask(database, self._step(self._trust.clock()), timeout=ASK_SECONDS)
            rows = {n: rows.get(n, 0) + done.rows.get(n, 0) for n in {**rows, **done.rows}}
            what = ", ".join(f"{count:,} of {table}" for table, count in rows.items())
            if not done.more:
                return Done(what)
            if trio.current_time() > end:
                return Done(f"{what}; more to do", again=STEP_SECONDS)
            await trio.sleep(STEP_SECONDS)


def upkeep_jobs(
    settings: RetentionSettings,
    purge: Callable[[int], Query[Purged]],
    upstreams: Table[str, UpstreamClock],
    clock: Callable[[], int] = now_ms,
) -> list[JobSpec]:
    """The jobs of this module. `purge` makes a step for the rows of users."""
    trust = Trust(upstreams, clock)
    return [
        JobSpec(
            name="roll_ups",
            about="makes candles of hours and days from those of minutes",
            schedule=Every(ROUND_SECONDS),
            work=RollUps(clock),
            deadline=DEADLINE_SECONDS,
            retry=RETRY_SECONDS,
            at_start=True,
        ),
        JobSpec(
            name="retention",
            about="makes partitions ahead, drops old history",
            schedule=Every(RETAIN_SECONDS),
            work=Retaining(settings, trust),
            deadline=DEADLINE_SECONDS,
            retry=RETRY_SECONDS,
            at_start=True,
        ),
        JobSpec(
            name="purge",
            about="deletes old alerts, lists, sessions and audit",
            schedule=Every(RETAIN_SECONDS),
            work=Purging(purge, trust),
            deadline=DEADLINE_SECONDS,
            retry=RETRY_SECONDS,
            at_start=True,
        ),
    ]
