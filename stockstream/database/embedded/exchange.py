"""Puts a restored cluster in the place of the one that is there. A crash at any moment, of the
program or of the machine, leaves one of the two, and what was meant is known afterwards.

Two folders cannot be exchanged in one step everywhere, so it takes three, each of them on disk
before the next one: the restored one gets the name that says it is whole, the old one steps aside,
the new one takes its place. Who calls these functions holds the lock of the layout.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from stockstream.times import now_ms, to_datetime

if TYPE_CHECKING:
    from pathlib import Path

    from stockstream.database.embedded.files import Layout

RESTORED = "data-restored"
BEFORE = "data-before-"


def exchange(layout: Layout, whole: Path) -> Path | None:
    """Put a whole cluster at `layout.data`; where the one that was there is kept.

    Raises:
        OSError: a step fails. `left_by` says what that has changed; `settle` does the rest, where
            the old one has stepped aside.
    """
    restored = layout.home / RESTORED
    forget(layout)
    _renamed(whole, restored)
    kept = None
    if layout.data.exists():
        kept = layout.home / f"{BEFORE}{to_datetime(now_ms()):%Y%m%dT%H%M%SZ}"
        _renamed(layout.data, kept)
    _renamed(restored, layout.data)
    return kept


def left_by(layout: Layout, whole: Path) -> str | None:
    """What an `exchange` that failed has changed; None where that is nothing."""
    if not layout.data.exists() and (layout.home / RESTORED).exists():
        return (
            "the restore is not complete yet: the next start of the server, or of a restore, "
            "does its last step"
        )
    if not whole.exists() and not (layout.home / RESTORED).exists():
        return "restored, but it is not known whether that is on disk"
    return None


def settle(layout: Layout) -> str | None:
    """Go on where an `exchange` was interrupted; what there is to say of it.

    Raises:
        OSError: the folder cannot be read or changed.
    """
    restored = layout.home / RESTORED
    if not restored.exists():
        return None
    if layout.data.exists():
        return (
            "a restore was interrupted before it changed anything: the database is the one of "
            f"before. Restore again, or remove {restored}"
        )
    _renamed(restored, layout.data)
    kept = newest_before(layout)
    told = "a restore was interrupted in its last step, and is complete now"
    return told if kept is None else f"{told}; what was there before is kept in {kept}"


def forget(layout: Layout) -> None:
    """Remove what an interrupted `exchange` has left that changed nothing."""
    shutil.rmtree(layout.home / RESTORED, ignore_errors=True)


def newest_before(layout: Layout) -> Path | None:
    """The cluster that the last restore has set aside."""
    return max(layout.home.glob(f"{BEFORE}*"), default=None)


def _renamed(old: Path, new: Path) -> None:
    """Rename, and have that on disk in both folders before anything else is done."""
    old.rename(new)
    for folder in {old.parent, new.parent}:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
