"""The checks of backups: what is noted of them, and what is in the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream.cli.doctor.database import ASK_SECONDS, embedded_at
from stockstream.cli.doctor.findings import Finding, failed, info, ok, warning
from stockstream.cli.doctor.machine import gather_disk
from stockstream.database.backup_notes import BackupNotes, read_notes
from stockstream.database.backups import manifest as manifests
from stockstream.database.backups.errors import BackupFailed
from stockstream.database.connecting import asked_through, connect
from stockstream.jobs.successes import BACKUPS, RESTORES, FetchSuccesses
from stockstream.times import DAY_MS, now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.asyncio_thread import AsyncioLoop
    from stockstream.cli.doctor.machine import Disk
    from stockstream.database.backups.manifest import Found
    from stockstream.jobs.schedule import Schedule

OLD_DAYS = 7.0
UNTRIED_DAYS = 90.0
SPARE_BYTES = 64_000_000
AHEAD_MS = 300_000
"""So far ahead of ours the clock of a database may be: what it has just noted counts as of now."""
LATE = 2.0
"""So many times the longest pause of the schedule is late."""


async def look_at_backups(loop: AsyncioLoop, url: str | None, directory: Path) -> Finding:
    """The notes in the data directory, and in the database, which all nodes and commands write."""
    try:
        notes = await trio.to_thread.run_sync(read_notes, directory, abandon_on_cancel=True)
    except OSError as error:
        do = "let the user that runs this read it"
        return failed(f"{error.filename}: {error.strerror}", do)
    if url is None:
        found = await trio.to_thread.run_sync(embedded_at, directory, abandon_on_cancel=True)
        url = found if isinstance(found, str) else None
    shared = BackupNotes() if url is None else await _shared(loop, url)
    now = now_ms()
    return judge_backups(later(notes, shared, now), now)


async def _shared(loop: AsyncioLoop, url: str) -> BackupNotes:
    """What is noted in the database. Whether it can be asked at all is for another check to say."""
    try:
        with trio.fail_after(ASK_SECONDS):
            found = await loop.run(_successes, url)
    # The driver may raise any exception for a strange answer of a server.
    except Exception:  # noqa: BLE001
        return BackupNotes()
    return BackupNotes(found.get(BACKUPS), found.get(RESTORES))


async def _successes(url: str) -> dict[str, int]:
    connection = await connect(url, "stockstream doctor", ASK_SECONDS)
    try:
        return await FetchSuccesses((BACKUPS, RESTORES)).run(asked_through(connection))
    finally:
        connection.terminate()


def later(one: BackupNotes, other: BackupNotes, now: int) -> BackupNotes:
    """Of each the later one. One of a clock that was ahead says nothing of today's."""

    def last(*times: int | None) -> int | None:
        latest = now + AHEAD_MS
        told = (min(time, now) for time in times if time is not None and time <= latest)
        return max(told, default=None)

    return BackupNotes(last(one.made, other.made), last(one.restored, other.restored))


def judge_backups(notes: BackupNotes, now: int) -> Finding:
    """Whether the last backup is new, and whether one was ever restored."""
    if notes.made is None:
        return info(
            "none is noted, here or in the database",
            "`stockstream db backup prices.dump`, unless the server is backed up by other means",
        )
    age = (now - notes.made) / DAY_MS
    if age > OLD_DAYS:
        return warning(
            f"the last one is {age:,.0f} days old", "`stockstream db backup`, by a timer"
        )
    text = f"the last one is {age:,.1f} days old"
    if notes.restored is None or (now - notes.restored) / DAY_MS > UNTRIED_DAYS:
        return info(
            f"{text}; none was restored for {UNTRIED_DAYS:g} days",
            "try one: DATABASE_URL=… `stockstream db restore prices.dump`, with an empty one",
        )
    return ok(f"{text}, and one was restored")


async def look_at_folder(directory: Path, schedule: Schedule | None) -> Finding:
    """The folder of backups, and the newest one in it."""

    def gather() -> tuple[Disk, list[Found]]:
        disk = gather_disk(directory)
        return disk, manifests.listed(directory) if disk.made and disk.trouble is None else []

    try:
        disk, found = await trio.to_thread.run_sync(gather, abandon_on_cancel=True)
    except BackupFailed as error:
        return failed(f"BACKUP_DIRECTORY: {error}", "let the user that runs the server read it")
    return judge_folder(disk, found, schedule, now_ms())


def judge_folder(disk: Disk, found: list[Found], schedule: Schedule | None, now: int) -> Finding:
    """Whether backups can be made there, and whether they are."""
    if disk.trouble is not None:
        return failed(
            f"nothing can be written: {disk.trouble}",
            "let the user that runs the server write there, make room, or set BACKUP_DIRECTORY to "
            "another directory",
        )
    good = [one.manifest for one in found if one.manifest is not None]
    largest = max((one.bytes for one in good), default=0)
    if disk.free < largest + SPARE_BYTES:
        return warning(
            f"{disk.path}: {disk.free / 1e6:,.0f} MB free, and the largest backup there has "
            f"{largest / 1e6:,.0f} MB",
            "make room, or set a smaller BACKUP_KEEP",
        )
    # One of a clock that was ahead says nothing of today's.
    ended = max((one.ended for one in good if one.ended <= now), default=None)
    if ended is None:
        do = "`stockstream jobs run backups`" if schedule is not None else "`stockstream db backup`"
        return info(f"{disk.path}: no whole backup is there yet", do)
    hours = (now - ended) / 3_600_000
    text = f"{disk.path}: the newest of {len(good)} is {hours:,.1f} hours old"
    if schedule is not None and hours * 3_600 > LATE * schedule.longest:
        return warning(
            f"{text}, and BACKUP_SCHEDULE is {schedule}", "`stockstream jobs show backups` says why"
        )
    bad = [one.trouble for one in found if one.trouble is not None]
    if bad:
        return info(f"{text}; {bad[0]}", "`stockstream db backups` lists them; remove what is none")
    return ok(f"{text}, {disk.free / 1e9:,.1f} GB free")
