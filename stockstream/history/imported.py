"""The candles of imported ticks, which may have any time, and may have been recorded before.

Ticks that retention has dropped cannot be looked up any more. So an imported tick of that time may
be in its candle already, or may be new. `thinned` tells which times that concerns. For those, only
the certain ticks are counted, and the candle is `partial`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from stockstream.history.candles import INTERVALS
from stockstream.history.growing import (
    COLUMNS,
    FROM_TICKS,
    LAST_TICK,
    grown,
    of_one_currency,
    thinned_before,
)
from stockstream.history.recording import IMPORT, MARK_HOURS
from stockstream.times import HOUR_MS, MINUTE_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stockstream.database.query import Connection

_OF_THE_MINUTE = """
SELECT * FROM ticks t
WHERE t.symbol = m.symbol AND t.ts >= m.start AND t.ts < m.start + interval '1 minute'
"""
# Where all ticks of a stretch that were ever counted are still there, the new ones are new: the
# stretch is the minute itself, or, where its minutes went into a 5-minute candle, that.
_GROW = f"""
INSERT INTO candles AS c ({COLUMNS})
SELECT '1m', m.symbol, m.start, f.open, f.high, f.low, f.close,
    CASE WHEN coalesce(f.currency <> s.currency, false) THEN f.ticks
        WHEN m.late AND k.certain
        THEN coalesce(s.ticks, 0) + m.new
        ELSE greatest(coalesce(s.ticks, 0) + m.new - m.unsure, f.ticks) END,
    f.first_at, f.last_at, coalesce(s.partial, false) OR NOT k.certain, f.currency,
    CASE WHEN coalesce(f.currency <> s.currency, false) THEN f.volume
        WHEN m.late AND k.certain
        THEN coalesce(s.volume + m.new_volume, s.volume, m.new_volume)
        ELSE greatest(coalesce(s.volume + m.new_volume - m.unsure_volume, s.volume), f.volume) END
FROM unnest($1::text[], $2::timestamptz[], $3::bigint[], $4::bigint[], $5::bool[],
        $6::timestamptz[], $7::timestamptz[], $8::bigint[], $9::float8[], $10::float8[])
    AS m (symbol, start, new, unsure, late, stretch_start, stretch_end, stretch_new,
        new_volume, unsure_volume)
LEFT JOIN candles s ON s."interval" = '1m' AND s.symbol = m.symbol AND s.start = m.start
CROSS JOIN LATERAL (
    SELECT {FROM_TICKS} FROM {of_one_currency(_OF_THE_MINUTE, "symbol", LAST_TICK)}) f
CROSS JOIN LATERAL (
    SELECT CASE WHEN m.unsure = 0 THEN true ELSE
        (SELECT coalesce(sum(ticks), 0) + m.stretch_new FROM candles b
         WHERE ("interval" = '1m' OR m.late AND "interval" = '5m') AND b.symbol = m.symbol
         AND b.start >= m.stretch_start AND b.start < m.stretch_end)
        <=
        (SELECT count(*) FROM ticks t WHERE t.symbol = m.symbol
         AND t.ts >= m.stretch_start AND t.ts < m.stretch_end) END AS certain) k
ORDER BY m.symbol, m.start
ON CONFLICT ("interval", symbol, start) DO UPDATE SET
    {grown("excluded.ticks", "excluded.partial", "excluded.volume")}
"""  # noqa: S608 - constants of ours


async def grow_candles(
    connection: Connection, taken_in: Sequence[tuple[str, int, datetime, float | None]]
) -> None:
    """Join ticks that are in the table now to the 1-minute candles, and mark their hours.

    Each as its symbol, its time (ms since 1970), when it was received, and its volume.
    """
    if not taken_in:
        return
    new = Counter((symbol, ts // MINUTE_MS * MINUTE_MS) for symbol, ts, *_ in taken_in)
    hours = sorted({start // HOUR_MS * HOUR_MS for _, start in new})
    await connection.execute(MARK_HOURS, IMPORT, [to_datetime(hour) for hour in hours])
    # Wait for other writers of these hours: their ticks would not be seen yet, and their candles
    # would be overwritten. The lock order is marks, then candles, as in all writers.
    await connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
    dropped_before = await thinned_before(connection, "ticks")
    unsure = Counter(
        (symbol, ts // MINUTE_MS * MINUTE_MS)
        for symbol, ts, received, _ in taken_in
        if received < dropped_before
    )
    traded: dict[tuple[str, int], float] = {}
    unsure_traded: dict[tuple[str, int], float] = {}
    for symbol, ts, received, volume in taken_in:
        if volume is not None:
            minute = symbol, ts // MINUTE_MS * MINUTE_MS
            traded[minute] = traded.get(minute, 0.0) + volume
            if received < dropped_before:
                unsure_traded[minute] = unsure_traded.get(minute, 0.0) + volume
    late_before = await thinned_before(connection, "candles_1m")
    minutes = sorted(new)
    late = [to_datetime(start) < late_before for _, start in minutes]
    stretches = [
        (symbol, start - start % length, length)
        for (symbol, start), is_late in zip(minutes, late, strict=True)
        for length in (INTERVALS["5m"] if is_late else MINUTE_MS,)
    ]
    in_stretch: Counter[tuple[str, int, int]] = Counter()
    for minute, stretch in zip(minutes, stretches, strict=True):
        in_stretch[stretch] += new[minute]
    await connection.execute(
        _GROW,
        [symbol for symbol, _ in minutes],
        [to_datetime(start) for _, start in minutes],
        [new[minute] for minute in minutes],
        [unsure[minute] for minute in minutes],
        late,
        [to_datetime(start) for _, start, _ in stretches],
        [to_datetime(start + length) for _, start, length in stretches],
        [in_stretch[stretch] for stretch in stretches],
        [traded.get(minute) for minute in minutes],
        [unsure_traded.get(minute, 0.0) for minute in minutes],
    )
