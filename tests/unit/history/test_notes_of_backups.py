"""When the last backup was made, as an actor has it known."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio
from structlog.testing import capture_logs

from stockstream import paths
from stockstream.database.backup_notes import FILE, note
from stockstream.history.backup_notes_actor import BackupNotesReader
from stockstream.history.metrics import families
from stockstream.tables import Tables
from supervision import ChildSpec, System, supervisor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def backed_up(tables: Tables) -> float | None:
    (found,) = (
        family.values
        for family in families(tables, 0)
        if family.name == "stockstream_backup_last_success_timestamp_seconds"
    )
    return float(str(found[0][1])) if found else None


async def until(reached: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not reached():  # noqa: ASYNC110 - nobody can wait on memory
            await trio.sleep(0.01)


async def test_the_last_backup_is_known_while_the_database_is_away(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    """None before the first; and a file that cannot be read ends nothing."""
    tables, system = Tables(), System()
    reader = partial(BackupNotesReader, tmp_path, tables.backed_up)
    history = supervisor("history", [ChildSpec("backup_notes", reader)])
    up = trio.Event()
    root = supervisor("root", [history])
    nursery.start_soon(partial(system.run, root, on_start=lambda _: up.set()))
    await up.wait()
    assert backed_up(tables) is None
    note(tmp_path, made=1_795_348_800_500)
    assert system.ref(paths.BACKUP_NOTES).kill()
    await until(lambda: backed_up(tables) == 1_795_348_800.5)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with capture_logs() as logs:
        assert system.ref(paths.BACKUP_NOTES).kill()
        await until(lambda: "the notes of backups cannot be read" in [x["event"] for x in logs])
    assert backed_up(tables) == 1_795_348_800.5
    system.stop()
