"""The file by which commands find the server that runs with a data directory, from any folder.

The server holds a lock on it for as long as it lives; the file of one that was killed is nobody's.
Where several servers share a directory the first of them has it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import structlog

from stockstream.decoding import from_json

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

FILE = "server.json"
_MOST_BYTES = 1 << 16
_ATTEMPTS, _LOOK_SECONDS = 5, 0.01
"""A command that looks for a server holds the lock for some microseconds, and tells nobody."""

_log: BoundLogger = structlog.get_logger("server_file")


class RunningServer(msgspec.Struct, frozen=True):
    """Its process, its address for this machine, the folder that it was started in."""

    pid: int
    url: str
    folder: str


class ServerFile:
    """A server's own hold on it. All of it blocks, for a moment; trouble is logged.

    `taken` says that another server has it already; `other` is that one, once it has told.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._descriptor: int | None = None
        self.taken = False
        self.other: RunningServer | None = None
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            self._complain(error)
            return
        try:
            _lock(descriptor)
        except BlockingIOError:
            self.taken, self.other = True, _read(descriptor)
            os.close(descriptor)
        except OSError as error:
            self._complain(error)
            os.close(descriptor)
        else:
            self._descriptor = descriptor

    def tell(self, url: str) -> None:
        """Say where this server is."""
        if self._descriptor is None:
            return
        try:
            told = RunningServer(os.getpid(), url, shown_path(Path.cwd()))
            text = msgspec.json.encode(told) + b"\n"
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Let it go. Idempotent. The file stays: the next server may have opened it already."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _complain(self, error: Exception) -> None:
        reason = f"DATA_DIRECTORY: {self._path}: {error}"
        _log.warning("commands will not find this server by its data", reason=reason)


def shown_path(path: Path) -> str:
    """The whole path, as a terminal and JSON can have it: any bytes may be in one."""
    return os.fsencode(path.absolute()).decode(errors="replace")


def _lock(descriptor: int) -> None:
    """Raises BlockingIOError where another server has it."""
    for _ in range(_ATTEMPTS - 1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOOK_SECONDS)
        else:
            return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def running_server(directory: Path, *, of_anybody: bool = False) -> RunningServer | None:
    """The server that runs with the data in `directory`; None where there is none. Blocks.

    A token is sent to where it says. So it has to be this user's file, unless the directory was
    named by somebody (`of_anybody`): a folder that is merely here may be a trap.
    """
    try:
        descriptor = os.open(directory / FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or not (of_anybody or found.st_uid == os.geteuid()):
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(descriptor)
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> RunningServer | None:
    """What is in it; none while the other one has not told yet."""
    try:
        return from_json(os.pread(descriptor, _MOST_BYTES, 0), RunningServer)
    except (msgspec.MsgspecError, OSError):
        return None
