"""`stockstream db drill`: proves that a backup can be restored, and says what would be lost."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations
from typing import TYPE_CHECKING

import msgspec

from stockstream.cli.db.backups import Folder, noted, target_of, until_of
from stockstream.cli.db.common import Json, print_json, visiting
from stockstream.database.backups import drilling, restoring
from stockstream.database.backups.errors import BackupFailed
from stockstream.environment import load
from stockstream.errors import StartError
from stockstream.quotes import iso_utc
from stockstream.times import now_ms

if TYPE_CHECKING:
    from stockstream.database.backups.drilling import Drill


async def drill(
    name: str | None = None,
    *,
    folder: Folder = None,
    at: str | None = None,
    scratch: Path | None = None,
    as_json: Json = False,
) -> int:
    """Restore a backup into a server of its own in a temporary folder, and compare.

    It tells how long a restore takes, and what would be lost if the database were gone now. The
    database itself and its servers are not touched. Exit codes: 0 the backup is good, 1 it is
    not, or cannot be restored, 2 usage.

    Parameters
    ----------
    name
        A backup of the folder; the newest one without it.
    folder
        The folder of backups, else BACKUP_DIRECTORY.
    at
        Go on by the archived log: up to this time, or to the `latest` that was archived.
    scratch
        Where the temporary folder is made; it needs room for the whole database.
    as_json
        Print JSON.
    """
    settings = load().settings
    target = target_of(folder, settings)
    until, by = until_of(at)
    async with AsyncExitStack() as stack:
        source = None
        try:
            source = (await stack.enter_async_context(visiting(migrate=False))).ask
        except StartError as error:
            sys.stderr.write(f"stockstream: {error}; the backup is not compared with it\n")
        try:
            chosen = restoring.chosen(target, name, by)
            done = await drilling.drill(target, chosen, until, source, scratch)
        except BackupFailed as error:
            raise StartError(str(error)) from error
        if not done.differences:
            await noted(settings, source, restored=now_ms())
    if as_json:
        last = None if done.last_tick is None else iso_utc(done.last_tick)
        document = {**msgspec.to_builtins(done), "last_tick": last, "ok": not done.differences}
        print_json(document)
    else:
        _show(done)
    return int(bool(done.differences))


def _show(done: Drill) -> None:
    rows = sum(done.rows.values())
    lines = [
        f"{done.backup} was restored in {done.took_seconds:,.1f} s: {rows:,} rows",
        "newest tick    "
        + ("none" if done.last_tick is None else f"received {iso_utc(done.last_tick)}"),
        "would be lost  "
        + (
            "not known"
            if done.lost_ticks is None
            else f"{done.lost_ticks:,} ticks"
            + ("" if done.lost_seconds is None else f", of {done.lost_seconds:,.1f} s")
        ),
        f"a last candle  {done.candle}",
        *(f"wrong: {what}" for what in done.differences),
        "the backup is good" if not done.differences else "the backup is NOT good",
    ]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
