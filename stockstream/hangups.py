"""SIGHUP: the secrets are to be read again; or the terminal is gone, and we go, too."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from supervision import System


class _Begun:
    """What is known of SIGHUP before there is a `Hangups`. No dataclass: its module takes longer
    to import than all that is here.
    """

    __slots__ = ("came", "tied")

    def __init__(self) -> None:
        self.came = self.tied = False

    def note(self, _number: int, _frame: object) -> None:
        """The handler of that time."""
        self.came = True


_begun: _Begun | None = None


def begin() -> None:
    """Have SIGHUP end this process no more, and keep in mind that one came: a server imports for a
    second before it can do anything about it. In the main thread, before those imports.
    """
    global _begun  # noqa: PLW0603 - a signal's handler is the process', too
    _begun = _Begun()
    _begun.tied = _take_over(_begun.note)


class Hangups:
    """What SIGHUP does from the start of a command on. Made in the main thread.

    One that comes before there is a tree is not lost: `started` does what it asks for. It ends a
    process that was started at a terminal which is gone, unless it came ignored, as by `nohup`.
    """

    def __init__(self) -> None:
        self._ask: Callable[[System], None] | None = None
        self._early = False
        self._tied = _take_over(self._note)
        if _begun is not None:
            self._early, self._tied = self._early or _begun.came, _begun.tied

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


def _take_over(handler: Callable[[int, object], None]) -> bool:
    """Have SIGHUP handled; whether a terminal that is closed is to end this process."""
    before = signal.signal(signal.SIGHUP, handler)
    return before is not signal.SIG_IGN and has_terminal()


def has_terminal() -> bool:
    """Whether this process has a terminal that could end it."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
    except OSError:
        return False
    return True
