"""A timeout for coroutines that await the driver. Runs under asyncio, and knows nothing of trio.

The driver may never wake its caller: a COPY that waits to write waits for ever once its connection
is lost. So it is not enough that the timeout ends the connection; it must end the await, too.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from structlog.stdlib import BoundLogger

R = TypeVar("R")

GRACE_SECONDS = 0.5
"""Added to the limit, for an answer that came in time but that a busy loop has not read yet."""
END_SECONDS = 1.0
"""For a task that was cancelled to end: longer than the driver needs without a connection."""

_log: BoundLogger = structlog.get_logger("database")
_running: set[asyncio.Task[Any]] = set()
"""The loop itself keeps no task alive."""


async def within(
    seconds: float,
    work: Coroutine[Any, Any, R],
    cut: Callable[[], None],
    discard: Callable[[R], None] | None = None,
) -> R:
    """What `work` returns or raises. The caller waits for the limit and no longer.

    At the limit, or when the caller is cancelled, `cut` ends the connection that `work` waits for.
    Then `work` is cancelled, and has a moment to end. A late result of it is passed to `discard`.

    Raises:
        TimeoutError: it took longer.
    """
    task = asyncio.create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)
    try:
        try:
            for pause in (seconds, GRACE_SECONDS):
                await _wait(task, pause)
                if task.done():
                    return task.result()
        except asyncio.CancelledError:
            await _give_up(task, cut, discard)
            raise
        await _give_up(task, cut, discard)
        raise TimeoutError
    finally:
        del task  # an error of the task holds this frame, and the task holds the error


async def _wait(task: asyncio.Task[R], seconds: float) -> None:
    try:
        await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError as error:
        # Since Python 3.14 its frames refer to the waiting task, which will hold this error.
        raise error.with_traceback(None) from None


async def _give_up(
    task: asyncio.Task[R], cut: Callable[[], None], discard: Callable[[R], None] | None
) -> None:
    if not task.done():
        cut()
        task.cancel()
        await _wait(task, END_SECONDS)
    if not task.done():
        _log.error("the driver does not end what was cancelled", task=str(task.get_coro()))
    # Also when it is done: an error that is never read would be logged by asyncio.
    task.add_done_callback(partial(_take_away, discard))


def _take_away(discard: Callable[[R], None] | None, task: asyncio.Task[R]) -> None:
    if not task.cancelled() and task.exception() is None and discard is not None:
        discard(task.result())
