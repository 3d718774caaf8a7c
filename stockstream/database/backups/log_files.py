"""The archived write-ahead log: a folder for each cluster and timeline, with files of 16 MB.

A server that was restored begins a new timeline, so it never writes into the log of the one before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.backups.manifest import LOG
from stockstream.database.query import Purpose, Query

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.database.query import Connection

_FILE = re.compile(r"[0-9A-F]{24}(\.partial)?")
_HISTORY = re.compile(r"[0-9A-F]{8}\.history")
_PLACE = """
SELECT (SELECT system_identifier::text FROM pg_control_system()),
    lpad(upper(to_hex((SELECT timeline_id FROM pg_control_checkpoint()))), 8, '0')
"""


@dataclass(frozen=True, slots=True)
class FetchTimeline(Query[str]):
    """The name of the folder for what the server writes now."""

    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> str:
        """Ask."""
        row = await connection.fetchrow(_PLACE)
        assert row is not None  # noqa: S101 - for the type checker
        return f"{row[0]}-{row[1]}"


def folders_of(directory: Path, system: str) -> list[Path]:
    """The folders of a cluster's log, in order of their timelines.

    Raises:
        OSError: they cannot be read.
    """
    archive = directory / LOG
    if not archive.is_dir():
        return []
    return sorted(
        folder
        for folder in archive.iterdir()
        if folder.is_dir() and folder.name.startswith(f"{system}-")
    )


def files_of(folder: Path) -> list[Path]:
    """The files of the log in a folder, in order.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(file for file in folder.iterdir() if _FILE.fullmatch(file.name))


def histories_of(folder: Path) -> list[Path]:
    """The files that say where timelines begin.

    Raises:
        OSError: it cannot be read.
    """
    return sorted(file for file in folder.iterdir() if _HISTORY.fullmatch(file.name))
