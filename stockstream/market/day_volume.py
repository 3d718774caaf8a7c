"""What was traded between two prices: the difference of the volumes told with them. Pure.

It is the volume of the day, or of all trades that a connection has told. A volume of the last 24
hours falls as well as it rises, so its difference says nothing. The first volume that a node, a
claim or a source tells is of what was traded before: it counts nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.statuses import Traded

if TYPE_CHECKING:
    from stockstream.quotes import Observation
    from stockstream.statuses import QuoteRow

_DIGITS = 8
"""As many as volumes have; a difference has noise behind them."""
_BOTH_TELL_MS = 60_000
"""A connection that is replaced goes on for less, until the new one has all symbols. An older one
that tells something later is a new one, and our clock was set back."""
_BEGINS_ANEW = 0.5
"""A volume below so much of the one before is of another session: a correction is small."""


def first_told(seen: Observation) -> Traded | None:
    """What the first price of a symbol tells: from there on it is counted."""
    flow = seen.flow
    if flow is not None:
        return Traded(None, flow.volume, flow.since)
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
    if known is None or row.source != source or row.quote.version.epoch != epoch:
        return first_told(seen)
    if known.since or seen.flow is not None:
        return _flowed(known, seen)
    if volume is None:
        return None
    counted = known.counted
    if volume == 0.0 and same_day:  # as some write that they do not know
        return Traded(None, counted)
    if volume >= counted:
        return Traded(round(volume - counted, _DIGITS) if same_day else None, volume)
    if same_day and volume > counted * _BEGINS_ANEW:
        return Traded(0.0, counted)
    return Traded(volume, volume)


def _flowed(known: Traded, seen: Observation) -> Traded:
    """What a connection told since then. What is asked for beside it counts nothing; of another
    connection, all that it has told was not counted yet.
    """
    flow = seen.flow
    if flow is None:
        return Traded(None, known.counted, known.since)
    if flow.since == known.since:
        more = max(0.0, round(flow.volume - known.counted, _DIGITS))
        return Traded(more, max(flow.volume, known.counted), flow.since)
    if flow.since < known.since and seen.timestamp < known.since + _BOTH_TELL_MS:
        # The newer one tells it too, and would else be counted from its beginning once more.
        return Traded(None, known.counted, known.since)
    return Traded(flow.volume if flow.since > known.since > 0 else None, flow.volume, flow.since)


def _told(seen: Observation) -> float | None:
    figures = seen.figures
    return None if figures is None or figures.rolling else figures.volume
