"""What became of the last run of this node: kept in the data directory, for its operators.

The events of a run end with it. A file tells the next run when the last one began and how it ended;
a run that was killed, or lost its machine, leaves no end. Nodes that share a directory have a file
each, by their names. A run holds a lock on its file, so that a second one of the same name takes
no run that still goes on for one that was killed.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import msgspec
import structlog

from stockstream.decoding import from_json
from stockstream.times import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from structlog.stdlib import BoundLogger

FOLDER = "runs"
LONGEST = 4_096

End = Literal["stopped", "gave_up", "crashed"]
"""In order; the root gave up; an exception went through it."""

_log: BoundLogger = structlog.get_logger("run_record")


class PastRun(msgspec.Struct, frozen=True):
    """A run; times in ms since 1970. `ended` and `how` are None when it had no time to say so."""

    started: int
    ended: int | None = None
    how: End | None = None


class RunRecord:
    """Reads the last run's file, and writes this one's. All of it blocks; trouble is logged.

    `before` is the last run, None where none is known.
    """

    def __init__(
        self, directory: Path, node: str, wall_clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._path = directory / FOLDER / f"{quote(node, safe='')}.json"
        self._wall_clock_ms = wall_clock_ms
        self._descriptor: int | None = None
        self._started = 0
        self.before: PastRun | None = None
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._complain(error)
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = os.pread(descriptor, LONGEST, 0)
        except BlockingIOError:
            os.close(descriptor)
            _log.info("another run of this name goes on; how this one ends is not kept")
        except OSError as error:
            os.close(descriptor)
            self._complain(error)
        else:
            self._descriptor = descriptor
            self.before = _read(text)

    def begin(self) -> None:
        """Say that this run has begun."""
        self._started = self._wall_clock_ms()
        self._write(PastRun(self._started))

    def end(self, how: End) -> None:
        """Say how this run ended, and let the file go."""
        self._write(PastRun(self._started, self._wall_clock_ms(), how))
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, run: PastRun) -> None:
        if self._descriptor is None:
            return
        text = msgspec.json.encode(run) + b"\n"
        try:
            # In place: a few bytes of one sector are written whole or not at all.
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))
            os.fsync(self._descriptor)
        except OSError as error:
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        reason = f"DATA_DIRECTORY: {self._path}: {error.strerror}"
        _log.warning("how this run ends cannot be kept", reason=reason)


def _read(text: bytes) -> PastRun | None:
    if not text.strip():
        return None
    try:
        return from_json(text, PastRun)
    except msgspec.MsgspecError as error:
        _log.warning("the file of the last run holds none", reason=str(error))
        return None
