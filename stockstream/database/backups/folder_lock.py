"""A lock on a folder, over processes.

Its disk may hang, so it is taken in a thread, which may be given up and come to its end much later.
Such a thread keeps nothing: the lock would be held for ever.
"""

from __future__ import annotations

import fcntl
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class FolderLock:
    """Held from a `take` that answers True until `release`, or the end of the process."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / ".lock"
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._released = False

    def take(self) -> bool:
        """Whether nobody else has it. May wait for the disk.

        Raises:
            OSError: the file of the lock cannot be opened.
        """
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        kept = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with self._turn:
                if not self._released:
                    self._descriptor = descriptor
                    kept = True
        except BlockingIOError:
            return False
        finally:
            if not kept:
                os.close(descriptor)
        return kept

    def release(self) -> None:
        """Give it back, for good: also what a thread that was given up may still take."""
        with self._turn:
            self._released = True
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
