"""Epochs: each life of the server has a higher one for its versions, independent of the clock.

Clients compare versions across a restart, and so does the history. A wall clock that was set back
between two starts would give the later one lower versions, and clients would refuse its prices.
So the last epoch is kept in a file of the data directory, which needs no database.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import structlog

from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from structlog.stdlib import BoundLogger

FILE = "epoch"
LENGTH = 32

_log: BoundLogger = structlog.get_logger("epochs")


def claim_epoch(directory: Path, wall_clock_ms: Callable[[], int] = now_ms) -> int:
    """An epoch that no earlier start in `directory` has had; it is kept there.

    It is the wall clock in ms, or the last epoch plus one if that is higher. If the file cannot be
    read or written, this is logged and the clock is used. Nodes may share the directory. Blocks.
    """
    now = wall_clock_ms()

    def next_after(last: int) -> int:
        if last + 1 > now:
            _log.warning("the wall clock was set back", seconds=(last - now) / 1000)
        return max(now, last + 1)

    return _replace(directory, next_after, otherwise=now)


def keep_epoch(directory: Path, epoch: int) -> None:
    """Keep an epoch that another node gave, or this one later on: later starts are above it.

    If the file cannot be read or written, this is logged. Blocks.
    """
    _replace(directory, lambda last: max(last, epoch), otherwise=epoch)


def _replace(directory: Path, change: Callable[[int], int], *, otherwise: int) -> int:
    """The epoch that follows from the last one, which is kept in its place."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            last = _read(descriptor)
            epoch = change(last)
            if epoch != last:
                # In place: a few bytes of one sector are written whole or not at all.
                os.pwrite(descriptor, f"{epoch:<{LENGTH - 1}}\n".encode(), 0)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        reason = f"DATA_DIRECTORY: {directory / FILE}: {error.strerror}"
        _log.error("the epoch cannot be kept; a clock set back would show", reason=reason)
        return otherwise
    return epoch


def _read(descriptor: int) -> int:
    text = os.pread(descriptor, LENGTH, 0).decode(errors="replace").strip()
    if text.isascii() and text.isdigit():
        return int(text)
    if text:
        _log.error("the file of the last epoch holds none", text=text)
    return 0
