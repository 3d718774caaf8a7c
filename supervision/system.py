"""A running tree: its registry, its events, its deadlines, what is known of each path."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

from .actor import Actor
from .cell import Cell
from .deadlines import Deadlines
from .errors import BadInit, StartTimeout
from .events import Event, EventHook, Exited, Subscriber
from .exits import SHUTDOWN, Crash, ExitReason, crash
from .last_exit import LastExit, remembered
from .mailbox import MailboxPolicy
from .policy import Decision
from .ref import ActorRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from .deadlines import Timer
    from .faults import Fault
    from .spec import ChildSpec

ROOT = "root"
"""The root's path; its children's paths are their ids alone."""


@dataclass(slots=True)
class PathRecord:
    """What outlives the incarnations of a path."""

    generation: int = 0
    last_exit: LastExit | None = None
    numbered: int = 0
    """How many numbered children were started under this path, over all its lives."""
    below: set[str] | None = None
    """The paths directly under this one, to be forgotten with it; a leaf has no set."""
    fault: Fault | None = None
    """A fault put in on purpose; the receive loop looks at it."""


class System:
    """One per `run(root)`. Passed to nobody: an actor finds it as `self.system`."""

    def __init__(self) -> None:
        self.deadlines = Deadlines()
        self.names: dict[str, Cell] = {}
        self.paths: dict[str, PathRecord] = {}
        self.casts_to_nobody = 0
        self.starting: tuple[Callable[[Cell], None], ...] = ()
        """Called with each incarnation before its first step; must not raise."""
        self.timers: set[Timer] = set()
        """Those that send to a name; an incarnation has its own."""
        self.root: Cell | None = None
        self.stopping = False
        """Whether `stop()` was called."""
        self._hook = EventHook()
        self.emit: Callable[[Event], None] = self._hook.emit

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Have `subscriber` called with every event; the answer takes it off again."""
        return self._hook.subscribe(subscriber)

    @property
    def subscriber_failures(self) -> int:
        """How often a subscriber raised."""
        return self._hook.failures

    def ref(self, name: str) -> ActorRef:
        """A reference by path or registered name, looked up at each send.

        Raises:
            TypeError: the name is no string.
        """
        if not isinstance(name, str):
            raise TypeError(f"a path or a registered name is a string, not {name!r}")
        return ActorRef(self, name)

    def whereis(self, name: str) -> ActorRef | None:
        """The incarnation that has `name` now, or None."""
        cell = self.names.get(name)
        return None if cell is None else cell.ref

    async def run(
        self, root: ChildSpec, *, on_start: Callable[[System], None] | None = None
    ) -> ExitReason:
        """Start `root` and wait for its end; the answer is its exit reason.

        `on_start` is called once, when the whole tree is up. To stop it in order, `stop()`;
        a cancellation kills it.

        Raises:
            RuntimeError: the system runs already, or did.
        """
        if self.root is not None:
            raise RuntimeError("a system runs one tree, once: make another one")
        try:
            actor = root.start(*root.args)
            check_actor(actor, ROOT)
        except Exception as error:  # noqa: BLE001 - a factory that raises is a failed start
            return crash(error)
        cell = self.root = Cell(self, ROOT, root, actor, self._root_ended)
        if self.stopping:
            self.stop()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.deadlines.run, name="deadlines")
            nursery.start_soon(cell.run, name=ROOT)
            with trio.move_on_after(root.start_seconds):
                await cell.up()
            timed_out = not cell.was_up and not cell.ended
            if timed_out:
                cell.kill()
            elif cell.was_up and on_start is not None:
                on_start(self)
            await cell.gone()
            nursery.cancel_scope.cancel()
        if timed_out:
            return Crash(StartTimeout(ROOT, root.start_seconds))
        assert cell.reason is not None  # noqa: S101 - gone() waited for it
        return cell.reason

    def stop(self) -> None:
        """Ask the root to stop: every child in order, the last started first.

        Asked before the start, it holds once the root is up.
        """
        self.stopping = True
        if self.root is not None:
            self.root.mailbox.stop(SHUTDOWN)

    def register(self, name: str, cell: Cell) -> ActorRef | None:
        """Give `name` to `cell`, or answer who has it."""
        holder = self.names.get(name)
        if holder is not None:
            return holder.ref
        self.names[name] = cell
        cell.names.append(name)
        return None

    def next_generation(self, path: str) -> int:
        """Count a start of `path`."""
        record = self.paths.get(path)
        if record is None:
            record = self.paths[path] = PathRecord()
            above = self._above(path)
            if above is not None:
                above.below = above.below or set()
                above.below.add(path)
        record.generation += 1
        return record.generation

    def next_number(self, path: str) -> int:
        """The next running number for a child of the dynamic supervisor at `path`."""
        record = self.paths[path]
        record.numbered += 1
        return record.numbered

    def ended(self, cell: Cell) -> None:
        """Take the names of an ended incarnation back."""
        for name in cell.names:
            del self.names[name]
        cell.names.clear()
        record = self.paths.get(cell.path)
        if record is not None and cell.reason is not None:
            record.last_exit = remembered(cell.reason, trio.current_time())

    def forget_path(self, path: str) -> None:
        """Drop what is known of a path that will not be started again, and of those under it."""
        above = self._above(path)
        if above is not None and above.below is not None:
            above.below.discard(path)
        waiting = [path]
        while waiting:
            record = self.paths.pop(waiting.pop(), None)
            if record is not None and record.below is not None:
                waiting += record.below

    def _above(self, path: str) -> PathRecord | None:
        return None if path == ROOT else self.paths.get(path.rpartition("/")[0] or ROOT)

    def _root_ended(self, cell: Cell) -> None:
        if cell.was_up and cell.reason is not None:
            self.emit(Exited(cell.path, cell.generation, cell.reason, Decision.STOPPING))


def check_actor(actor: object, path: str) -> None:
    """Refuse what a start function must not make.

    Raises:
        BadInit: it is no actor, or one that was started before, or its `mailbox` is no policy.
    """
    if not isinstance(actor, Actor):
        if inspect.iscoroutine(actor):
            actor.close()  # or Python warns that nobody awaited it
        raise BadInit(f"{path}: its start function made {actor!r}, which is no Actor")
    if not isinstance(actor.mailbox, MailboxPolicy):
        raise BadInit(
            f"{path}: its `mailbox` is {actor.mailbox!r}, not a MailboxPolicy; "
            "for anything else take another name"
        )
    if hasattr(actor, "_cell"):
        raise BadInit(
            f"{path}: its start function gave an actor that was started before: make a new one"
        )
