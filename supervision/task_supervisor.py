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

from .actor import IGNORE, Actor
from .dynamic import dynamic_supervisor
from .errors import CallTimeout, ServerExited
from .exits import Normal
from .management import MANAGEMENT_TIMEOUT_SECONDS, start_child
from .policy import Restart
from .ref import CALL_TIMEOUT_SECONDS
from .spec import ChildSpec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from .actor import Ignore
    from .exits import ExitReason
    from .monitor import Monitor
    from .ref import ActorRef

R = TypeVar("R")
T = TypeVar("T")

_NO_RESULT: Any = object()


class _Result:
    """Where a task's actor leaves what its function returned."""

    __slots__ = ("abandoned", "runner", "value")

    def __init__(self) -> None:
        self.value = _NO_RESULT
        self.abandoned = False
        self.runner: ActorRef | None = None
        """Until who started it has the task; longer, it would be a cycle."""

    def abandon(self) -> None:
        """Nobody will ever have the task: it is not to run, or not any longer."""
        self.abandoned = True
        if self.runner is not None:
            self.runner.kill()
            self.runner = None


class _Runner(Actor):
    """Runs one function beside its mailbox, so that a stop reaches it at once."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, function: Callable[[], Awaitable[Any]], result: _Result) -> None:
        self._function = function
        self._result = result

    async def init(self) -> Ignore | None:
        if self._result.abandoned:
            return IGNORE
        self._result.runner = self.ref
        self.tasks.start_soon(self._run, name=f"{self.path} runs")
        return None

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

        It is the caller's once this has returned. When this raises, or is cancelled, the function
        does not run, or is cancelled if it has begun.

        Raises:
            MaxChildren: so many run as the supervisor allows.
            CallError: there is no such supervisor, or it did not answer.
        """
        result = _Result()
        spec = ChildSpec(
            "task", _Runner, (partial(function, *args), result), restart=Restart.TEMPORARY
        )
        try:
            monitor = await start_child(self.ref, spec, monitor=True, timeout=start_timeout)
        except BaseException:
            result.abandon()  # the request may still be in the supervisor's mailbox
            raise
        result.runner = None
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
        `result()` raises. When the caller is cancelled, or this raises, so are the tasks that run.

        Raises:
            ValueError: `at_once` is below 1, or `timeout` below 0.
            MaxChildren, CallError: a task could not be started; see `run`.
            Exception: what `items` raised.
        """
        if at_once < 1:
            raise ValueError(f"map: at least 1 task at once, not {at_once!r}")
        if not float(timeout) >= 0:
            raise ValueError(f"map: a timeout of {timeout!r} s is not 0 or more")
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

        failure: Exception | None = None
        async with trio.open_nursery() as nursery:
            try:
                for item in items:
                    await room.acquire()
                    tasks.append(await self.run(function, item))
                    nursery.start_soon(see_to, tasks[-1])
            except Exception as error:  # noqa: BLE001 - raised below; here it would be in a group
                failure = error
                nursery.cancel_scope.cancel()
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # its traceback names this frame: a circle
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
