"""Ticks out to files and in again: the queries of export and import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stockstream.database.query import Purpose, Query
from stockstream.history.imported import grow_candles
from stockstream.history.queries import earliest_received
from stockstream.history.recording import IMPORT, IMPORT_LOCK, copy_ticks
from stockstream.times import to_datetime, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.database.query import Connection
    from stockstream.history.candles import Tick

# From now on, replayed ticks of a spool are looked up first: they may have been imported.
_ENTER = """
INSERT INTO batches (node, boot, no) VALUES ($1, 0, 0)
ON CONFLICT (node, boot, no) DO UPDATE SET recorded = now()
"""
# Two ticks are the same if all their fields are equal: two nodes may have one epoch, and the author
# of a file may give all of its lines one version.
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
INSERT INTO ticks (symbol, exchange, price, ts, received, epoch, seq, currency, source, volume)
SELECT symbol, exchange, price, ts, received, epoch, seq, currency, source, volume FROM incoming
RETURNING symbol, ts, received, volume
"""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """How many ticks were new, and which were left out, by their index in the given ticks.

    `known` ones were there already; `repeated` ones are the same as one before them.
    """

    new: int
    known: tuple[int, ...] = ()
    repeated: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportTicks(Query[TakenIn]):
    """Store the ticks that are not stored yet, with their candles."""

    ticks: Sequence[Tick]
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> TakenIn:
        """All of it or nothing."""
        places: dict[Tick, int] = {}
        repeated = [n for n, tick in enumerate(self.ticks) if places.setdefault(tick, n) != n]
        first = list(places.values())
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", IMPORT_LOCK)
            await connection.execute(_ENTER, IMPORT)
            await connection.execute(_INCOMING)
            await copy_ticks(connection, list(places), "incoming")
            known = sorted(first[row[0] - 1] for row in await connection.fetch(_KNOWN))
            rows = await connection.fetch(_TAKE_IN)
            await grow_candles(
                connection, [(row[0], to_ms(row[1]), row[2], row[3]) for row in rows]
            )
        return TakenIn(len(rows), tuple(known), tuple(repeated))


@dataclass(frozen=True, slots=True)
class CountTicks(Query[dict[str, int]]):
    """Ticks by symbol, with `ts` in [`start`, `end`) (ms since 1970); of all symbols if None."""

    symbols: Sequence[str] | None
    start: int
    end: int
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> dict[str, int]:
        """Ask."""
        rows = await connection.fetch(
            "SELECT symbol, count(*) FROM ticks WHERE ts >= $1 AND ts < $2 AND received >= $4 "
            "AND ($3::text[] IS NULL OR symbol = ANY($3)) GROUP BY symbol ORDER BY symbol",
            to_datetime(self.start),
            to_datetime(self.end),
            None if self.symbols is None else list(self.symbols),
            earliest_received(self.start),
        )
        return {row[0]: row[1] for row in rows}
