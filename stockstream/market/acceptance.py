"""From observations to quotes: what is new gets its version and its row. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stockstream.market.day_base import base_of, day_of
from stockstream.market.exchange_days import Believed
from stockstream.quotes import Version
from stockstream.statuses import QuoteRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.market.observed import Observed
    from stockstream.quotes import Symbol


class Acceptance(NamedTuple):
    """The new rows, and the symbols in which another feed had outdone this one: see `Accepted`."""

    rows: tuple[QuoteRow, ...]
    behind: frozenset[Symbol]


def epoch_of(rows: Mapping[Symbol, QuoteRow], wall_clock_ms: int) -> int:
    """The epoch of this process: that of the rows there are, or the wall clock for the first."""
    return max((row.quote.version.epoch for row in rows.values()), default=wall_clock_ms)


def accept(observed: Observed, rows: Mapping[Symbol, QuoteRow], *, epoch: int) -> Acceptance:
    """Give each observation that is new its version (W1) and make its row.

    Times are compared by what the clock of each upstream was before it stepped, so nobody sees an
    older price after a newer one, whichever feed told it, and however often it does. At the same
    time another price is news from the feed that told the one there is, and from no other.
    """
    source, shift = observed.upstream, observed.shift
    received, steady = observed.reading.wall, observed.reading.steady
    believed = Believed.at(observed.reading)
    accepted: list[QuoteRow] = []
    behind: set[Symbol] = set()
    for observation in observed.observations:
        row = rows.get(observation.symbol)
        if row is None:
            quote = observation.quoted(Version(epoch, 1), received)
            day = day_of(observation, None, believed)
            base = base_of(observation, day, None)
            accepted.append(
                QuoteRow(quote, day.first.price, None, shift, steady, source, steady, base, day)
            )
            continue
        last = row.quote
        later = (observation.timestamp - shift) - (last.timestamp - row.shift)
        if later < 0:
            behind.add(observation.symbol)
            continue
        if last.timestamp == observation.timestamp and last.tells_the_same(observation):
            continue
        if later == 0 and row.source != source:
            # Both go on telling it: with each in its turn taken, the price would go to and fro.
            behind.add(observation.symbol)
            continue
        quote = observation.quoted(Version(epoch, last.version.seq + 1), received)
        day = day_of(observation, row, believed)
        accepted.append(
            QuoteRow(
                quote,
                day.first.price,
                row.previous if quote.price == last.price else last.price,
                shift,
                steady,
                source,
                row.changed if quote.price == last.price else steady,
                base_of(observation, day, row),
                day,
            )
        )
    return Acceptance(tuple(accepted), frozenset(behind))
