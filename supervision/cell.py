"""One incarnation of an actor, from its start to `finish`."""

from __future__ import annotations

import math
from enum import StrEnum
from time import perf_counter
from typing import TYPE_CHECKING

import trio

from .actor import IGNORE, Actor, Continue
from .context import correlation_id, current_cell
from .deadlines import Timer
from .errors import BadInit, ServerExited, UnhandledRequest
from .events import Started, StartFailed, StartIgnored, TerminateFailed, UnhandledMessage
from .exits import KILLED, NORMAL, ExitReason, crash
from .mailbox import Envelope, Token, open_mailbox
from .ref import ActorRef
from .spec import BRUTAL_KILL

if TYPE_CHECKING:
    from collections.abc import Callable

    from .call import PendingCall
    from .monitor import Monitor
    from .spec import ChildSpec
    from .system import System

DRAIN_LIMIT = 128
"""Messages handled before other tasks get a turn: about 0.1 ms of small ones."""


class State(StrEnum):
    """Where an incarnation stands."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ENDED = "ended"


class Cell:
    """Path, generation, cancel scope, mailbox, unanswered calls and monitors of one incarnation.

    Made by whoever starts the actor. `on_exit` is called synchronously when it has ended,
    after its names are free, its callers have been told and its monitors have fired.
    """

    __slots__ = (
        "_on_exit",
        "_waiting",
        "actor",
        "calls",
        "generation",
        "handled",
        "handling_seconds",
        "ignored",
        "mailbox",
        "monitors",
        "names",
        "path",
        "reason",
        "ref",
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
        self.generation = system.next_generation(path)
        self.scope = trio.CancelScope()
        self.mailbox = open_mailbox(actor.mailbox)
        self.state = State.STARTING
        self.ref = ActorRef(system, path, self)
        self.task: trio.lowlevel.Task | None = None
        self.reason: ExitReason | None = None
        self.ignored = False
        self.was_up = False
        self.calls: set[PendingCall] = set()
        self.monitors: set[Monitor] = set()
        self.watching: set[Monitor] = set()
        self.timers: set[Timer] = set()
        self.names: list[str] = []
        self.started_at = trio.current_time()
        self.handled = 0
        self.handling_seconds = 0.0
        self._on_exit = on_exit
        self._waiting: trio.Event | None = None
        actor._cell = self  # noqa: SLF001 - the runtime gives an actor its place

    @property
    def ended(self) -> bool:
        """Whether `finish` has run."""
        return self.reason is not None

    def kill(self) -> None:
        """Cancel at once: the actor, its tasks and everything under it, without `terminate`."""
        self.scope.cancel(reason=f"{self.path} was killed")

    async def up(self) -> None:
        """Wait until the start has succeeded or failed."""
        while self.state is State.STARTING:
            await self._next_change()

    async def gone(self) -> None:
        """Wait until the actor has ended."""
        while self.reason is None:
            await self._next_change()

    async def run(self) -> None:
        """The actor's life; started in the nursery of its supervisor, which it never harms."""
        self.task = trio.lowlevel.current_task()
        current_cell.set(self)
        reason: ExitReason = KILLED
        try:
            with self.scope:
                await trio.lowlevel.checkpoint_if_cancelled()
                reason = await self._live()
            if self.scope.cancel_called:
                reason = KILLED
        except Exception as error:  # noqa: BLE001 - whatever an actor raises is its exit reason
            reason = KILLED if self.scope.cancel_called else crash(error)
        finally:
            # An ancestor's Cancelled passes through here uncaught: the reason is killed.
            self.finish(reason)

    def finish(self, reason: ExitReason) -> None:
        """Settle everything that others wait for, without a pause in between."""
        self.state = State.ENDED
        self.reason = reason
        self.system.ended(self)
        for call in list(self.calls):
            call.fail(ServerExited(call.target, reason))
        for timer in list(self.timers):
            timer.cancel()
        for monitor in list(self.watching):
            monitor.cancel()
        undelivered = self.mailbox.close()
        for monitor in list(self.monitors):
            monitor.fire(reason)
        self.monitors.clear()
        if self.ignored:
            self.system.emit(StartIgnored(self.path, self.generation))
        elif not self.was_up:
            self.system.emit(StartFailed(self.path, self.generation, reason))
        self._changed()
        self.actor._undelivered([message for message, *_ in undelivered])  # noqa: SLF001
        self._on_exit(self)

    def send_after(self, delay: float, message: object) -> Timer:
        """See `Actor.send_after`."""
        return _Tick(self, message, delay, None).timer

    def send_every(self, interval: float, message: object) -> Timer:
        """See `Actor.send_every`."""
        if not interval > 0:
            raise ValueError(f"{self.path}: an interval of {interval!r} s is not above 0")
        return _Tick(self, message, interval, interval).timer

    async def _live(self) -> ExitReason:
        actor = self.actor
        if not actor.owns_tasks:
            return await self._serve(actor)
        reason: ExitReason = NORMAL
        try:
            async with trio.open_nursery() as tasks:
                actor.tasks = tasks
                reason = await self._serve(actor)
                tasks.cancel_scope.cancel()
        except Exception as error:
            if self.state is State.RUNNING:
                # A task crashed, which cancelled the receive loop before it could terminate:
                # done here, outside the nursery, where nothing is cancelled any more.
                await self._terminate_after(crash(error))
            raise
        return reason

    async def _serve(self, actor: Actor) -> ExitReason:
        answer = await actor.init()
        if answer is IGNORE:
            self.ignored = True
            return NORMAL
        if answer is not None and not isinstance(answer, Continue):
            raise BadInit(f"{self.path}: init answered {answer!r}, not None, IGNORE or Continue")
        self.state = State.RUNNING
        self.was_up = True
        self.started_at = trio.current_time()
        self.system.emit(Started(self.path, self.generation))
        self._changed()
        try:
            first = None if answer is None else (answer.message, None, None, False)
            reason = await self._receive(actor, first)
        except Exception as error:
            await self._terminate_after(crash(error))
            raise
        self.state = State.STOPPING
        # Not guarded as after a raise: here a terminate that raises is a crash of its own,
        # and its time is limited by whoever asked for the stop.
        await actor.terminate(reason)
        return reason

    async def _receive(self, actor: Actor, item: Envelope | Token | None) -> ExitReason:
        mailbox = self.mailbox
        take, take_nowait = mailbox.take, mailbox.take_nowait
        handlers = type(actor).handlers
        while True:
            if item is None:
                item = await take()
            began = perf_counter()
            handled = 0
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
                        handler = handlers.get(message.__class__)
                        if handler is None:
                            self._refuse(message, call)
                        else:
                            correlation_id.set(correlation)
                            function, is_async, defers = handler
                            if defers:
                                function(actor, message, call)
                            else:
                                result = function(actor, message)
                                if is_async:
                                    result = await result
                                if call is not None:
                                    call.reply(result)
                    if handled >= DRAIN_LIMIT:
                        break
                    try:
                        item = take_nowait()
                    except trio.WouldBlock:
                        break
            finally:
                self.handled += handled
                self.handling_seconds += perf_counter() - began
            item = None

    def _refuse(self, message: object, call: PendingCall | None) -> None:
        self.system.emit(UnhandledMessage(self.path, type(message)))
        if call is not None:
            call.fail(UnhandledRequest(self.path, type(message)))

    async def _terminate_after(self, reason: ExitReason) -> None:
        self.state = State.STOPPING
        limit = self.spec.shutdown_seconds
        seconds = math.inf if limit == BRUTAL_KILL else limit
        error: Exception | None = None
        with trio.move_on_after(seconds) as deadline:
            try:
                await self.actor.terminate(reason)
            except Exception as raised:  # noqa: BLE001 - told by the event; `reason` stays the crash
                error = raised
        if error is not None or deadline.cancelled_caught:
            self.system.emit(TerminateFailed(self.path, reason, error))

    async def _next_change(self) -> None:
        if self._waiting is None:
            self._waiting = trio.Event()
        await self._waiting.wait()

    def _changed(self) -> None:
        if self._waiting is not None:
            self._waiting.set()
            self._waiting = None


class _Tick:
    """A timer's place in the mailbox; looked at when its turn comes, so no cancel is too late."""

    __slots__ = ("cell", "due", "interval", "message", "timer")

    def __init__(self, cell: Cell, message: object, delay: float, interval: float | None) -> None:
        self.cell = cell
        self.message = message
        self.interval = interval
        self.due = trio.current_time() + delay
        self.timer = Timer(cell.system.deadlines, self._fire, cell.timers)
        cell.system.deadlines.arm(self.timer, delay)

    def _fire(self) -> None:
        self.cell.mailbox.signal_token(self)

    def redeem(self) -> Envelope | None:
        if self.timer.cancelled:
            return None
        if self.interval is None:
            self.timer.group.discard(self.timer)
        else:
            now = trio.current_time()
            self.due = max(self.due + self.interval, now)
            self.cell.system.deadlines.arm(self.timer, self.due - now)
        return (self.message, None, None, False)
