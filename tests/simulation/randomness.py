"""Everything that could differ between two runs of a seed is made to follow from the seed.

The order of what is runnable (trio shuffles it), `random`, the clocks that measure work, threads
and the wall clock. The order of sets of texts follows from PYTHONHASHSEED, which the process must
be started with; `tests.simulation.__main__` sees to that.
"""

from __future__ import annotations

import gc
import math
import os
import random
import secrets
import sys
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

import hypothesis  # noqa: F401 - its plugin for trio sorts what is runnable before it is shuffled
import structlog
import trio
from trio._core import _run as trio_loop

import stockstream.times
import supervision.cell
from stockstream import garbage
from stockstream.cluster import load
from stockstream.delivery.turns import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableSequence

T = TypeVar("T")

HASH_SEED = "0"
MOST_IDLE = 1_000

wall_clock: ContextVar[Callable[[], int]] = ContextVar("wall_clock")
"""The wall clock of the node whose code runs, in ns since 1970."""
node_number: ContextVar[int] = ContextVar("node_number")
"""The node whose code runs; the world's own tasks have none."""


class JumpingClock(trio.abc.Clock):
    """Virtual time: when nothing can run, it is the time of the next deadline at once."""

    def __init__(self, start: float) -> None:
        self._now = start
        self._idle = 0

    def start_clock(self) -> None:
        """Nothing has to be started."""

    def current_time(self) -> float:
        """Seconds."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Called when no task can run, with the deadline that comes next."""
        if deadline == math.inf:
            # At the very start trio has no task yet.
            self._idle += 1
            if self._idle > MOST_IDLE:
                raise RuntimeError("nothing will ever happen again")
            return 0.0
        self._now = max(self._now, deadline)
        return 0.0


class Scheduler(random.Random):
    """Stands for the generator that trio shuffles with what can run, before it runs it.

    It takes out what belongs to a frozen node: so that node does nothing at all, as a process that
    is stopped by a signal. Its timers run on, and all that is due is due at once when it thaws.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._held: dict[int, list[trio.lowlevel.Task]] = {}

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Shuffle a batch of tasks in place."""
        if self._held:
            running = []
            for task in x:
                held = self._held.get(task.context.get(node_number, -1))
                if held is None:
                    running.append(task)
                else:
                    held.append(task)
            x[:] = running
        super().shuffle(x)

    def freeze(self, node: int) -> None:
        """Stop a node."""
        self._held.setdefault(node, [])

    def thaw(self, node: int) -> None:
        """Let it go on; a no-op when it does."""
        held = self._held.pop(node, None)
        if held:
            # A lap of its own: none of them may run twice in one.
            trio_loop.GLOBAL_RUN_CONTEXT.runner.runq.extend(held)

    def is_frozen(self, node: int) -> bool:
        """Whether it is stopped."""
        return node in self._held


class _Work:
    """Stands for the clock that measures work: each reading is a little later, seldom much."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 0.000_01 if self._random() < 0.99 else 0.03
        return self._now


def _wall_clock_ns() -> int:
    return wall_clock.get()()


async def _in_no_thread(
    function: Callable[..., T], *args: Any, abandon_on_cancel: bool = False, **_: Any
) -> T:
    """Stands for a thread, which would run while virtual time passes."""
    await trio.lowlevel.checkpoint()
    return function(*args)


def require_hash_seed() -> None:
    """Refuse to run where a replay could be another run.

    Raises:
        RuntimeError: the order of sets is a secret of this process, or trio's order is.
    """
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED or not sys.flags.hash_randomization == 0:
        raise RuntimeError(f"start it with PYTHONHASHSEED={HASH_SEED}: python -m tests.simulation")
    if not trio_loop._ALLOW_DETERMINISTIC_SCHEDULING:
        raise RuntimeError("this version of hypothesis or trio does not make trio deterministic")


@contextmanager
def seeded(seed: int) -> Iterator[Scheduler]:
    """Have all that is drawn inside follow from `seed`."""
    require_hash_seed()
    work = _Work(seed)
    scheduler = Scheduler(seed)
    collecting = gc.isenabled()
    with ExitStack() as stack:
        stack.enter_context(patch.object(supervision.cell, "perf_counter", work))
        stack.enter_context(patch.object(Turn.__init__, "__defaults__", (work,)))
        stack.enter_context(patch.object(trio_loop, "_r", scheduler))
        stack.enter_context(patch.object(load, "time", SimpleNamespace(process_time=work)))
        stack.enter_context(patch.object(trio.to_thread, "run_sync", _in_no_thread))
        stack.enter_context(patch.object(stockstream.times, "now_ns", _wall_clock_ns))
        names = random.Random(f"names {seed}")
        stack.enter_context(
            patch.object(secrets, "token_urlsafe", lambda size=32: names.randbytes(size).hex())
        )
        stack.enter_context(patch.object(garbage, "YOUNG_THRESHOLD", 1 << 60))
        random.seed(seed)
        gc.disable()  # it would come at another moment each time, and run finalizers there
        try:
            yield scheduler
        finally:
            if collecting:
                gc.enable()
            random.seed()


@contextmanager
def quiet() -> Iterator[None]:
    """Have the product's log lines dropped: most of the time would go into writing them."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
