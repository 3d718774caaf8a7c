"""A server on a cluster that a backup was put together to, for a while and for nobody else."""

from __future__ import annotations

import shutil
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from stockstream.database.backups.errors import BackupFailed
from stockstream.database.embedded import files
from stockstream.database.embedded.programs import EmbeddedFailed
from stockstream.database.embedded.user import choose_user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from stockstream.database.embedded.files import Layout

READY_SECONDS = 3_600.0
"""Going through a day's log takes minutes."""
END_SECONDS = 30.0
SETTINGS = {
    **files.SETTINGS,
    "archive_mode": "off",
    "hot_standby": "off",  # so it takes connections when it has come to the end
    "summarize_wal": "off",
}


@asynccontextmanager
async def scratch_server(
    layout: Layout, settings: Mapping[str, str] | None = None
) -> AsyncIterator[str]:
    """The URL of a server on `layout.data`, which is made where it is not there. It has come to
    the end of its recovery when this begins, and all of it is on disk when it has ended.

    Raises:
        BackupFailed: it does not start; the text is its own.
    """
    try:
        user = await choose_user()
        await files.prepare(layout, user)
        folder = files.socket_folder(layout, user)
    except (EmbeddedFailed, OSError) as error:
        raise BackupFailed(f"no server could be started on the backup: {error}") from error
    process = files.start_server(layout, user, folder, {**SETTINGS, **(settings or {})})
    try:
        with trio.move_on_after(READY_SECONDS):
            while process.status is None and not (  # noqa: ASYNC110 - a server tells nobody
                files.postmaster(layout) == process.pid and files.is_ready(layout, standby=False)
            ):
                await trio.sleep(files.READY_POLL_SECONDS)
        if process.status is not None or not files.is_ready(layout, standby=False):
            raise BackupFailed(_meaning(files.last_words(layout)))
        yield files.socket_url(folder)
    finally:
        process.send_signal(signal.SIGINT)
        with trio.move_on_after(END_SECONDS, shield=True):
            await process.wait()
        if process.status is None:
            process.send_signal(signal.SIGKILL)
            with trio.move_on_after(END_SECONDS, shield=True):
                await process.wait()
        process.close()
        files.remove_socket_folder(layout, folder)
        shutil.rmtree(folder, ignore_errors=True)


def _meaning(words: str) -> str:
    if "recovery ended before configured recovery target" in words:
        return (
            "the archived log ends before that time: nothing was written since, or it was not "
            "archived; `--at latest` goes as far as it reaches"
        )
    if "starting backup recovery" in words or "backup_label" in words:
        return f"the backup cannot be recovered: {words}"
    return f"the server does not start on the backup: {words}"
