"""What is remembered of an actor's end: words, and nothing of the actor.

An error holds the frames it went through, and they hold the actor's whole state, and the message
it handled. A path that is rarely restarted would keep all that alive for as long.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .exits import Crash

if TYPE_CHECKING:
    from .exits import ExitReason

FRAMES = 100
"""So many of the innermost frames of an error are remembered."""


@dataclass(frozen=True, slots=True)
class LastExit:
    """Why an incarnation ended, and when."""

    reason: str
    at: float
    """Seconds of trio's clock."""
    _traceback: traceback.TracebackException | None = None

    def __str__(self) -> str:
        return self.reason

    @property
    def trace(self) -> str | None:
        """The traceback of a crash, as Python prints it; None for any other end."""
        return None if self._traceback is None else "".join(self._traceback.format())


def remembered(reason: ExitReason, at: float) -> LastExit:
    """The words for `reason`. Source lines are only read when somebody asks for the trace."""
    kept = None
    if isinstance(reason, Crash):
        error = reason.error
        kept = traceback.TracebackException(
            type(error), error, error.__traceback__, limit=-FRAMES, lookup_lines=False
        )
    return LastExit(str(reason), at, kept)
