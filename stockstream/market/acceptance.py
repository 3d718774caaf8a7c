"""From observations to quotes: what is new gets its version and its row. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stockstream.quotes import Version
from stockstream.statuses import QuoteRow

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.market.observed import Observed
    from stockstream.quotes import Symbol

MS_PER_DAY = 86_400_000


class Acceptance(NamedTuple):
    """The new rows, and how many observations another feed had outdone: see `Accepted`."""

    rows: tuple[QuoteRow, ...]
    behind: int


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
    accepted: list[QuoteRow] = []
    behind = 0
    for observation in observed.observations:
        row = rows.get(observation.symbol)
        if row is None:
            quote = observation.quoted(Version(epoch, 1), received)
            accepted.append(QuoteRow(quote, quote.price, None, shift, steady, source, steady))
            continue
        last = row.quote
        later = (observation.timestamp - shift) - (last.timestamp - row.shift)
        if later < 0:
            behind += 1
            continue
        if last.timestamp == observation.timestamp and last.tells_the_same(observation):
            continue
        if later == 0 and row.source != source:
            # Both go on telling it: with each in its turn taken, the price would go to and fro.
            behind += 1
            continue
        quote = observation.quoted(Version(epoch, last.version.seq + 1), received)
        # A clock that was set back over midnight begins no new day.
        new_day = received // MS_PER_DAY > last.received // MS_PER_DAY
        accepted.append(
            QuoteRow(
                quote,
                quote.price if new_day else row.open,
                row.previous if quote.price == last.price else last.price,
                shift,
                steady,
                source,
                row.changed if quote.price == last.price else steady,
            )
        )
    return Acceptance(tuple(accepted), behind)
