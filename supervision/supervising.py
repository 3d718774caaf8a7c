"""What the static and the dynamic supervisor share: children, their starts, exits and stops."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, ClassVar

import trio

from .actor import Actor
from .cell import Cell
from .children import (
    Child,
    ChildExited,
    ChildInfo,
    ChildState,
    CountChildren,
    Counts,
    Retry,
    WhichChildren,
)
from .context import correlation_id
from .errors import AlreadyStarted, SpecError, StartTimeout
from .events import (
    AutoShutdownTriggered,
    Exited,
    IntensityExceeded,
    RestartScheduled,
    ShutdownTimedOut,
    StillAlive,
)
from .exits import SHUTDOWN, Crash, crash
from .messages import handles
from .policy import Decision, Restart, add_restart, decide
from .spec import BRUTAL_KILL, Flags, Kind
from .system import ROOT, check_actor

if TYPE_CHECKING:
    from .exits import ExitReason
    from .ref import ActorRef

DEEPEST = 100
"""How many levels a tree may have below the root. Each takes some frames of Python's stack when a
cancellation unwinds it: at 600 levels a kill ended in a RecursionError."""
REPORT_SECONDS = 5.0
"""How often a cancelled child that does not end is reported."""
STACK_LINES = 200
"""A report has at most so many lines, as a supervisor may own ten thousand tasks."""


class Supervising(Actor):
    """An actor whose tasks are its children. Messages are handled one at a time."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(self, flags: Flags) -> None:
        self.flags = flags
        self.children: dict[str, Child] = {}
        self._stamps: list[float] = []
        # From the module's own generator, so that who seeds that has the same waits again.
        self._random = random.Random(random.getrandbits(64))

    @property
    def restarts_in_window(self) -> int:
        """Restarts that count against the intensity now."""
        now = trio.current_time()
        return sum(stamp >= now - self.flags.period for stamp in self._stamps)

    def child_path(self, child_id: str) -> str:
        """The path of the child with that id."""
        # A child of the root that is called as the root is told apart by the longer path.
        at_the_top = self.path == ROOT and child_id != ROOT
        return child_id if at_the_top else f"{self.path}/{child_id}"

    @handles(WhichChildren)
    def _which_children(self, _request: WhichChildren) -> list[ChildInfo]:
        return [
            ChildInfo(
                child.id,
                None if child.cell is None else child.cell.ref,
                child.state,
                child.spec.kind,
            )
            for child in reversed(self.children.values())
        ]

    @handles(CountChildren)
    def _count_children(self, _request: CountChildren) -> Counts:
        children = self.children.values()
        supervisors = sum(child.spec.kind is Kind.SUPERVISOR for child in children)
        return Counts(
            specs=len(children),
            active=sum(child.cell is not None and not child.cell.ended for child in children),
            supervisors=supervisors,
            workers=len(children) - supervisors,
        )

    # What the static and the dynamic supervisor do differently.

    def arguments(self) -> tuple[object, ...]:
        """Arguments every start gets before its spec's own."""
        return ()

    def kept(self, child: Child) -> None:
        """The child is down and nobody restarts it."""
        child.state = ChildState.STOPPED

    def ends_with(self, child: Child, reason: ExitReason) -> bool:  # noqa: ARG002
        """Whether the supervisor itself ends because `child` ended for `reason`."""
        return False

    async def restart(self, child: Child) -> tuple[Child, ExitReason] | None:
        """One restart attempt: None, or which child failed to start, and why."""
        failure = await self.start(child)
        return None if failure is None else (child, failure)

    def comes_back(self, child: Child) -> bool:  # noqa: ARG002
        """Whether `child` comes back with the supervisor's next incarnation."""
        return False

    # Starting, stopping and forgetting one child.

    async def start(self, child: Child) -> ExitReason | None:
        """Start `child` and wait until it is up; the answer is the reason if it failed.

        After None it runs, or it answered ignore and is down, or forgotten.
        """
        spec, path = child.spec, self.child_path(child.id)
        child.retry = child.failure = None
        if path.count("/") >= DEEPEST:
            return Crash(SpecError("too_deep", f"{path!r}: a tree has at most {DEEPEST} levels"))
        try:
            actor = spec.start(*self.arguments(), *spec.args)
            check_actor(actor, path)
        except Exception as error:  # noqa: BLE001 - a factory that raises is a failed start
            return crash(error)
        for name in (path, spec.name):
            holder = None if name is None else self.system.whereis(name)
            if holder is not None:
                return Crash(AlreadyStarted(child.id, holder))
        cell = child.cell = Cell(self.system, path, spec, actor, self._child_ended)
        self.tasks.start_soon(cell.run, name=path)
        await cell.up(spec.start_seconds)
        if cell.was_up:
            child.state = ChildState.RUNNING
            child.generation = cell.generation
            return None
        timed_out = not cell.ended
        if timed_out:
            cell.kill()
            await self.end_of(cell)
        child.cell = None
        if timed_out:
            return Crash(StartTimeout(path, spec.start_seconds))
        if cell.ignored:
            self.forget(child) if spec.restart is Restart.TEMPORARY else self.kept(child)
            return None
        reason = cell.reason
        cell.forget_error()
        return reason

    async def stop_child(self, child: Child) -> None:
        """Ask the child to stop, cancel it when its time is up, and wait for its end."""
        cell = child.cell
        if cell is not None:
            self.ask_to_stop(cell)
            await self.kill_when_due(cell, trio.current_time())
            await self.end_of(cell)
        self.stopped(child)

    def ask_to_stop(self, cell: Cell) -> None:
        """Begin the stop of a child, as its spec says."""
        if cell.ended:
            return
        if cell.spec.shutdown_seconds == BRUTAL_KILL:
            cell.kill()
        else:
            cell.asked = True
            cell.mailbox.stop(SHUTDOWN)

    async def kill_when_due(self, cell: Cell, asked_at: float) -> None:
        """Wait for a child that was asked to stop at `asked_at`; cancel it when its time is up."""
        limit = cell.spec.shutdown_seconds
        if limit != BRUTAL_KILL:
            await cell.gone(asked_at + limit - trio.current_time())
            if not cell.ended:
                self.system.emit(ShutdownTimedOut(cell.path, limit))
                cell.kill()

    async def end_of(self, cell: Cell) -> None:
        """Wait for the end of a child that was cancelled. One that does not end is reported."""
        # Nothing is started beside a predecessor that is still alive, so this waits for
        # ever; what cannot be cancelled (shielded, or never awaiting) is told again and again.
        cancelled_at = trio.current_time()
        while not cell.ended:
            await cell.gone(REPORT_SECONDS)
            if not cell.ended:
                waited = trio.current_time() - cancelled_at
                self.system.emit(StillAlive(cell.path, waited, stack_of(cell)))

    def stopped(self, child: Child) -> None:
        """Note that the child was taken down on purpose."""
        cell, child.cell = child.cell, None
        child.retry = child.failure = None
        child.state = ChildState.STOPPED
        if cell is not None:
            self._report(cell, Decision.STOPPING)

    def forget(self, child: Child) -> None:
        """Drop the child's spec and what is known of its path."""
        child.retry = None
        del self.children[child.id]
        self.system.forget_path(self.child_path(child.id))

    # Exits and restarts.

    def _child_ended(self, cell: Cell) -> None:
        if cell.was_up:  # else start() is waiting for it
            self._cell.mailbox.signal(ChildExited(cell))

    def _undelivered(self, messages: list[object]) -> None:
        for message in messages:
            if isinstance(message, ChildExited) and self._child_of(message.cell) is not None:
                self._report(message.cell, Decision.STOPPING)
        for child in self.children.values():
            if not self.comes_back(child):
                self.system.forget_path(self.child_path(child.id))
        self.children.clear()

    def child_by_ref(self, ref: ActorRef) -> Child | None:
        """The child that `ref` names."""
        cell = ref.incarnation or self.system.names.get(ref.path)
        path = ref.path if cell is None else cell.path
        child = self.children.get(path.rpartition("/")[2])
        if child is None or self.child_path(child.id) != path or not child.is_named_by(ref):
            return None
        return child

    def _child_of(self, cell: Cell) -> Child | None:
        child = self.children.get(cell.path.rpartition("/")[2])
        return child if child is not None and child.cell is cell else None

    @handles(ChildExited)
    async def _on_child_exited(self, message: ChildExited) -> None:
        cell, reason = message.cell, message.cell.reason
        child = self._child_of(cell)
        if child is None or reason is None:
            return  # it was stopped on purpose meanwhile, which has been reported
        child.cell = None
        decision = decide(child.spec.restart, reason)
        if decision is Decision.RESTART:
            if not self._charge():
                decision = Decision.ESCALATE
        elif self.ends_with(child, reason):
            decision = Decision.SHUTDOWN
        self._report(cell, decision)
        match decision:
            case Decision.RESTART:
                await self._begin_restart(child, lived=trio.current_time() - cell.started_at)
            case Decision.ESCALATE:
                self._give_up(child, reason)
            case Decision.SHUTDOWN:
                self.system.emit(AutoShutdownTriggered(self.path, child.id))
                self._put_away(child)
                self.stop(SHUTDOWN)
            case _:
                self._put_away(child)

    @handles(Retry)
    async def _on_retry(self, message: Retry) -> None:
        child = message.child
        if child.retry is not message:
            return  # called off, or a restart of its group has overtaken it: neither is charged
        if child.failure is None or self._charge():
            await self._attempt(child)
        else:
            self._give_up(child, child.failure)

    async def _begin_restart(self, child: Child, *, lived: float) -> None:
        if lived >= self.flags.period:
            child.attempts = 0
        if self.flags.backoff is None:
            await self._attempt(child)
        else:
            child.failure = None  # this restart is charged already
            self._schedule(child)

    async def _attempt(self, child: Child) -> None:
        child.state = ChildState.RESTARTING
        failed = await self.restart(child)
        if failed is None:
            return
        culprit, reason = failed
        culprit.failure = reason
        # A message to itself, not a loop: management calls and a stop come in between.
        self._schedule(culprit)

    def _schedule(self, child: Child) -> None:
        child.state = ChildState.RESTARTING
        child.retry = retry = Retry(child)
        backoff = self.flags.backoff
        delay = 0.0 if backoff is None else backoff.wait(child.attempts, self._random)
        child.attempts += 1
        self.system.emit(RestartScheduled(self.child_path(child.id), child.attempts, delay))
        if delay > 0:
            self.send_after(delay, retry)
        else:
            self._cell.mailbox.signal(retry)

    def _charge(self) -> bool:
        self._stamps, fits = add_restart(
            self._stamps,
            trio.current_time(),
            intensity=self.flags.intensity,
            period=self.flags.period,
        )
        return fits

    def _give_up(self, child: Child, reason: ExitReason) -> None:
        self.system.emit(
            IntensityExceeded(
                self.path,
                self.child_path(child.id),
                reason,
                self.flags.intensity,
                self.flags.period,
            )
        )
        child.state = ChildState.STOPPED
        child.retry = child.failure = None
        self.stop(SHUTDOWN)

    def _put_away(self, child: Child) -> None:
        if child.spec.restart is Restart.TEMPORARY:
            self.forget(child)
        else:
            self.kept(child)

    def _report(self, cell: Cell, decision: Decision) -> None:
        assert cell.reason is not None  # noqa: S101 - reported because it ended
        # Told where the message is known that an actor crashed at: what hears of it can say so.
        before = correlation_id.set(cell.crashed_at)
        try:
            self.system.emit(Exited(cell.path, cell.generation, cell.reason, decision))
        finally:
            correlation_id.reset(before)
        cell.forget_error()


def stack_of(cell: Cell) -> str:
    """Where the actor's task, and the tasks it owns, stand now: outermost frame first."""
    if cell.task is None:
        return "not started"
    lines: list[str] = []
    waiting = [cell.task]
    while waiting and len(lines) < STACK_LINES:
        task = waiting.pop()
        lines += [f"  task {task.name}"] if lines else []
        lines += [
            f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'
            for frame, line in task.iter_await_frames()
        ]
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return "\n".join(lines)
