"""What a feed tells the streamer, and what it is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervision import Request

if TYPE_CHECKING:
    from stockstream.market.time_base import Reading
    from stockstream.quotes import Observation, Symbol


@dataclass(frozen=True, slots=True)
class Accepted:
    """Of the observations, so many were published, and those of some symbols were `behind`: there
    is a newer price already, or another feed's of the same time. What was known is neither.
    """

    published: int
    behind: frozenset[Symbol]


@dataclass(frozen=True, slots=True)
class FiguresTold:
    """Older prices of `upstream` than it has told since, for what was told beside them of the day.

    One that is lost is told again after the next connection.
    """

    upstream: str
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True)
class Observed(Request[Accepted]):
    """Prices of `upstream` that are newer than those it told before, by its feed's judgement.

    There is at most one for each symbol. `reading` are the clocks when the prices came; `shift` is
    as in `UpstreamClock`. A feed without an answer sends them again; the second time changes
    nothing.

    A feed that asks says when it did, `asked_at` on the steady clock, and of which symbols it was
    told a price that can be believed, newer or not: these are `confirmed`. Where it asks for some
    after others, in turn, what it was told is not the `whole`.
    """

    upstream: str
    observations: tuple[Observation, ...]
    reading: Reading
    shift: int
    asked_at: int | None = None
    confirmed: frozenset[Symbol] = frozenset()
    whole: bool = True
