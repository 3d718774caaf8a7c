"""Requests, their handlers, and the messages the runtime itself sends."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar, overload

from .errors import InvalidHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .exits import ExitReason
    from .monitor import Monitor
    from .ref import ActorRef

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
M = TypeVar("M")
A = TypeVar("A")


class Request(Generic[R]):
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
    """Declare a method as the handler of messages of exactly the class `kind`.

    For a `Request[R]` it returns the `R` (or awaits it); for any other class it returns
    None. Handlers stay short and do no external I/O: that belongs in the actor's tasks.
    """
    return _declare(kind, defers=False)


def replies_later(
    kind: type[Request[R]],
) -> Callable[[Callable[[A, M, Caller[R]], None]], Callable[[A, M, Caller[R]], None]]:
    """Declare the handler of a request that keeps its caller and answers when it can."""
    return _declare(kind, defers=True)


def _declare(kind: type, *, defers: bool) -> Callable[[Any], Any]:
    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        declared = getattr(function, "__handles__", ())
        handler = Handler(function, inspect.iscoroutinefunction(function), defers)
        function.__handles__ = (*declared, (kind, handler))  # type: ignore[attr-defined]
        return function

    return declare


def collect_handlers(cls: type) -> dict[type, Handler]:
    """The handlers declared in `cls` and its bases, a subclass's own before a base's.

    Raises:
        InvalidHandler: the method's annotation names another class than its declaration.
    """
    found: dict[type, Handler] = {}
    for base in reversed(cls.__mro__):
        for function in vars(base).values():
            for kind, handler in getattr(function, "__handles__", ()):
                if base is cls:
                    _check_annotation(cls, kind, handler)
                found[kind] = handler
    # An override without the decorator must win, or a subclass would silently run its base's.
    return {
        kind: handler._replace(function=override, is_async=inspect.iscoroutinefunction(override))
        for kind, handler in found.items()
        for override in [getattr(cls, handler.function.__name__)]
    }


def _check_annotation(cls: type, kind: type, handler: Handler) -> None:
    parameters = list(inspect.signature(handler.function).parameters.values())
    if len(parameters) != (3 if handler.defers else 2):
        raise InvalidHandler(
            f"{cls.__qualname__}.{handler.function.__name__} must take self and the message"
            + (" and the caller" if handler.defers else "")
        )
    annotation = parameters[1].annotation
    if isinstance(annotation, str):
        # Only the last name is compared: types imported for checking cannot be resolved here.
        matches = annotation.split("[")[0].rpartition(".")[2] in {kind.__name__, "Any"}
    else:
        matches = (typing.get_origin(annotation) or annotation) in {
            kind, Any, inspect.Parameter.empty
        }  # fmt: skip
    if not matches:
        raise InvalidHandler(
            f"{cls.__qualname__}.{handler.function.__name__} is declared for {kind.__name__} "
            f"and annotated with {annotation}"
        )
