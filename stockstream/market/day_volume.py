"""What was traded between two prices: the difference of the day's volume told with them. Pure.

A volume of the last 24 hours falls as well as it rises, so its difference says nothing. The first
volume that a node, a claim or a source tells is of what was traded before: it counts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.statuses import Traded

if TYPE_CHECKING:
    from stockstream.quotes import Observation
    from stockstream.statuses import QuoteRow

_DIGITS = 8
"""As many as volumes have; a difference has noise behind them."""
_BEGINS_ANEW = 0.5
"""A volume below so much of the one before is of another session: a correction is small."""


def first_told(seen: Observation) -> Traded | None:
    """What the first price of a symbol tells: from there on it is counted."""
    volume = _told(seen)
    return None if volume is None else Traded(None, volume)


def traded_since(
    row: QuoteRow, seen: Observation, source: str, epoch: int, *, same_day: bool
) -> Traded | None:
    """What was traded since the price of the `row`, where the price that was `seen` tells it.

    A price without a volume ends the count: where volumes are told only after a connection, all
    that was traded in hours would be in the candle of one minute. A volume that has fallen a little
    is a correction: it counts when it is above the highest again. One that has fallen far, or with
    a new day, has begun anew.
    """
    known, volume = row.traded, _told(seen)
    if volume is None:
        return None
    if known is None or row.source != source or row.quote.version.epoch != epoch:
        return Traded(None, volume)
    counted = known.counted
    if volume == 0.0 and same_day:  # as some write that they do not know
        return Traded(None, counted)
    if volume >= counted:
        return Traded(round(volume - counted, _DIGITS) if same_day else None, volume)
    if same_day and volume > counted * _BEGINS_ANEW:
        return Traded(0.0, counted)
    return Traded(volume, volume)


def _told(seen: Observation) -> float | None:
    figures = seen.figures
    return None if figures is None or figures.rolling else figures.volume
