"""From observations to quotes: what is new gets its version and its row. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.quotes import Version
from stockstream.statuses import QuoteRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.quotes import Observation, Symbol

MS_PER_DAY = 86_400_000


def epoch_of(rows: Mapping[Symbol, QuoteRow], wall_clock_ms: int) -> int:
    """The epoch of this process: that of the rows there are, or the wall clock for the first."""
    return max((row.quote.version.epoch for row in rows.values()), default=wall_clock_ms)


def accept(
    newer: Iterable[Observation],
    rows: Mapping[Symbol, QuoteRow],
    *,
    epoch: int,
    received: int,
    steady: int,
    shift: int,
) -> tuple[QuoteRow, ...]:
    """Give each observation its version (W1) and make its row.

    They are what `TimeBase` found newer, by a clock that has stepped by `shift`; `received` in ms
    since 1970, `steady` the same moment by the monotonic clock.
    """
    accepted: list[QuoteRow] = []
    for observation in newer:
        row = rows.get(observation.symbol)
        if row is None:
            quote = observation.quoted(Version(epoch, 1), received)
            accepted.append(QuoteRow(quote, quote.price, None, shift, steady))
            continue
        last = row.quote
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
            )
        )
    return tuple(accepted)
