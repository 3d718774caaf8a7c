"""Running a tree as a program: signals and the exit code."""

from __future__ import annotations

import logging
import os
import signal
from typing import TYPE_CHECKING

import trio

from .crash_log import CrashLog
from .exits import Normal
from .system import System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .events import Subscriber
    from .spec import ChildSpec

_log = logging.getLogger("supervision")

EXIT_GAVE_UP = 1
SIGNAL_EXIT_BASE = 128
"""Shells report a program that a signal ended as 128 plus the signal's number."""


def run(
    root: ChildSpec,
    *,
    subscribers: Iterable[Subscriber] = (),
    on_start: Callable[[System], None] | None = None,
    on_signals: Mapping[signal.Signals, Callable[[System], None]] | None = None,
) -> int:
    """Run the tree under `root` until it ends or a signal stops it; the answer is the exit code.

    SIGINT and SIGTERM stop it in order: 0 is answered then, as when somebody called the
    system's `stop()`, or the root ended normally. A second signal ends the process at once.
    When the root gives up, crashes or does not start, the answer is 1 and the reason is logged.
    `subscribers` get every event, from the first; crashes are logged anyway. `on_start` is
    called once, synchronously, when the tree is up; one of `on_signals` so, too, each time that its
    signal comes, from before the start on. A `SystemExit` or `KeyboardInterrupt` raised
    in an actor goes through, and ends the rest.
    """
    try:
        return trio.run(_run, root, tuple(subscribers), on_start, on_signals or {})
    except BaseExceptionGroup as group:
        fatal = _fatal(group)
        if fatal is None:
            raise
        raise fatal from None


async def _run(
    root: ChildSpec,
    subscribers: tuple[Subscriber, ...],
    on_start: Callable[[System], None] | None,
    on_signals: Mapping[signal.Signals, Callable[[System], None]],
) -> int:
    system = System()
    system.subscribe(CrashLog())
    for subscriber in subscribers:
        system.subscribe(subscriber)
    stopping = False

    async def watch(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        nonlocal stopping
        heard = (signal.SIGINT, signal.SIGTERM, *on_signals)
        with trio.open_signal_receiver(*heard) as signals:
            task_status.started()
            async for number in signals:
                told = on_signals.get(signal.Signals(number))
                if told is not None:
                    told(system)
                    continue
                if stopping:
                    _log.warning("second signal: ending at once")
                    os._exit(SIGNAL_EXIT_BASE + number)
                stopping = True
                _log.info("%s: stopping in order", signal.Signals(number).name)
                system.stop()

    async with trio.open_nursery() as nursery:
        await nursery.start(watch)
        reason = await system.run(root, on_start=on_start)
        nursery.cancel_scope.cancel()
    if system.stopping or isinstance(reason, Normal):
        return 0
    _log.error("the root ended: %s", reason)
    return EXIT_GAVE_UP


def _fatal(error: BaseException) -> BaseException | None:
    # Each nursery on the way up wraps it in a group, in which Python itself would not see it.
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(_fatal, error.exceptions)), None)
    return error if isinstance(error, SystemExit | KeyboardInterrupt) else None
