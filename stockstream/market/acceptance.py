"""From observations to quotes: what is new, and what version it gets. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stockstream.messages import QuoteRow
from stockstream.quotes import Version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.quotes import Observation, Symbol

MS_PER_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """The rows that are new, and how many observations were not: `unchanged` or `outdated`."""

    rows: tuple[QuoteRow, ...]
    unchanged: int
    outdated: int


def epoch_of(rows: Mapping[Symbol, QuoteRow], wall_clock_ms: int) -> int:
    """The epoch of this process: that of the rows there are, or the wall clock for the first."""
    return max((row.quote.version.epoch for row in rows.values()), default=wall_clock_ms)


def accept(
    observations: Iterable[Observation],
    rows: Mapping[Symbol, QuoteRow],
    *,
    epoch: int,
    received: int,
) -> Accepted:
    """Give each observation that says something new its version (W1) and make its row.

    `received` in ms since 1970. An observation that is older than the symbol's quote, by its
    provider's own clock, is outdated: nobody may see it after the newer one.
    """
    accepted: list[QuoteRow] = []
    counts: Counter[str] = Counter()
    for observation in observations:
        row = rows.get(observation.symbol)
        if row is None:
            quote = observation.quoted(Version(epoch, 1), received)
            accepted.append(QuoteRow(quote, quote.price, None))
            continue
        last = row.quote
        if last.tells_the_same(observation):
            counts["unchanged"] += 1
        elif observation.timestamp < last.timestamp:
            counts["outdated"] += 1
        else:
            quote = observation.quoted(Version(epoch, last.version.seq + 1), received)
            same_day = received // MS_PER_DAY == last.received // MS_PER_DAY
            accepted.append(
                QuoteRow(
                    quote,
                    row.open if same_day else quote.price,
                    row.previous if quote.price == last.price else last.price,
                )
            )
    return Accepted(tuple(accepted), counts["unchanged"], counts["outdated"])
