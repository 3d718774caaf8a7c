"""What actors do, message by message: `trace` of one for people, `observe` of all for metrics.

An actor that is looked at gets another table of handlers, which tell what they do. So the receive
loop knows nothing of it, and who is not looked at pays nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Protocol, Self

import trio

from .deadlines import Timer
from .errors import NoProc
from .introspection import state_of
from .messages import Handler, Request
from .replay import LeaveBatch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from .cell import Cell
    from .ref import ActorRef
    from .system import System

_log = logging.getLogger("supervision")

LONGEST_TEXT = 200
TRACE_ENTRIES = 1_000
TRACE_SECONDS = 60.0


class Looker(Protocol):
    """Who is told what the handlers of an actor do. Must not raise."""

    def before(self, actor: object, message: object) -> Any:  # noqa: ANN401 - given to `after`
        """A handler begins; the answer is given to `after`."""

    def after(self, begun: Any, actor: object, message: object, outcome: Outcome) -> None:  # noqa: ANN401
        """It has returned or raised."""

    def replied(self, message: object, reply: object) -> None:
        """A caller that was kept is answered, or failed with an exception."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a message: the handler's value, or its error; or it is to come again."""

    value: object = None
    error: Exception | None = None
    postponed: bool = False


class _Handlers(dict[type, Handler]):
    """The handlers of one actor while somebody looks; in the place of those of its class."""

    def __init__(self, cell: Cell) -> None:
        # The handlers hold this list, not this dictionary, which would be a cycle.
        lookers: list[Looker] = []
        self.lookers = lookers
        super().__init__(
            {kind: _telling(handler, lookers) for kind, handler in cell.actor_type.handlers.items()}
        )


def _telling(handler: Handler, lookers: list[Looker]) -> Handler:
    def handle(actor: object, message: object, *caller: Any) -> Any:  # noqa: ANN401
        begun = [(looker, looker.before(actor, message)) for looker in tuple(lookers)]

        def after(outcome: Outcome) -> None:
            for looker, start in begun:
                looker.after(start, actor, message, outcome)

        async def finish(waits: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401
            with _Telling(after):
                value = await waits
            after(Outcome(value))
            return value

        with _Telling(after):
            if handler.defers:
                caller = (_Caller(caller[0], message, lookers),)
            value = handler.function(actor, message, *caller)
        if isinstance(value, CoroutineType):
            return finish(value)
        after(Outcome(value))
        return value

    return Handler(handle, is_async=False, defers=handler.defers)


class _Telling:
    """Tells of an error that passes."""

    __slots__ = ("_after",)

    def __init__(self, after: Callable[[Outcome], None]) -> None:
        self._after = after

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, LeaveBatch):
            self._after(Outcome(postponed=True))
        elif isinstance(error, Exception):
            self._after(Outcome(error=error))


class _Caller:
    """A caller that is kept: who looks hears of its answer."""

    __slots__ = ("_caller", "_lookers", "_message")

    def __init__(self, caller: Any, message: object, lookers: list[Looker]) -> None:  # noqa: ANN401
        self._caller = caller
        self._message = message
        self._lookers = lookers

    def reply(self, value: object, /) -> None:
        self._caller.reply(value)
        for looker in tuple(self._lookers):  # one may have seen enough, and leave
            looker.replied(self._message, value)

    def fail(self, error: Exception, /) -> None:
        self._caller.fail(error)
        for looker in tuple(self._lookers):
            looker.replied(self._message, error)


def look(cell: Cell, looker: Looker) -> None:
    """Tell `looker` of what the actor handles from its next batch of messages on."""
    if not isinstance(cell.handlers, _Handlers):
        cell.handlers = _Handlers(cell)
    cell.handlers.lookers.append(looker)


def look_away(cell: Cell, looker: Looker) -> None:
    """Tell it no more; a no-op when it is not told. Then the class's handlers may be back."""
    handlers = cell.handlers
    if isinstance(handlers, _Handlers) and looker in handlers.lookers:
        handlers.lookers.remove(looker)
        if not handlers.lookers:
            cell.handlers = cell.actor_type.handlers


# One actor, for people


@dataclass(frozen=True, slots=True)
class Traced:
    """One thing that an actor did, in words of at most 200 characters."""

    at: float
    """Seconds of trio's clock."""
    what: str
    """`message`, `reply`, `error`, `postponed`, or `state`: an attribute has another value."""
    text: str


class Trace:
    """What one incarnation does, until it ends, or so much or so long was traced."""

    def __init__(self, cell: Cell, limit: int, seconds: float) -> None:
        self.entries: list[Traced] = []
        """The oldest first; at most as many as the limit."""
        self._limit = limit
        self._cell: Cell | None = cell
        seconds = float(seconds)  # an int too large for one is refused before anybody looks
        look(cell, self)
        cell.at_end = (*cell.at_end, self.stop)
        self._timer = Timer(cell.system.deadlines, self.stop, cell.timers)
        cell.system.deadlines.arm(self._timer, seconds)

    @property
    def active(self) -> bool:
        """Whether it still traces."""
        return self._cell is not None

    def stop(self) -> None:
        """Trace no more. Idempotent."""
        cell, self._cell = self._cell, None
        if cell is not None:
            look_away(cell, self)
            cell.at_end = tuple(action for action in cell.at_end if action != self.stop)
            self._timer.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def before(self, actor: object, message: object) -> dict[str, str]:
        """Note the message, and how the actor stands."""
        self._note("message", message)
        return _words_of(actor)

    def after(
        self, begun: dict[str, str], actor: object, message: object, outcome: Outcome
    ) -> None:
        """Note what came of it, and each attribute that has another value now."""
        for name, words in _words_of(actor).items():
            if begun.get(name) != words:
                self._note("state", f"{name} = {words}", words=True)
        if outcome.postponed:
            self._note("postponed", message)
        elif outcome.error is not None:
            self._note("error", outcome.error)
        elif isinstance(message, Request) and outcome.value is not None:
            self._note("reply", outcome.value)

    def replied(self, message: object, reply: object) -> None:  # noqa: ARG002 - as all lookers
        """Note the answer to a caller that was kept."""
        self._note("error" if isinstance(reply, Exception) else "reply", reply)

    def _note(self, what: str, thing: object, *, words: bool = False) -> None:
        if self.active:
            text = str(thing) if words else _words(thing)
            self.entries.append(Traced(trio.current_time(), what, text[:LONGEST_TEXT]))
            if len(self.entries) >= self._limit:
                self.stop()


def trace(ref: ActorRef, *, limit: int = TRACE_ENTRIES, seconds: float = TRACE_SECONDS) -> Trace:
    """Trace each message, reply and change of state of the actor: a small `sys:trace` and `dbg`.

    It ends by itself, after `limit` entries or `seconds`, or with that incarnation.

    Raises:
        NoProc: nobody has that name.
        ValueError: the limit or the time is not above 0.
    """
    if not limit > 0 or not seconds > 0:
        raise ValueError(f"a trace of {limit!r} entries and {seconds!r} s: both are above 0")
    cell = ref.locate()
    if cell is None or cell.ended:
        raise NoProc(ref.path)
    return Trace(cell, limit, seconds)


def _words_of(actor: object) -> dict[str, str]:
    return {name: _words(value) for name, value in state_of(actor).items()}


def _words(thing: object) -> str:
    try:
        return repr(thing)[:LONGEST_TEXT]
    except Exception:  # noqa: BLE001 - somebody's __repr__ must not end the actor
        return f"<{type(thing).__name__}, whose __repr__ raised>"


# All actors, for metrics


@dataclass(frozen=True, slots=True)
class Handled:
    """A message was handled, or its handler raised `error`."""

    path: str
    message: type
    seconds: float
    """Wall time in the handler, its waiting included."""
    error: Exception | None


@dataclass(frozen=True, slots=True)
class Sent:
    """A message was queued in the mailbox of the actor at `path`."""

    path: str
    message: type


Observer = Callable[[Sent | Handled], None]
"""Is called synchronously with each message; must be quick. One that raises is logged."""


class _Observation:
    """One observer at one actor: its handlers, and what is sent to it."""

    def __init__(self, cell: Cell, observer: Observer, all_of_it: set[_Observation]) -> None:
        self._cell: Cell | None = cell
        self._path = cell.path
        self._observer = observer
        self._all = all_of_it
        look(cell, self)
        cell.mailbox.tell(self.sent)
        cell.at_end = (*cell.at_end, self.stop)
        all_of_it.add(self)

    def stop(self) -> None:
        """Observe no more, and leave nothing at the actor. Idempotent."""
        cell, self._cell = self._cell, None
        if cell is not None:
            look_away(cell, self)
            cell.mailbox.tell_no_more(self.sent)
            cell.at_end = tuple(action for action in cell.at_end if action != self.stop)
            self._all.discard(self)

    def sent(self, message: object) -> None:
        """A message is queued."""
        self._tell(Sent(self._path, type(message)))

    def before(self, actor: object, message: object) -> float:  # noqa: ARG002 - as all lookers
        """Look at the clock."""
        return perf_counter()

    def after(self, begun: float, actor: object, message: object, outcome: Outcome) -> None:  # noqa: ARG002
        """Tell how long it took; a postponed one is told when it is handled."""
        if not outcome.postponed:
            seconds = perf_counter() - begun
            self._tell(Handled(self._path, type(message), seconds, outcome.error))

    def replied(self, message: object, reply: object) -> None:
        """A kept caller's answer is none of its business."""

    def _tell(self, what: Sent | Handled) -> None:
        try:
            self._observer(what)
        except Exception:  # noqa: BLE001 - an observer harms nobody
            _log.exception("message observer %r failed on %r", self._observer, what)


def observe(system: System, observer: Observer) -> Callable[[], None]:
    """Tell `observer` of every message that is sent and handled; the answer takes it off again.

    As handlers of `:telemetry`. Actors that are there and those that are started later are
    observed. Sent are casts and calls; a cast that takes the place of a waiting one is not told.
    """
    observations: set[_Observation] = set()

    def begin(cell: Cell) -> None:
        _Observation(cell, observer, observations)

    for cell in set(system.names.values()):
        begin(cell)
    system.starting = (*system.starting, begin)

    def end() -> None:
        system.starting = tuple(action for action in system.starting if action is not begin)
        for observation in list(observations):
            observation.stop()

    return end
