"""Decisions of a supervisor as pure functions: restart or not, how often, whom with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .errors import SpecError
from .exits import is_clean

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from .exits import ExitReason


class Restart(StrEnum):
    """When a child that ended is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    """Whom a supervisor restarts together with the child that ended."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class AutoShutdown(StrEnum):
    """Whether the end of significant children ends their supervisor."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Decision(StrEnum):
    """What a supervisor does about a child that ended."""

    RESTART = "restart"
    KEEP = "keep"
    """The child is down; its spec stays."""
    FORGET = "forget"
    """The child and its spec are gone."""
    ESCALATE = "escalate"
    """One restart too many: the supervisor gives up."""
    SHUTDOWN = "shutdown"
    """A significant child ended: the supervisor stops."""
    STOPPING = "stopping"
    """The supervisor was stopping anyway."""


def decide(restart: Restart, reason: ExitReason) -> Decision:
    """RESTART, KEEP or FORGET, by restart type and exit reason (R9 to R12)."""
    if restart is Restart.TEMPORARY:
        return Decision.FORGET
    if restart is Restart.TRANSIENT and is_clean(reason):
        return Decision.KEEP
    return Decision.RESTART


def add_restart(
    stamps: Sequence[float], now: float, *, intensity: int, period: float
) -> tuple[list[float], bool]:
    """Charge one restart at `now` (seconds): the stamps still in the window, and whether it fits.

    Stamps of `now - period` and later count, `now` included; up to `intensity` are allowed.
    """
    kept = [stamp for stamp in stamps if stamp >= now - period]
    kept.append(now)
    return kept, len(kept) <= intensity


def affected(strategy: Strategy, ids: Sequence[str], failed: str) -> list[str]:
    """The ids, in start order, that are restarted when `failed` ended: it included."""
    if strategy is Strategy.ONE_FOR_ALL:
        return list(ids)
    if strategy is Strategy.REST_FOR_ONE:
        return list(ids[ids.index(failed) :])
    return [failed]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Growing waits before restart attempts: `first * factor ** n` up to `longest` seconds.

    `jitter` is the part of each wait that is random: 0.2 spreads it over 80 to 100 %.
    """

    first: float = 0.1
    longest: float = 10.0
    factor: float = 2.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not (0 <= self.first <= self.longest and self.factor >= 1 and 0 <= self.jitter <= 1):
            raise SpecError("invalid_backoff", f"{self!r}")

    def wait(self, attempt: int, rng: random.Random) -> float:
        """Seconds before attempt number `attempt` (from 0)."""
        # Above some power the product is `longest` anyway; a float power would overflow.
        grown = self.first * self.factor ** min(attempt, 64)
        return min(grown, self.longest) * (1 - self.jitter * rng.random())
