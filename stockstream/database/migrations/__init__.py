"""The schema's versions, applied by Alembic in a process of their own (`python -m`).

Alembic and SQLAlchemy are big and needed only for a moment; so the server does not load them.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import trio

FOLDER = Path(__file__).parent
MIGRATE_SECONDS = 600.0


class MigrationFailed(Exception):
    """The schema could not be moved to its version; the text says why, in one line."""


def versions() -> list[str]:
    """All versions there are, the oldest first: `0001`, `0002`, ..."""
    return sorted(path.name[:4] for path in (FOLDER / "versions").glob("[0-9]*.py"))


def usable_from(version: str) -> str:
    """Which programs may use the schema as it is in a version of ours, as its file says.

    The file is read, not imported: that would load Alembic.
    """
    (path,) = (FOLDER / "versions").glob(f"{version}_*.py")
    said = re.search(r'^usable_from = "(\d{4})"$', path.read_text(encoding="utf-8"), re.MULTILINE)
    return said[1] if said else version


async def migrate(url: str, target: str = "head") -> list[str]:
    """Bring the database at `url` up, or down, to a version; what was done, a line each.

    All of it or nothing. Waits for another process that migrates. If it is cancelled, it ends its
    process, and the database rolls back.

    Raises:
        MigrationFailed: it went wrong; the schema is what it was.
    """
    with trio.move_on_after(MIGRATE_SECONDS):
        done = await trio.run_process(
            [sys.executable, "-P", "-m", "stockstream.database.migrations", target],
            env={**os.environ, "DATABASE_URL": url},
            check=False,
            capture_stdout=True,
            capture_stderr=True,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise MigrationFailed((said or [f"exit status {done.returncode}"])[-1])
        return done.stdout.decode().splitlines()
    raise MigrationFailed(f"the migrations took over {MIGRATE_SECONDS:g} s")
