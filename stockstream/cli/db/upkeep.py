"""`stockstream db retention|rebuild`: what the server does by itself, done now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Protocol, Self, TypeVar

from cyclopts import Parameter
from rich.progress import MofNCompleteColumn, TimeElapsedColumn, TimeRemainingColumn

from stockstream.cli.db.common import Json, Visit, Yes, moment, print_json, progress, visiting
from stockstream.errors import UsageError
from stockstream.history import overview
from stockstream.history.clock_doubt import FetchRecorded, doubt
from stockstream.history.rolling import Rebuild, RollUp
from stockstream.history.upkeep import Retained
from stockstream.times import DAY_MS, HOUR_MS, now_ms
from stockstream.users.purging import Purged

if TYPE_CHECKING:
    from stockstream.database.query import Query

HOURS_PER_DAY = DAY_MS // HOUR_MS


async def retention(*, dry_run: bool = False, yes: Yes = False, as_json: Json = False) -> int:
    """Drop now what is too old by the settings RETAIN_..., and roll candles up.

    Parameters
    ----------
    dry_run
        Only tell what would be dropped.
    yes
        Also when this machine's clock is far past what was recorded, and may be wrong.
    as_json
        Print JSON.
    """
    # Here alone: with it all parts are imported, which would double the start of each `db` command.
    from stockstream import part_settings  # noqa: PLC0415

    async with visiting() as visit:
        if not yes and not dry_run:
            await _refuse_in_doubt(visit)
        kept = part_settings.retention(visit.settings)
        purge = part_settings.purge(visit.settings)
        with progress(TimeElapsedColumn()) as bars:
            bars.add_task("retention", total=None)
            # Before their minutes go, hours and days are put together.
            rolled = 0 if dry_run else await _rolled_up(visit)
            done = await _all_of(
                visit, kept.step(now_ms(), dry_run=dry_run, waits=True), Retained()
            )
            purged = await _all_of(
                visit, purge.step(now_ms(), dry_run=dry_run, waits=True), Purged()
            )
    if as_json:
        print_json(
            {
                "dropped": done.dropped,
                "made": done.made,
                "deleted": done.deleted,
                "purged": dict(purged.rows),
                "rolled_up": rolled,
                "dry_run": dry_run,
            }
        )
        return 0
    verb = "would be dropped" if dry_run else "dropped"
    rows = ", ".join(f"{count:,} of {table}" for table, count in purged.rows.items())
    sys.stdout.write(
        f"{', '.join(done.dropped) or 'no partition'} {verb}; "
        f"{done.made} partitions made ahead; {rolled} hours rolled up; "
        f"rows that {'would be' if dry_run else 'were'} purged: {rows or 'none'}\n"
    )
    return 0


async def _refuse_in_doubt(visit: Visit) -> None:
    """Check that the clock that decides which history is old may be believed (H25).

    Raises:
        Refused: it may be wrong.
    """
    now = now_ms()
    why = doubt(now, await visit.ask(FetchRecorded(now)))
    if why is not None:
        raise UsageError(f"nothing was dropped: {why}; --yes drops all the same")


async def _rolled_up(visit: Visit) -> int:
    rolled = 0
    while hours := await visit.ask(RollUp(now_ms(), waits=True)):
        rolled += hours
    return rolled


class _Part(Protocol):
    """The result of one step of long work; `more` says that there is more to do."""

    @property
    def more(self) -> bool: ...

    def plus(self, later: Self, /) -> Self: ...


Part = TypeVar("Part", bound=_Part)


async def _all_of(visit: Visit, step: Query[Part], done: Part) -> Part:
    """Ask for steps until there is no more to do; `done` is the empty result."""
    while True:
        part = await visit.ask(step)
        done = done.plus(part)
        if not part.more:
            return done


async def rebuild(
    *,
    begin: Annotated[str | None, Parameter(name="--from")] = None,
    as_json: Json = False,
) -> int:
    """Rebuild all candles from the ticks that are still there, hour by hour.

    Candles of hours whose ticks are not all there any more stay as they are.

    Parameters
    ----------
    begin
        From this day on (UTC), else from the first day whose ticks are all kept.
    as_json
        Print JSON.
    """
    given = None if begin is None else moment("--from", begin) // DAY_MS
    if given is not None and given * DAY_MS > now_ms():
        raise UsageError("--from: that day is still to come")
    async with visiting() as visit:
        hours = await _hours(visit, given)
        made = 0
        with progress(MofNCompleteColumn(), TimeRemainingColumn()) as bars:
            for hour in bars.track(hours, description="rebuild"):
                made += await visit.ask(Rebuild(hour))
    if as_json:
        print_json({"candles": made})
    else:
        sys.stdout.write(f"{made:,} 1-minute candles made, and those rolled up from them\n")
    return 0


async def _hours(visit: Visit, given: int | None) -> range:
    """The hours since 1970 to be rebuilt, from a day on or from the first that is safe."""
    first_tick = (await visit.ask(overview.Look())).first_tick
    if first_tick is None:
        return range(0)
    # The oldest day that is kept may have lost its first ticks, and its candles know of them.
    safe = int(now_ms() - visit.settings.retain_ticks * DAY_MS) // DAY_MS + 1
    # Ticks of a day may have been received on the next one.
    oldest = moment("", first_tick) // DAY_MS - 1
    first = max(oldest, safe if given is None else given)
    return range(first * HOURS_PER_DAY, now_ms() // HOUR_MS + 1)
