"""Reading a file that an operator named: never for ever, and never more than it should be."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_regular(path: Path, most: int) -> tuple[bytes, int]:
    """Its bytes, at most so many and one more, and its mode.

    Raises:
        OSError: it cannot be read, or is a FIFO, a device or a directory.
    """
    # By path.open() nobody can say how.
    with open(path, "rb", opener=_at_once) as file:
        mode = os.fstat(file.fileno()).st_mode
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        return file.read(most + 1), mode


def _at_once(path: str, flags: int) -> int:
    """Open without waiting: a FIFO would wait for somebody who writes, maybe for ever."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
