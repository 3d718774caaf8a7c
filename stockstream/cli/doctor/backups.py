"""The check of backups, by what `stockstream db backup` and `db restore` have noted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from stockstream.cli.doctor.findings import Finding, failed, info, ok, warning
from stockstream.database.backup_notes import read_notes
from stockstream.times import DAY_MS, now_ms

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.database.backup_notes import BackupNotes

OLD_DAYS = 7.0
UNTRIED_DAYS = 90.0


async def look_at_backups(directory: Path) -> Finding:
    """The notes in the data directory."""
    try:
        notes = await trio.to_thread.run_sync(read_notes, directory, abandon_on_cancel=True)
    except OSError as error:
        do = "let the user that runs this read it"
        return failed(f"{error.filename}: {error.strerror}", do)
    return judge_backups(notes, now_ms())


def judge_backups(notes: BackupNotes, now: int) -> Finding:
    """Whether the last backup is new, and whether one was ever restored."""
    if notes.made is None:
        return info(
            "none was made from here by `stockstream db backup`",
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
