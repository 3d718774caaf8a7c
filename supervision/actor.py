"""What an actor's author writes: `init`, handlers, `terminate`, optionally tasks of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Final

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

    A subclass declares handlers with `@handles(MessageClass)`. Everything here may be used
    from `init` on; in `__init__` the actor has no place in the tree yet.
    """

    owns_tasks: ClassVar[bool] = False
    """Whether `self.tasks` is there: a nursery whose tasks live and crash with the actor."""
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
