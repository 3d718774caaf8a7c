"""Ticks out to files and in again: the queries of export and import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.history import partitions
from stockstream.history.candles import DAY_MS, HOUR_MS, MINUTE_MS, Tick
from stockstream.history.query import Lane, Query
from stockstream.history.recording import IMPORT, IMPORT_LOCK, MARK_HOURS, copy_ticks
from stockstream.times import to_datetime, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.history.query import Connection

# From now on, what a spool replays is looked for first: it may hold what was imported.
_ENTER = """
INSERT INTO batches (node, boot, no) VALUES ($1, 0, 0)
ON CONFLICT (node, boot, no) DO UPDATE SET recorded = now()
"""
# A tick is the same as another where all that is written of it is the same: two nodes may have one
# epoch, and who makes up a file may give all of its lines one version.
_INCOMING = """
CREATE TEMP TABLE incoming (LIKE ticks, place bigint GENERATED ALWAYS AS IDENTITY) ON COMMIT DROP
"""
_KNOWN = """
DELETE FROM incoming i WHERE EXISTS (
    SELECT FROM ticks t
    WHERE t.symbol = i.symbol AND t.ts = i.ts AND t.received = i.received
    AND t.epoch = i.epoch AND t.seq = i.seq AND t.price = i.price
    AND t.exchange IS NOT DISTINCT FROM i.exchange)
RETURNING place
"""
_TAKE_IN = """
INSERT INTO ticks SELECT symbol, exchange, price, ts, received, epoch, seq FROM incoming
RETURNING symbol, ts
"""
# A candle may know of ticks that were dropped since; it is only replaced by one that knows more.
_CANDLES_ANEW = """
INSERT INTO candles AS c
    ("interval", symbol, start, open, high, low, close, ticks, first_at, last_at)
SELECT '1m', m.symbol, m.start, f.* FROM
    (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS touched (symbol, start)) m
CROSS JOIN LATERAL (
    SELECT (array_agg(price ORDER BY ts, epoch, seq))[1], max(price), min(price),
        (array_agg(price ORDER BY ts DESC, epoch DESC, seq DESC))[1], count(*), min(ts), max(ts)
    FROM ticks t
    WHERE t.symbol = m.symbol AND t.ts >= m.start AND t.ts < m.start + interval '1 minute') f
ORDER BY m.symbol, m.start
ON CONFLICT ("interval", symbol, start) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    ticks = excluded.ticks, first_at = excluded.first_at, last_at = excluded.last_at
WHERE excluded.ticks >= c.ticks
"""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """How many ticks were new, and which were left out, by their place among those that were given.

    `known` ones were there already; `repeated` ones are the same as one before them.
    """

    new: int
    known: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportTicks(Query[TakenIn]):
    """Take in those that are not there, with their candles."""

    ticks: Sequence[Tick]
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> TakenIn:
        """All of it or nothing."""
        places: dict[Tick, int] = {}
        repeated = [n for n, tick in enumerate(self.ticks) if places.setdefault(tick, n) != n]
        first = list(places.values())
        days = sorted({tick.received // DAY_MS for tick in self.ticks})
        await partitions.make_for_ticks(connection, days)
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            await connection.execute(_ENTER, IMPORT)
            await connection.execute(_INCOMING)
            await copy_ticks(connection, list(places), "incoming")
            known = sorted(first[row[0] - 1] for row in await connection.fetch(_KNOWN))
            rows = await connection.fetch(_TAKE_IN)
            touched = sorted({(row[0], to_ms(row[1]) // MINUTE_MS * MINUTE_MS) for row in rows})
            if touched:
                hours = sorted({start // HOUR_MS * HOUR_MS for _, start in touched})
                marks = [to_datetime(hour) for hour in hours]
                await connection.execute(MARK_HOURS, IMPORT, marks)
                # Who writes them too is let finish: its ticks would not be seen, and their candle
                # be written over. Marks first, then candles, as everybody takes them.
                await connection.execute("LOCK TABLE candles IN SHARE ROW EXCLUSIVE MODE")
                starts = [to_datetime(start) for _, start in touched]
                symbols = [symbol for symbol, _ in touched]
                await connection.execute(_CANDLES_ANEW, symbols, starts)
        return TakenIn(len(rows), tuple(known), tuple(repeated))


@dataclass(frozen=True, slots=True)
class CountTicks(Query[dict[str, int]]):
    """Ticks by symbol, with `ts` in [`start`, `end`) (ms since 1970); of all symbols if None."""

    symbols: Sequence[str] | None
    start: int
    end: int
    lane: ClassVar[Lane] = Lane.MAINTENANCE

    async def run(self, connection: Connection) -> dict[str, int]:
        """Ask."""
        rows = await connection.fetch(
            "SELECT symbol, count(*) FROM ticks WHERE ts >= $1 AND ts < $2 "
            "AND ($3::text[] IS NULL OR symbol = ANY($3)) GROUP BY symbol ORDER BY symbol",
            to_datetime(self.start),
            to_datetime(self.end),
            None if self.symbols is None else list(self.symbols),
        )
        return {row[0]: row[1] for row in rows}
