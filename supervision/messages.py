"""Requests, their handlers, and the messages the runtime itself sends."""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, overload

from .errors import InvalidHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .exits import ExitReason
    from .monitor import Monitor
    from .ref import ActorRef

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
R_contra = TypeVar("R_contra", contravariant=True)
M = TypeVar("M")
A = TypeVar("A")


class Request(Generic[R_co]):
    """Base of a message that is answered with an `R`: `class GetPrice(Request[float])`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Down:
    """The actor behind `monitor` ended for `reason`; told exactly once per monitor."""

    ref: ActorRef
    reason: ExitReason
    monitor: Monitor


class Caller(Protocol[R_contra]):
    """Who waits for an answer. May be kept and answered later, from anywhere, once."""

    def reply(self, value: R_contra, /) -> None:
        """Answer. A second answer, or one to a caller that gave up, is a no-op."""

    def fail(self, error: Exception, /) -> None:
        """Answer with an error: the call raises it. A second answer is a no-op, as for `reply`."""


class Handler(NamedTuple):
    """A declared handler, as the receive loop wants it."""

    function: Callable[..., Any]
    is_async: bool
    defers: bool


class RequestHandler(Protocol[R]):
    """Decorator for a handler that returns the reply, or awaits and returns it."""

    def __call__(
        self, function: Callable[[A, M], R | Awaitable[R]], /
    ) -> Callable[[A, M], R | Awaitable[R]]:
        """Declare `function`, and give it back."""


class CastHandler(Protocol[M]):
    """Decorator for a handler of a message nobody waits for."""

    def __call__(
        self, function: Callable[[A, M], Awaitable[None] | None], /
    ) -> Callable[[A, M], Awaitable[None] | None]:
        """Declare `function`, and give it back."""


# A request is a message too, so the signatures overlap; mypy takes the first that fits.
@overload
def handles(kind: type[Request[R]]) -> RequestHandler[R]: ...  # type: ignore[overload-overlap]
@overload
def handles(kind: type[M]) -> CastHandler[M]: ...
def handles(kind: type) -> Any:
    """Declare a method as the handler of messages of the class `kind`.

    For a `Request[R]` it returns the `R` (or awaits it); for any other class it returns
    None. Handlers stay short and do no external I/O: that belongs in the actor's tasks.

    Messages of a class that has no handler go to that of its nearest base, by the order in which
    Python looks up attributes: `@handles(object)` takes everything else. Requests that somebody
    waits for go to handlers of requests only: `@replies_later(Request)` takes all others of them.
    """
    return _declare(kind, defers=False)


def replies_later(
    kind: type[Request[R]],
) -> Callable[[Callable[[A, M, Caller[R]], None]], Callable[[A, M, Caller[R]], None]]:
    """Declare the handler of a request that keeps its caller and answers when it can."""
    return _declare(kind, defers=True)


def _declare(kind: type, *, defers: bool) -> Callable[[Any], Any]:
    origin = typing.get_origin(kind)
    if origin is not None:
        raise InvalidHandler(
            f"declare {origin.__name__}, not {kind}: a message is matched by its class, "
            "which knows nothing of type arguments"
        )
    if not isinstance(kind, type):
        raise InvalidHandler(f"a handler is declared for a class of messages, not for {kind!r}")

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        declared = getattr(function, "__handles__", ())
        handler = Handler(function, inspect.iscoroutinefunction(function), defers)
        function.__handles__ = (*declared, (kind, handler))  # type: ignore[attr-defined]
        return function

    return declare


def nearest_handler(
    handlers: Mapping[type, Handler], kind: type, *, is_call: bool
) -> Handler | None:
    """The handler for messages of a class that has none of its own: that of its nearest base."""
    for base in kind.__mro__[1:]:
        handler = handlers.get(base)
        if handler is not None and (not is_call or issubclass(base, Request)):
            return handler
    return None


def collect_handlers(cls: type) -> dict[type, Handler]:
    """The handlers declared in `cls` and its bases, a subclass's own before a base's.

    Raises:
        InvalidHandler: two methods handle one class, a method takes the wrong parameters or
            names another class than its declaration, or keeps its caller and is async.
    """
    found: dict[type, tuple[str, Handler]] = {}
    for base in reversed(cls.__mro__):
        own: dict[type, tuple[str, Handler]] = {}
        for name, function in vars(base).items():
            for kind, handler in getattr(function, "__handles__", ()):
                if base is cls:
                    _check(cls, name, kind, handler, own.get(kind))
                own[kind] = name, handler
        found |= own
    # An override without the decorator must win, or a subclass would silently run its base's.
    return {
        kind: handler._replace(function=override, is_async=inspect.iscoroutinefunction(override))
        for kind, (name, handler) in found.items()
        for override in [getattr(cls, name)]
    }


def _check(
    cls: type, name: str, kind: type, handler: Handler, other: tuple[str, Handler] | None
) -> None:
    where = f"{cls.__qualname__}.{name}"
    if other is not None:
        raise InvalidHandler(f"{where} and {other[0]} both handle {kind.__name__}: keep one")
    if handler.defers and handler.is_async:
        raise InvalidHandler(
            f"{where} keeps its caller and is async: what waits belongs in a task of the actor, "
            "which answers the caller when it is done"
        )
    parameters = list(inspect.signature(handler.function).parameters.values())
    if len(parameters) != (3 if handler.defers else 2):
        raise InvalidHandler(
            f"{where} must take self and the message"
            + (" and the caller" if handler.defers else "")
        )
    annotation = parameters[1].annotation
    if isinstance(annotation, str):
        # Only the last name is compared: types imported for checking cannot be resolved here.
        named = {part.strip().split("[")[0].rpartition(".")[2] for part in annotation.split("|")}
        matches = bool(named & {kind.__name__, "Any", "object"})
    else:
        choices = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
        named_classes = {typing.get_origin(choice) or choice for choice in choices}
        matches = bool(named_classes & {kind, Any, object, inspect.Parameter.empty})
    if not matches:
        raise InvalidHandler(
            f"{where} is declared for {kind.__name__} and annotated with {annotation}"
        )


def _is_union(annotation: object) -> bool:
    return typing.get_origin(annotation) in {typing.Union, types.UnionType}
