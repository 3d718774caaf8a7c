"""Functions run as supervised tasks with results, as by Elixir's `Task.Supervisor`.

A task is an actor under a dynamic supervisor, never restarted. It is not linked to who started it
(`Task.Supervisor.async_nolink`): its crash is an error of whoever awaits it, and no end of the
asker's.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import trio

from .actor import Actor
from .dynamic import dynamic_supervisor
from .errors import CallTimeout, ServerExited
from .exits import Normal
from .management import MANAGEMENT_TIMEOUT_SECONDS, start_child
from .policy import Restart
from .ref import CALL_TIMEOUT_SECONDS
from .spec import ChildSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .exits import ExitReason
    from .monitor import Monitor
    from .ref import ActorRef

R = TypeVar("R")
T = TypeVar("T")

_NO_RESULT: Any = object()


class _Result:
    """Where a task's actor leaves what its function returned."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = _NO_RESULT


class _Runner(Actor):
    """Runs one function beside its mailbox, so that a stop reaches it at once."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, function: Callable[[], Awaitable[Any]], result: _Result) -> None:
        self._function = function
        self._result = result

    async def init(self) -> None:
        self.tasks.start_soon(self._run, name=f"{self.path} runs")

    async def _run(self) -> None:
        self._result.value = await self._function()
        self.stop()


class Task(Generic[R]):
    """A function that runs, or has run. It goes on whether somebody waits for it or not."""

    __slots__ = ("_monitor", "_result")

    def __init__(self, monitor: Monitor, result: _Result) -> None:
        self._monitor = monitor
        self._result = result

    @property
    def ref(self) -> ActorRef:
        """The actor that runs it."""
        return self._monitor.ref

    @property
    def reason(self) -> ExitReason | None:
        """Why it ended: normal when there is a result. None while it runs."""
        return self._monitor.reason

    def result(self) -> R:
        """What the function returned.

        Raises:
            ServerExited: it ended without a result; its `reason` says why.
            RuntimeError: it still runs.
        """
        reason = self._monitor.reason
        if reason is None:
            raise RuntimeError(f"the task {self.ref.path!r} still runs: await it")
        if not isinstance(reason, Normal) or self._result.value is _NO_RESULT:
            raise ServerExited(self.ref.path, reason)
        value: R = self._result.value
        return value

    async def wait(self, timeout: float = CALL_TIMEOUT_SECONDS) -> R:
        """Wait for the result, at most `timeout` seconds; may be awaited more than once.

        Raises:
            CallTimeout: it is not done in time. It runs on: `cancel` it if nobody wants it.
            ServerExited: it ended without a result.
        """
        with trio.move_on_after(timeout):
            await self._monitor.wait()
        if self._monitor.reason is None:
            raise CallTimeout(self.ref.path, timeout)
        return self.result()

    def cancel(self) -> None:
        """End it at once: `Task.shutdown(task, :brutal_kill)`. A no-op when it has ended."""
        self.ref.kill()


class TaskSupervisor:
    """Starts tasks under the supervisor at `ref`, which `task_supervisor` made."""

    __slots__ = ("ref",)

    def __init__(self, ref: ActorRef) -> None:
        self.ref = ref

    async def run(
        self,
        function: Callable[..., Awaitable[R]],
        *args: object,
        start_timeout: float = MANAGEMENT_TIMEOUT_SECONDS,
    ) -> Task[R]:
        """Start `function(*args)` as a task of its own.

        Raises:
            MaxChildren: so many run as the supervisor allows.
            CallError: there is no such supervisor, or it did not answer.
        """
        result = _Result()
        spec = ChildSpec(
            "task", _Runner, (partial(function, *args), result), restart=Restart.TEMPORARY
        )
        monitor = await start_child(self.ref, spec, monitor=True, timeout=start_timeout)
        assert monitor is not None  # noqa: S101 - its init does not answer ignore
        return Task(monitor, result)

    async def map(
        self,
        function: Callable[[T], Awaitable[R]],
        items: Iterable[T],
        *,
        at_once: int,
        timeout: float = math.inf,
    ) -> list[Task[R]]:
        """Run `function` on each item, at most `at_once` at a time; the tasks, all ended, in order.

        As `Task.Supervisor.async_stream_nolink`. Items are taken when there is room for them. A
        task that takes longer than `timeout` seconds is cancelled. One that fails fails alone: its
        `result()` raises. When the caller is cancelled, so are the tasks that run.

        Raises:
            ValueError: `at_once` is below 1.
        """
        if at_once < 1:
            raise ValueError(f"map: at least 1 task at once, not {at_once!r}")
        tasks: list[Task[R]] = []
        room = trio.Semaphore(at_once)

        async def see_to(task: Task[R]) -> None:
            try:
                with trio.move_on_after(timeout):
                    await task._monitor.wait()  # noqa: SLF001 - a task is this module's
            finally:
                task.cancel()  # a no-op when it has ended
            await task._monitor.wait()  # noqa: SLF001
            room.release()

        async with trio.open_nursery() as nursery:
            for item in items:
                await room.acquire()
                tasks.append(await self.run(function, item))
                nursery.start_soon(see_to, tasks[-1])
        return tasks


def task_supervisor(
    child_id: str,
    *,
    max_children: float = math.inf,
    shutdown: float | Literal["brutal_kill"] | None = None,
    restart: Restart = Restart.PERMANENT,
    name: str | None = None,
) -> ChildSpec:
    """The spec of a supervisor of tasks. Give its reference to `TaskSupervisor`.

    A shutdown cancels the tasks; each may take its 5 s over its end.
    """
    return dynamic_supervisor(
        child_id, max_children=max_children, shutdown=shutdown, restart=restart, name=name
    )
