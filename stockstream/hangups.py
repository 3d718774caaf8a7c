"""SIGHUP: the secrets are to be read again; or the terminal is gone, and we go, too."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision import System


class Hangups:
    """What SIGHUP does from the start of a command on. Made in the main thread.

    One that comes before there is a tree is not lost: `started` does what it asks for. It ends a
    process that was started at a terminal which is gone, unless it came ignored, as by `nohup`.
    """

    def __init__(self) -> None:
        self._ask: Callable[[System], None] | None = None
        self._early = False
        before = signal.signal(signal.SIGHUP, self._note)
        self._tied = before is not signal.SIG_IGN and has_terminal()

    def _note(self, _number: int, _frame: object) -> None:
        self._early = True

    def started(self, system: System, ask: Callable[[System], None]) -> None:
        """The tree is up; `ask` has its secrets read again."""
        self._ask = ask
        if self._early:
            self.came(system)

    def came(self, system: System) -> None:
        """SIGHUP came since `run` was called."""
        if self._tied and not has_terminal():
            system.stop()
        elif self._ask is None:
            self._early = True
        else:
            self._ask(system)


def has_terminal() -> bool:
    """Whether this process has a terminal that could end it."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError:
        return False
    return True
