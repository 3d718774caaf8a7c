"""A drill: a backup is restored for real, aside, and compared with what it should hold."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import trio

from stockstream.database import dumps, visit
from stockstream.database.backups import restoring
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.backups.holdings import CountNewer, FetchCandle, FetchHoldings, Holdings
from stockstream.database.backups.making import check_room
from stockstream.database.backups.manifest import DATA, DUMP
from stockstream.database.backups.scratch import scratch_server
from stockstream.database.dumps import DumpFailed
from stockstream.database.embedded.files import Layout
from stockstream.database.query import DatabaseError, ask

if TYPE_CHECKING:
    from stockstream.database.backups.making import Target
    from stockstream.database.backups.manifest import Manifest
    from stockstream.database.visit import Asking

ASK_SECONDS = 130.0
CHANGING = frozenset({"jobs"})
"""Tables whose rows come and go within a backup."""


class Drill(msgspec.Struct, frozen=True):
    """How it went. `differences` are what is not as it should be; none, and the backup is good.

    `lost_seconds` and `lost_ticks` are what would be lost, were the source gone now; None where it
    could not be asked, or holds nothing. `candle` says whether a candle that changes no more is
    the same in both: `same`, `differs`, `gone` (dropped by retention), or `not compared`.
    """

    backup: str
    kind: str
    took_seconds: float
    rows: dict[str, int]
    last_tick: int | None
    lost_seconds: float | None
    lost_ticks: int | None
    candle: str
    differences: list[str]


async def drill(
    target: Target, chosen: Manifest, at: str | None, source: Asking | None, scratch: Path | None
) -> Drill:
    """Restore `chosen` below `scratch`, the temporary folder of the machine unless it is given.

    Raises:
        BackupFailed: it cannot be restored.
    """
    begun = trio.current_time()
    links = await restoring.checked_chain(target, chosen)
    try:
        folder = tempfile.TemporaryDirectory(prefix="stockstream-drill-", dir=scratch)
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from error
    with folder as name:
        layout = Layout(Path(name))
        room = target.__class__(layout.directory, "the temporary folder (--scratch)")
        check_room(room, sum(one.bytes for one in links) + 100_000_000)
        if chosen.kind == "dump":
            found = await _of_dump(target, chosen, layout)
        else:
            recovery = await restoring.materialize(target, links, layout, at)
            async with scratch_server(layout, recovery) as url:
                found = await _holdings(url, layout)
        took = trio.current_time() - begun
    differences = [] if at is not None else compared(chosen, found)
    lost_seconds, lost_ticks, candle = None, None, "not compared"
    if source is not None:
        try:
            lost_seconds, lost_ticks = await _lost(source, found)
            candle = await _candle(source, found)
        except DatabaseError as error:
            candle = f"not compared: {error}"
    if candle == "differs":
        differences.append("a candle that changes no more is another one in the source")
    return Drill(
        backup=chosen.name,
        kind=chosen.kind,
        took_seconds=round(took, 2),
        rows=found.rows,
        last_tick=found.last_tick,
        lost_seconds=lost_seconds,
        lost_ticks=lost_ticks,
        candle=candle,
        differences=differences,
    )


def compared(chosen: Manifest, found: Holdings) -> list[str]:
    """What was restored and is not between what was there at the backup's beginning and its end."""
    wrong = []
    if found.schema != chosen.schema:
        wrong.append(f"the schema is at {found.schema}, and was at {chosen.schema}")
    for table, (before, after) in chosen.rows.items():
        rows = found.rows.get(table)
        if rows is None:
            wrong.append(f"table {table} is not there")
        elif table not in CHANGING and not min(before, after) <= rows <= max(before, after):
            wrong.append(f"{table} has {rows:,} rows, and had {before:,} to {after:,}")
    return wrong


async def _of_dump(target: Target, chosen: Manifest, layout: Layout) -> Holdings:
    async with scratch_server(layout) as url:
        try:
            file = target.directory / chosen.name / DATA / DUMP
            await dumps.restore(url, file, lambda _size: None)
        except (DumpFailed, OSError) as error:
            raise BackupFailed(f"{chosen.name} cannot be restored: {error}") from error
        return await _holdings(url, layout)


async def _holdings(url: str, layout: Layout) -> Holdings:
    try:
        async with visit.visiting(url, layout.directory, migrate=False) as (database, _):
            return await ask(database, FetchHoldings(), timeout=ASK_SECONDS)
    except DatabaseError as error:
        raise BackupFailed(f"the restored server does not answer: {error}") from error


async def _lost(source: Asking, found: Holdings) -> tuple[float | None, int | None]:
    now = await source(FetchHoldings())
    if now.last_tick is None:
        return None, None
    if found.last_tick is None:
        return None, now.rows.get("ticks", 0)
    newer = await source(CountNewer(found.last_tick))
    return max(0.0, (now.last_tick - found.last_tick) / 1000), newer


async def _candle(source: Asking, found: Holdings) -> str:
    if found.candle is None:
        return "not compared"
    there = await source(FetchCandle(found.candle))
    if there is None:
        return "gone"
    return "same" if there == found.candle else "differs"
