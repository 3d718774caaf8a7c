"""The id of this StockStream, kept in the database and, for starts without one, on disk.

Nodes that share a database share it. It outlives a change of `SECRET_KEY_BASE`, and tells cookies
of one StockStream from those of another on the same host. A new database takes the id of the first
node that asks it; a node with another id takes over that one then.
"""

from __future__ import annotations

import os
import re
import secrets
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from structlog.stdlib import BoundLogger

FILE = "instance"
ID_BYTES = 6
"""The chance that two on one host draw the same id is one in 281 billion."""

_ID = re.compile(r"[0-9a-f]{12}")

_log: BoundLogger = structlog.get_logger("instance")


def kept_instance(directory: Path) -> str:
    """The id that is kept in `directory`; a new one, which is kept there, where there is none."""
    try:
        text = (directory / FILE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        text = ""
    except (OSError, ValueError) as error:
        _log.error("the id of this instance cannot be read", reason=f"{directory / FILE}: {error}")
        text = ""
    if _ID.fullmatch(text):
        return text
    made = secrets.token_hex(ID_BYTES)
    keep_instance(directory, made)
    return made


def keep_instance(directory: Path, instance: str) -> None:
    """Keep the id there; the file is replaced whole. Trouble is logged: it is a copy. Blocks."""
    draft = directory / f".{FILE}.{os.getpid()}"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(f"{instance}\n", encoding="ascii")
        draft.replace(directory / FILE)
    except OSError as error:
        reason = f"DATA_DIRECTORY: {directory / FILE}: {error.strerror}"
        _log.warning("the id of this instance cannot be kept on disk", reason=reason)
