"""An event subscriber that logs: a crash once, with what its supervisor did about it.

A child that crashes in a loop for the same reason is logged once per `quiet_seconds`, with
the number of crashes that were not logged in between. The numbered children of one dynamic
supervisor count as one child here: a hundred sessions dying of one bug are one story.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

import trio

from .events import (
    AutoShutdownTriggered,
    Event,
    Exited,
    FailedStart,
    IntensityExceeded,
    KeyFailed,
    ShutdownTimedOut,
    StillAlive,
    TaskFailed,
    TerminateFailed,
    UnhandledMessage,
)
from .exits import Crash, ExitReason, FailedToStartChild, Shutdown, is_clean
from .policy import Decision

QUIET_SECONDS = 10.0
REMEMBERED = 1_000
"""How many (path, reason) pairs are told apart; beyond, the oldest are forgotten."""
_NUMBERED = re.compile(r"(?<![^/])\d+(?=/|$)")


@dataclass(slots=True)
class _Seen:
    logged_at: float
    unlogged: int = 0


class CrashLog:
    """Subscribe it: `system.subscribe(CrashLog())`. Writes to the logger `supervision`."""

    def __init__(
        self, logger: logging.Logger | None = None, quiet_seconds: float = QUIET_SECONDS
    ) -> None:
        self._log = logger or logging.getLogger("supervision")
        self._quiet = quiet_seconds
        self._seen: dict[tuple[str, str], _Seen] = {}

    def __call__(self, event: Event) -> None:
        """Log `event` if it is worth a line."""
        match event:
            case Exited(path, generation, reason, decision):
                self._exited(path, generation, reason, decision)
            case FailedStart(path, generation, reason) if not _was_asked_to_stop(reason):
                self._reason(path, generation, reason, "did not start")
            case IntensityExceeded(path, child, reason, intensity, period):
                self._log.error(
                    "supervisor %s gives up: %s exceeded %d restarts in %g s, last exit: %s",
                    path, child, intensity, period, reason,
                )  # fmt: skip
            case AutoShutdownTriggered(path, child):
                self._log.info("supervisor %s stops: significant child %s ended", path, child)
            case ShutdownTimedOut(path, seconds):
                self._log.warning("%s did not stop within %g s: cancelled", path, seconds)
            case StillAlive(path, seconds, stack):
                self._log.error(
                    "%s was cancelled %g s ago and still runs:\n%s", path, seconds, stack
                )
            case TerminateFailed(path, reason, error):
                what = "took too long" if error is None else "raised"
                self._log.error("%s: terminate %s, after %s", path, what, reason, exc_info=error)
            case TaskFailed(path, reason, failure):
                self._log.error(
                    "%s: a task of it raised while it ended for %s", path, reason,
                    exc_info=failure.error if isinstance(failure, Crash) else None,
                )  # fmt: skip
            case UnhandledMessage(path, kind):
                self._repeated(
                    path, kind.__qualname__, logging.WARNING,
                    f"{path} has no handler for {kind.__qualname__}: dropped",
                )  # fmt: skip
            case KeyFailed(path, kind, error):
                self._repeated(
                    path, f"key of {kind.__qualname__}", logging.ERROR,
                    f"{path}: the mailbox's key function failed on {kind.__qualname__}: dropped",
                    error,
                )  # fmt: skip
            case _:
                pass

    def _exited(self, path: str, generation: int, reason: ExitReason, decision: Decision) -> None:
        if isinstance(reason, Crash):
            self._reason(path, generation, reason, f"crashed, decision: {decision}")
        elif decision in {Decision.RESTART, Decision.ESCALATE}:
            self._repeated(
                path, str(reason), logging.WARNING,
                f"{path} (generation {generation}) ended: {reason}, decision: {decision}",
            )  # fmt: skip

    def _reason(self, path: str, generation: int, reason: ExitReason, what: str) -> None:
        self._repeated(
            path, str(reason), logging.ERROR,
            f"{path} (generation {generation}) {what}: {reason}",
            reason.error if isinstance(reason, Crash) else None,
        )  # fmt: skip

    def _repeated(
        self, path: str, why: str, level: int, text: str, error: BaseException | None = None
    ) -> None:
        now = trio.current_time()
        key = (_NUMBERED.sub("#", path), why)
        seen = self._seen.get(key)
        if seen is not None and now - seen.logged_at < self._quiet:
            seen.unlogged += 1
            return
        if seen is not None and seen.unlogged:
            text += f" ({seen.unlogged} more like it since the last line)"
        self._seen.pop(key, None)
        self._seen[key] = _Seen(now)
        if len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._log.log(level, "%s", text, exc_info=error)


def _was_asked_to_stop(reason: ExitReason) -> bool:
    failed = isinstance(reason, Shutdown) and isinstance(reason.term, FailedToStartChild)
    return is_clean(reason) and not failed
