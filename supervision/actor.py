"""What an actor's author writes: `init`, handlers, `terminate`, optionally tasks of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final, NoReturn

from .errors import AlreadyRegistered, NoProc, NoTasks
from .exits import NORMAL, ExitReason
from .mailbox import MailboxPolicy
from .messages import Handler, collect_handlers

if TYPE_CHECKING:
    import trio

    from .cell import Cell
    from .deadlines import Timer
    from .monitor import Monitor
    from .ref import ActorRef
    from .system import System


class Ignore(Enum):
    """The type of IGNORE."""

    IGNORE = "ignore"


IGNORE: Final = Ignore.IGNORE
"""Answered by `init` when there is nothing to do: no actor, and no failure either."""


@dataclass(frozen=True, slots=True)
class Continue:
    """Answered by `init` to be up at once and handle `message` before any other."""

    message: object


class Actor:
    """Base of all actors. Its state is its own; others talk to it by messages only.

    What you promise:
    - `__init__` only stores what it is given. The actor has no place in the tree yet: `self.path`,
      `self.ref`, `self.tasks` and the rest of this class may be used from `init` on.
    - Handlers are methods declared with `@handles(MessageClass)`. They are short and wait for
      nobody outside: a handler that waits holds all other messages. What waits (a socket, a slow
      peer) runs in a task of the actor (`owns_tasks`), which reports by a message to `self.ref`.
    - Messages are frozen, and your state is touched by handlers and by your own tasks only.
    - A call to another actor from a handler waits for its reply. Two actors whose handlers call
      each other wait until a timeout ends one of the calls.
    - `terminate` ends within the shutdown time of the child spec.

    What you get:
    - One thing at a time: `init`, then one handler after another, then `terminate`. A message of
      one sender is handled before that sender's next.
    - Restarts begin with a new object. Nothing of the last life is there, except in a `Table`.
    - An error that a handler, or a task of the actor, raises ends the actor: its callers get the
      reason at once, its monitors fire, its supervisor decides. Only catch what you can mend.
    - `terminate` runs after a stop, a shutdown and an error; not after a kill, nor after a failed
      `init`.
    - Timers, monitors, names and tasks end with the actor; nothing has to be taken back.
    """

    owns_tasks: ClassVar[bool] = False
    """Whether `self.tasks` is there: a nursery whose tasks live and crash with the actor."""
    tasks_run_in_terminate: ClassVar[bool] = False
    """Whether the actor's tasks are cancelled after `terminate`. By default they are cancelled, and
    have ended, before it. With True, an error of a task cuts `terminate` short."""
    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy()
    """How many messages may wait, and what gives way beyond that."""

    handlers: ClassVar[dict[type, Handler]] = {}
    _cell: Cell
    _tasks: trio.Nursery

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.handlers = collect_handlers(cls)

    async def init(self) -> Continue | Ignore | None:
        """Get ready. The supervisor waits for it, so a slow part goes into `Continue`.

        Raising is a failed start: `terminate` does not run.
        """
        return None

    async def terminate(self, reason: ExitReason) -> None:
        """Clean up, after a stop, a shutdown or a raise; not after a kill.

        Runs within the child's shutdown time and is cancelled beyond it.
        """

    def _undelivered(self, messages: list[object]) -> None:
        """What was left in the mailbox when the actor ended; for the runtime's own actors."""

    @property
    def tasks(self) -> trio.Nursery:
        """The actor's own nursery, from `init` on.

        Raises:
            NoTasks: the class does not declare `owns_tasks`.
        """
        if not self.owns_tasks:
            raise NoTasks(self.path, type(self).__name__)
        return self._tasks

    @property
    def system(self) -> System:
        """The system this actor lives in."""
        return self._cell.system

    @property
    def path(self) -> str:
        """Ids from the root, joined by slashes."""
        return self._cell.path

    @property
    def generation(self) -> int:
        """How many times this path has been started, this start included."""
        return self._cell.generation

    @property
    def ref(self) -> ActorRef:
        """This very incarnation."""
        return self._cell.ref

    def stop(self, reason: ExitReason = NORMAL) -> None:
        """End with `reason` once the current message is handled."""
        self._cell.mailbox.stop(reason)

    def postpone(self) -> NoReturn:
        """Keep the message that is handled now until `state_changed`; ends the handler.

        As `postpone` of `gen_statem`. Its caller, if any, goes on waiting, and it counts against
        the mailbox's bound as long as it waits. What the handler changed before stays changed.
        It ends the handler by an exception: one that catches all errors must let it pass.

        Raises:
            RuntimeError: the caller is not a handler of this actor.
        """
        self._cell.postpone()

    def state_changed(self) -> None:
        """Have the postponed messages handled again, the oldest first, before any other.

        They come after the message that is handled now. A no-op when there are none.
        """
        self._cell.state_changed()

    def register(self, name: str) -> None:
        """Take `name` in addition to the path, until the actor ends.

        Raises:
            AlreadyRegistered: somebody alive has it.
            NoProc: this actor has ended.
        """
        if self._cell.ended:
            raise NoProc(self.path)
        holder = self.system.register(name, self._cell)
        if holder is not None:
            raise AlreadyRegistered(name, holder)

    def monitor(self, ref: ActorRef) -> Monitor:
        """Be told by a `Down` message, once, when the actor behind `ref` ends."""
        return ref._monitor(self._cell)  # noqa: SLF001 - the two halves of one operation

    def demonitor(self, monitor: Monitor) -> None:
        """Take the monitor off; its `Down` does not arrive any more, even if queued."""
        monitor.cancel()

    def send_after(self, delay: float, message: object) -> Timer:
        """Put `message` into the own mailbox after `delay` seconds, exempt from its bound."""
        return self._cell.send_after(delay, message)

    def send_every(self, interval: float, message: object) -> Timer:
        """Put `message` into the own mailbox every `interval` seconds.

        The next one is due `interval` after the last was due, and only once that was handled:
        an actor that lags behind finds one waiting, not a heap of them.
        """
        return self._cell.send_every(interval, message)
