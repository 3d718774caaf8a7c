"""A child process that the kernel ends with us.

The parent-death signal is sent when the *thread* that forked ends, and trio's `open_process`
forks in a worker thread, which trio ends after ten idle seconds. So this one forks in the thread
that runs trio (a few milliseconds), and waits on a pidfd.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import trio

if TYPE_CHECKING:
    import signal
    from collections.abc import Mapping, Sequence

_LAUNCH = Path(__file__).with_name("launch.py")


def tied_to_us(
    command: Sequence[str | Path], mode: str = "self", uid: int = 0, gid: int = 0
) -> list[str]:
    """The command that runs `command` and ends it with this process; see `launch.py`."""
    who = [mode, str(uid), str(gid), str(os.getpid())]
    return [sys.executable, "-I", "-S", str(_LAUNCH), *who, *map(str, command)]


class ChildProcess:
    """Running from the start on, until `wait` returns."""

    def __init__(
        self,
        command: Sequence[str],
        output: IO[bytes] | int,
        folder: Path | None,
        environment: Mapping[str, str],
        descriptors: Sequence[int],
    ) -> None:
        """Start `command` in `folder` with `descriptors`; its output goes to `output`."""
        self._popen = subprocess.Popen(  # noqa: S603 - programs of ours, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            pass_fds=descriptors,
        )
        self._pidfd = os.pidfd_open(self._popen.pid)

    @property
    def pid(self) -> int:
        """Its process id, which stays its own until `wait` returns."""
        return self._popen.pid

    @property
    def status(self) -> int | None:
        """Its exit status, minus the signal that ended it; None while it runs."""
        return self._popen.poll()

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""
        self._popen.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end; the exit status."""
        while (status := self._popen.poll()) is None:
            await trio.lowlevel.wait_readable(self._pidfd)
        return status

    def close(self) -> None:
        """Give back the descriptor."""
        os.close(self._pidfd)
