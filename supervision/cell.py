"""One incarnation of an actor, from its start to `finish`."""

from __future__ import annotations

import math
from enum import StrEnum
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, NoReturn

import trio

from .actor import IGNORE, Actor, Continue
from .call import NOBODY
from .context import correlation_id, current_cell
from .deadlines import Change
from .durations import Durations
from .errors import BadInit, ServerExited, UnhandledRequest
from .events import (
    CastDropped,
    FailedStart,
    Started,
    StartIgnored,
    TaskFailed,
    TerminateFailed,
    UnhandledMessage,
)
from .exits import KILLED, NOPROC, NORMAL, Crash, ExitReason, crash
from .faults import InjectedCrash
from .mailbox import Envelope, Token, open_mailbox
from .messages import nearest_handler
from .ref import ActorRef
from .replay import LeaveBatch, Postponed, Replay, Wake
from .spec import BRUTAL_KILL, WORKER_SHUTDOWN_SECONDS
from .tick import Tick

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call import PendingCall
    from .deadlines import Timer
    from .messages import Handler
    from .monitor import Monitor
    from .spec import ChildSpec
    from .system import PathRecord, System

DRAIN_LIMIT = 128
"""Messages handled before other tasks get a turn: about 0.1 ms of small ones."""
TIMED_TOGETHER = 16
"""In a backlog, so many messages are timed together, and count as equally long: to read the clock
after each would make a cast half as dear again. With fewer waiting, each is timed by itself."""


class State(StrEnum):
    """Where an incarnation stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


class Cell:
    """Path, generation, cancel scope, mailbox, unanswered calls and monitors of one incarnation.

    Made by whoever starts the actor, once its names are known to be free. `on_exit` is called
    synchronously when it has ended, after its names are free again, its callers have been told
    and its monitors have fired.
    """

    __slots__ = (
        "_first",
        "_on_exit",
        "_replay",
        "_waiting",
        "actor",
        "actor_type",
        "asked",
        "at_end",
        "calls",
        "crashed_at",
        "durations",
        "generation",
        "handled",
        "handlers",
        "handling_seconds",
        "ignored",
        "mailbox",
        "monitors",
        "names",
        "path",
        "reason",
        "scope",
        "spec",
        "started_at",
        "state",
        "system",
        "task",
        "timers",
        "was_up",
        "watching",
    )

    def __init__(
        self,
        system: System,
        path: str,
        spec: ChildSpec,
        actor: Actor,
        on_exit: Callable[[Cell], None],
    ) -> None:
        self.system = system
        self.path = path
        self.spec = spec
        self.actor = actor
        """Until it has ended; see `finish`."""
        self.actor_type = type(actor)
        self.handlers = type(actor).handlers
        """The class's own, or while somebody looks, those that tell what they do."""
        self.generation = system.next_generation(path)
        self.scope = trio.CancelScope()
        self.mailbox = open_mailbox(actor.mailbox)
        self.state = State.STARTING
        self.task: trio.lowlevel.Task | None = None
        self.reason: ExitReason | None = None
        self.ignored = False
        self.asked = False
        self.crashed_at: str | None = None
        """The correlation of the message that it crashed at; a task of its own is at none."""
        """Whether its supervisor has asked it to stop, and so limits the time it takes."""
        self.was_up = False
        self.calls: set[PendingCall] = set()
        self.monitors: set[Monitor] = set()
        self.watching: set[Monitor] = set()
        self.timers: set[Timer] = set()
        self.names: list[str] = []
        self.at_end: tuple[Callable[[], None], ...] = ()
        """Called when it has ended, before anybody is told; must not raise."""
        self.started_at = trio.current_time()
        self.handled = 0
        self.handling_seconds = 0.0
        self.durations = Durations()
        self._on_exit = on_exit
        self._replay: Replay | None = None
        self._first: Envelope | Token | None = None
        """What `init` asked to handle before any other message."""
        self._waiting: tuple[Change, ...] = ()
        actor._cell = self  # noqa: SLF001 - the runtime gives an actor its place
        system.register(path, self)
        if spec.name is not None:
            system.register(spec.name, self)
        for action in system.starting:
            action(self)

    @property
    def ref(self) -> ActorRef:
        """A reference to this incarnation. Made when asked for: kept here, it would be a cycle."""
        return ActorRef(self.system, self.path, self)

    @property
    def replay(self) -> Replay:
        """What waits beside the mailbox's channel; made when it is first needed."""
        if self._replay is None:
            self._replay = Replay(self.mailbox)
        return self._replay

    @property
    def is_suspended(self) -> bool:
        """Whether it handles no messages until it is resumed."""
        return self._replay is not None and self._replay.suspended

    def postpone(self) -> NoReturn:
        """See `Actor.postpone`."""
        if self.state is not State.RUNNING or trio.lowlevel.current_task() is not self.task:
            raise RuntimeError(f"{self.path}: only a handler can postpone the message it handles")
        raise Postponed

    def state_changed(self) -> None:
        """See `Actor.state_changed`."""
        retried = self._replay is not None and self._replay.retry()
        # The receive loop may wait in the channel, unless it is the one that asks.
        if retried and trio.lowlevel.current_task() is not self.task:
            self.mailbox.signal_token(Wake())

    @property
    def ended(self) -> bool:
        """Whether `finish` has run."""
        return self.reason is not None

    def kill(self) -> None:
        """Cancel at once: the actor, its tasks and everything under it, without `terminate`."""
        self.scope.cancel(reason=f"{self.path} was killed")

    async def up(self, timeout: float = math.inf) -> None:
        """Wait until the start has succeeded or failed, or `timeout` seconds are over."""
        if self.state is State.STARTING:
            await self._change(timeout)

    async def gone(self, timeout: float = math.inf) -> None:
        """Wait until an actor that was up has ended, or `timeout` seconds are over."""
        if self.reason is None:
            await self._change(timeout)

    async def run(self) -> None:
        """The actor's life; started in the nursery of its supervisor, which it never harms."""
        self.task = trio.lowlevel.current_task()
        current_cell.set(self)
        reason: ExitReason = KILLED
        try:
            with self.scope:
                await trio.lowlevel.checkpoint_if_cancelled()
                actor = self.actor
                reason = await (
                    self._live_with_tasks(actor) if actor.owns_tasks else self._live(actor)
                )
            if self.scope.cancel_called:
                reason = KILLED
        except Exception as error:  # noqa: BLE001 - whatever an actor raises is its exit reason
            # A cancelled ancestor counts as well: a `finally` that raised has hidden its Cancelled.
            cancelled = self.scope.cancel_called or _is_cancelled()
            reason = KILLED if cancelled else crash(error)
        except BaseExceptionGroup as group:
            # An ancestor's Cancelled beside what a `finally` raised on its way: only the former
            # is for the ancestor. The actor was killed, its errors are of no more interest.
            _, rest = group.split(Exception)
            if rest is None:  # pragma: no cover - an ExceptionGroup is caught above
                raise
            raise rest from None
        finally:
            # An ancestor's Cancelled passes through here uncaught: the reason is killed.
            self.finish(reason)
            # The error's traceback names this frame, so a frame that names the error is a circle.
            del reason

    def finish(self, reason: ExitReason) -> None:
        """Settle everything that others wait for, without a pause in between."""
        self.state = State.ENDED
        self.reason = reason
        if isinstance(reason, Crash) and not self.actor_type.owns_tasks:
            self.crashed_at = correlation_id.get()
        self.system.ended(self)
        for action in self.at_end:
            action()
        self.at_end = ()
        for call in list(self.calls):
            call.fail(ServerExited(call.target, reason))
        for timer in list(self.timers):
            timer.cancel()
        for monitor in list(self.watching):
            monitor.cancel()
        if self._replay is not None:
            self._replay.open()
        undelivered = self.mailbox.close()
        self._replay = None
        for monitor in list(self.monitors):
            monitor.fire(reason)
        self.monitors.clear()
        if self.ignored:
            self.system.emit(StartIgnored(self.path, self.generation))
        elif not self.was_up:
            self.system.emit(FailedStart(self.path, self.generation, reason))
        self._changed()
        # The class's own: an attribute of that name on the actor must not end its supervisor.
        self.actor_type._undelivered(  # noqa: SLF001
            self.actor, [message for message, *_ in undelivered]
        )
        self._on_exit(self)
        # What is left refers to nothing in a circle: a million short lives leave nothing for the
        # garbage collector, which everybody would wait for.
        self.task = None
        del self.actor

    def forget_error(self) -> None:
        """Keep no error: its supervisor has reported it, and nobody asks for it any more.

        An error holds the frames it went through, and they hold the actor. Whoever keeps a
        reference to an ended actor would keep all that.
        """
        if isinstance(self.reason, Crash):
            self.reason = NOPROC

    def send_after(self, delay: float, message: object) -> Timer:
        """See `Actor.send_after`."""
        if not delay >= 0:
            raise ValueError(f"{self.path}: a delay of {delay!r} s is not 0 or more")
        return Tick(self, message, delay, None).timer

    def send_every(self, interval: float, message: object) -> Timer:
        """See `Actor.send_every`."""
        if not interval > 0:
            raise ValueError(f"{self.path}: an interval of {interval!r} s is not above 0")
        return Tick(self, message, interval, interval).timer

    async def _live(self, actor: Actor) -> ExitReason:
        """Start, messages and `terminate`; the answer is the exit reason."""
        await self._start(actor)
        if self.ignored:
            return NORMAL
        return await self._end(*await self._receive(actor))

    async def _live_with_tasks(self, actor: Actor) -> ExitReason:
        """The same, with the actor's tasks beside it.

        The first to end decides on the reason: the actor, or a task that raised. What tasks raise
        while the actor ends is only told.
        """
        undecided: tuple[ExitReason, Exception | None] = KILLED, None
        given = undecided  # as it stays if the actor cancels its own nursery
        try:
            try:
                async with trio.open_nursery() as tasks:
                    actor._tasks = tasks  # noqa: SLF001 - the runtime gives an actor its nursery
                    await self._start(actor)
                    given = (NORMAL, None) if self.ignored else await self._receive(actor)
                    if actor.tasks_run_in_terminate and not self.ignored:
                        given = await self._end(*given), None
                    tasks.cancel_scope.cancel()
            except Exception as error:
                if _is_cancelled():
                    raise
                if given is undecided:
                    if self.state is State.STARTING:
                        raise
                    # A task raised, which has cancelled the receive loop. Nothing is cancelled.
                    return await self._end(self._stopping(crash(error)), error)
                self.system.emit(TaskFailed(self.path, given[0], crash(error)))
            if given is undecided or self.ignored or actor.tasks_run_in_terminate:
                return given[0]
            return await self._end(*given)
        finally:
            # From Python 3.12 on a traceback leads to this frame, too: as in `run`.
            del given

    async def _start(self, actor: Actor) -> None:
        answer = await actor.init()
        if answer is IGNORE:
            self.ignored = True
            return
        if isinstance(answer, Continue):
            self._first = (answer.message, None, None, False)
        elif answer is not None:
            raise BadInit(f"{self.path}: init answered {answer!r}, not None, IGNORE or Continue")
        # An init that was given up on, and ended without a further await, is not up.
        await trio.lowlevel.checkpoint_if_cancelled()
        self.state = State.RUNNING
        self.was_up = True
        self.started_at = trio.current_time()
        self.system.emit(Started(self.path, self.generation))
        self._changed()

    def _stopping(self, reason: ExitReason) -> ExitReason:
        """From now on nothing in the mailbox will be handled."""
        self.state = State.STOPPING
        # Callers whom a handler has kept may still be answered by terminate. The rest hear of it
        # now, not when terminate is done.
        for call in [call for call in self.calls if not call.kept]:
            call.fail(ServerExited(call.target, reason))
        return reason

    async def _end(self, reason: ExitReason, error: Exception | None) -> ExitReason:
        """Have the actor clean up; the answer is the exit reason, which an error stays."""
        if self.actor_type.terminate is Actor.terminate:
            return reason
        failed = await self._terminate(reason)
        if failed is None:
            return reason
        if error is None:
            return crash(failed)
        self.system.emit(TerminateFailed(self.path, reason, failed))
        return reason

    async def _receive(self, actor: Actor) -> tuple[ExitReason, Exception | None]:
        """Handle messages until there is a reason to end, and the error behind it, if any."""
        mailbox, record = self.mailbox, self.system.paths[self.path]
        item, self._first = self._first, None
        try:
            while True:
                if item is None:
                    item = await mailbox.receive()
                limit = DRAIN_LIMIT if record.fault is None else await self._suffer(record)
                reason = await self._drain(actor, item, limit)
                if reason is not None:
                    return self._stopping(reason), None
                # An actor that waits for its next message must not keep the last one alive.
                item = None
        except Exception as error:
            if _is_cancelled():
                raise  # killed, or a task raised before: this error came on the way out
            return self._stopping(crash(error)), error

    async def _drain(
        self, actor: Actor, item: Envelope | Token | None, limit: int
    ) -> ExitReason | None:
        """Handle `item` and up to `limit` messages that wait; a reason is answered to stop."""
        mailbox = self.mailbox
        receive_nowait = mailbox.receive_nowait
        handlers = self.handlers
        handled, look_at = 0, 1
        timed, began = 0, perf_counter()
        mailbox.high_water = max(mailbox.high_water, mailbox.queued)
        try:
            while True:
                if mailbox.stop_reason is not None:
                    return mailbox.stop_reason
                if item is not None and not isinstance(item, tuple):
                    item = item.redeem()
                if item is not None:
                    message, call, correlation, counted = item
                    if counted:
                        mailbox.queued -= 1
                    handled += 1
                    handler = handlers.get(type(message)) or self._other_handler(message, call)
                    if handler is not None:
                        correlation_id.set(correlation)
                        function, is_async, defers = handler
                        if defers:
                            if call is not None:
                                call.kept = True
                            function(actor, message, call or NOBODY)
                        else:
                            result = function(actor, message)
                            if is_async or result.__class__ is CoroutineType:
                                result = await result
                                mailbox.high_water = max(mailbox.high_water, mailbox.queued)
                            if call is not None:
                                call.reply(result)
                if handled >= look_at:
                    timed, began = handled, self._timed(began, handled - timed)
                    if handled >= limit:
                        return None
                    more = mailbox.queued > TIMED_TOGETHER
                    look_at = handled + (TIMED_TOGETHER if more else 1)
                try:
                    item = receive_nowait()
                except trio.WouldBlock:
                    return None
        except LeaveBatch as leave:
            if (
                isinstance(leave, Postponed)
                and isinstance(item, tuple)
                and not self.replay.postpone(item)
            ):
                self.system.emit(CastDropped(self.path, type(item[0]), mailbox.dropped))
            return None
        finally:
            self._timed(began, handled - timed)  # the last one raised, or was cancelled

    def _timed(self, began: float, number: int) -> float:
        """Note that `number` messages were handled since `began`; the answer is when that ended."""
        now = perf_counter()
        if number:
            seconds = now - began
            self.handled += number
            self.handling_seconds += seconds
            self.durations.add(seconds / number, number)
        return now

    async def _suffer(self, record: PathRecord) -> int:
        """Hang, or be slow, as the fault says; the answer is how many messages may follow."""
        fault = record.fault
        if fault is not None and not fault.over:
            await fault.suffer()
            return 1
        record.fault = None
        return DRAIN_LIMIT

    def _other_handler(self, message: object, call: PendingCall | None) -> Handler | None:
        """The handler of a base class; without one the message is refused."""
        if isinstance(message, InjectedCrash):
            raise message.error
        handler = nearest_handler(self.handlers, type(message), is_call=call is not None)
        if handler is None:
            self.system.emit(UnhandledMessage(self.path, type(message)))
            if call is not None:
                call.fail(UnhandledRequest(self.path, type(message)))
        return handler

    async def _terminate(self, reason: ExitReason) -> Exception | None:
        await trio.lowlevel.checkpoint_if_cancelled()  # not after a kill
        # A supervisor that asked has a deadline of its own, earlier than one made here.
        limit = math.inf if self.asked else self.spec.shutdown_seconds
        with trio.move_on_after(WORKER_SHUTDOWN_SECONDS if limit == BRUTAL_KILL else limit) as due:
            try:
                await self.actor.terminate(reason)
            except Exception as error:  # noqa: BLE001 - what it means depends on why we terminate
                return error
        if due.cancel_called:
            self.system.emit(TerminateFailed(self.path, reason, None))
        return None

    async def _change(self, timeout: float) -> None:
        change = Change(timeout, self.system.deadlines)
        self._waiting = (*self._waiting, change)
        try:
            await change.wait()
        finally:
            self._waiting = tuple(other for other in self._waiting if other is not change)

    def _changed(self) -> None:
        for change in self._waiting:
            change.settle()


def _is_cancelled() -> bool:
    """Whether a scope around the running task is cancelled."""
    return trio.current_effective_deadline() == -math.inf
