"""Child specs: what a supervisor knows of a child before it runs."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .errors import SpecError
from .policy import AutoShutdown, Backoff, Restart, Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .actor import Actor

E = TypeVar("E", bound=StrEnum)

WORKER_SHUTDOWN_SECONDS = 5.0
START_TIMEOUT_SECONDS = 30.0
BRUTAL_KILL: Literal["brutal_kill"] = "brutal_kill"


class Kind(StrEnum):
    """What a child is to the one who counts children."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How to start, restart and stop one child."""

    id: str
    """Unique among its siblings, part of the child's path; no slash."""
    start: Callable[..., Actor]
    """Makes the actor; called at each start with the dynamic supervisor's extra arguments, if
    any, and `args`."""
    args: tuple[Any, ...] = ()
    restart: Restart = Restart.PERMANENT
    """When it is started again."""
    shutdown: float | Literal["brutal_kill"] | None = None
    """Seconds that an asked child may take to stop before it is cancelled, `math.inf` to wait for
    ever, or BRUTAL_KILL. None means 5 s for a worker, infinity for a supervisor."""
    kind: Kind = Kind.WORKER
    significant: bool = False
    """Whether its clean end may end the supervisor (`auto_shutdown`)."""
    start_timeout: float | None = None
    """Seconds that `init` may take. None means 30 s for a worker, no limit for a supervisor, whose
    children have limits of their own."""
    name: str | None = None
    """An additional name to register it by; its path is one already."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "restart", member(Restart, self.restart))
        object.__setattr__(self, "kind", member(Kind, self.kind))
        for check in _CHILD_CHECKS:
            check(self)

    @property
    def shutdown_seconds(self) -> float | Literal["brutal_kill"]:
        """`shutdown` with the default of its kind filled in."""
        if self.shutdown is not None:
            return self.shutdown
        return math.inf if self.kind is Kind.SUPERVISOR else WORKER_SHUTDOWN_SECONDS

    @property
    def start_seconds(self) -> float:
        """`start_timeout` with the default of its kind filled in."""
        if self.start_timeout is not None:
            return self.start_timeout
        return math.inf if self.kind is Kind.SUPERVISOR else START_TIMEOUT_SECONDS


def _check_id(spec: ChildSpec) -> None:
    if not isinstance(spec.id, str):
        raise SpecError("invalid_id", f"{spec.id!r} is not a string")
    if not spec.id:
        raise SpecError("missing_id", "a child spec needs an id")
    if "/" in spec.id:
        raise SpecError("invalid_id", f"{spec.id!r} contains a slash, which separates paths")


def _check_start(spec: ChildSpec) -> None:
    if spec.start is None:
        raise SpecError("missing_start", f"child {spec.id!r} has nothing to start")
    if not callable(spec.start):
        raise SpecError("invalid_start", f"child {spec.id!r}: {spec.start!r} cannot be called")


def _check_restart(spec: ChildSpec) -> None:
    if not isinstance(spec.restart, Restart):
        raise SpecError("invalid_restart", f"child {spec.id!r}: {spec.restart!r}")


def _check_shutdown(spec: ChildSpec) -> None:
    value = spec.shutdown
    if value is None or (isinstance(value, str) and value == BRUTAL_KILL):
        return
    if not _is_seconds(value):
        raise SpecError("invalid_shutdown", f"child {spec.id!r}: {value!r}")


def _check_kind(spec: ChildSpec) -> None:
    if not isinstance(spec.kind, Kind):
        raise SpecError("invalid_kind", f"child {spec.id!r}: {spec.kind!r}")


def _check_significant(spec: ChildSpec) -> None:
    if not isinstance(spec.significant, bool):
        raise SpecError("invalid_significant", f"child {spec.id!r}: {spec.significant!r}")
    if spec.significant and spec.restart is Restart.PERMANENT:
        raise SpecError(
            "bad_combination",
            f"child {spec.id!r} is significant and permanent: it would never end its supervisor",
        )


def _check_start_timeout(spec: ChildSpec) -> None:
    value = spec.start_timeout
    if value is not None and not (_is_seconds(value) and value > 0):
        raise SpecError("invalid_start_timeout", f"child {spec.id!r}: {spec.start_timeout!r}")


def _check_args(spec: ChildSpec) -> None:
    if not isinstance(spec.args, tuple):
        raise SpecError("invalid_args", f"child {spec.id!r}: {spec.args!r} is not a tuple")


def _check_name(spec: ChildSpec) -> None:
    if spec.name is not None and not isinstance(spec.name, str):
        raise SpecError("invalid_name", f"child {spec.id!r}: {spec.name!r} is not a string")


def _is_seconds(value: object) -> bool:
    """Whether it is a number of 0 or more that fits into a float; infinity does."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return False
    return isinstance(value, float) or value <= sys.float_info.max


def member(kind: type[E], value: E) -> E:
    """The member of the enumeration that `value` is, or equals as a string; else `value` itself."""
    if isinstance(value, kind) or not isinstance(value, str) or value not in set(kind):
        return value
    return kind(value)


_CHILD_CHECKS: tuple[Callable[[ChildSpec], None], ...] = (
    _check_id,
    _check_start,
    _check_restart,
    _check_shutdown,
    _check_kind,
    _check_significant,
    _check_start_timeout,
    _check_args,
    _check_name,
)


@dataclass(frozen=True, slots=True)
class Flags:
    """A supervisor's settings: `intensity` restarts are allowed within `period` seconds."""

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = 3
    period: float = 5.0
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    backoff: Backoff | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "strategy", member(Strategy, self.strategy))
        object.__setattr__(self, "auto_shutdown", member(AutoShutdown, self.auto_shutdown))
        if not isinstance(self.strategy, Strategy):
            raise SpecError("invalid_strategy", f"{self.strategy!r}")
        if (
            isinstance(self.intensity, bool)
            or not isinstance(self.intensity, int)
            or self.intensity < 0
        ):
            raise SpecError("invalid_intensity", f"{self.intensity!r} is not an int of 0 or more")
        if not (_is_seconds(self.period) and 0 < self.period < math.inf):
            raise SpecError("invalid_period", f"{self.period!r} is not a number of seconds above 0")
        if not isinstance(self.auto_shutdown, AutoShutdown):
            raise SpecError("invalid_auto_shutdown", f"{self.auto_shutdown!r}")
        if self.backoff is not None and not isinstance(self.backoff, Backoff):
            raise SpecError("invalid_backoff", f"{self.backoff!r}")


def check_children(children: Sequence[ChildSpec], auto_shutdown: AutoShutdown) -> None:
    """Refuse a list that cannot be started as a whole.

    Raises:
        SpecError: `invalid_child_spec`, `duplicate_child_id`, or `bad_combination` for a
            significant child under a supervisor that never shuts down by itself.
    """
    seen: set[str] = set()
    for spec in children:
        check_child_spec(spec)
        if spec.id in seen:
            raise SpecError("duplicate_child_id", f"{spec.id!r} stands in the list twice")
        seen.add(spec.id)
        check_significant(spec, auto_shutdown)


def check_child_spec(spec: object) -> None:
    """Pass for a ChildSpec, whose fields were checked when it was made.

    Raises:
        SpecError: `invalid_child_spec`.
    """
    if not isinstance(spec, ChildSpec):
        raise SpecError("invalid_child_spec", f"{spec!r} is not a ChildSpec")


def check_significant(spec: ChildSpec, auto_shutdown: AutoShutdown) -> None:
    """Refuse a significant child where its end could never matter."""
    if spec.significant and auto_shutdown is AutoShutdown.NEVER:
        raise SpecError(
            "bad_combination",
            f"child {spec.id!r} is significant but its supervisor's auto_shutdown is never",
        )
