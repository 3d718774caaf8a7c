"""A folder that one process owns, by a lock that ends with the process. All of it blocks."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOCK = "lock"
ATTEMPTS = 10
"""The last owner may remove the folder while it is being claimed; then it is made again."""


class Claim:
    """The folder is its owner's until `close` or the end of the process.

    The lock is on a file in the folder. After locking it, a process must check that the file still
    has its name: the last owner may have removed it, and then the lock protects nothing.
    """

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        """Claim it; `make` it where it is not there.

        Raises:
            BlockingIOError: another process has it.
            OSError: it cannot be made or locked.
        """
        self.folder = folder
        for _ in range(ATTEMPTS):
            if make:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._descriptor = _locked(folder / LOCK)
            except FileNotFoundError:
                if not make:
                    raise
                continue
            if self.stands:
                return
            os.close(self._descriptor)
        raise BlockingIOError(errno.EWOULDBLOCK, "it is removed again and again", str(folder))

    @property
    def stands(self) -> bool:
        """Whether others would still find the lock: somebody may have removed the folder."""
        return is_at(self._descriptor, self.folder / LOCK)

    def close(self) -> None:
        """Let others have it; an empty folder is removed."""
        with suppress(OSError):
            if {path.name for path in self.folder.iterdir()} == {LOCK} and self.stands:
                (self.folder / LOCK).unlink()
                self.folder.rmdir()
        os.close(self._descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file is the file that now has this name."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise BlockingIOError(error.errno, "another process uses it", str(path.parent)) from error
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
