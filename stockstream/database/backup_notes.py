"""When this installation was last backed up and restored, as its own commands have noted.

A file in the data directory. Who backs up by other means has none, and nobody is warned of that.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from stockstream.decoding import from_json

if TYPE_CHECKING:
    from pathlib import Path

FILE = "backups.json"


class BackupNotes(msgspec.Struct, frozen=True):
    """Times in ms since 1970, None where there was none."""

    made: int | None = None
    restored: int | None = None


def read_notes(directory: Path) -> BackupNotes:
    """What is noted; nothing where the file is not there, or holds none.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return from_json((directory / FILE).read_bytes(), BackupNotes)
    except (FileNotFoundError, msgspec.MsgspecError):
        return BackupNotes()


def note(directory: Path, *, made: int | None = None, restored: int | None = None) -> None:
    """Note what was done now; the rest stays.

    Raises:
        OSError: it cannot be written.
    """
    old = read_notes(directory)
    new = BackupNotes(made or old.made, restored or old.restored)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = directory / f".{FILE}.{os.getpid()}"
    draft.write_bytes(msgspec.json.encode(new) + b"\n")
    draft.replace(directory / FILE)
