"""Writing batches of ticks, each once: ledger, ticks and candles in one transaction."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

import msgspec

from stockstream.database.query import Purpose, Query
from stockstream.history import partitions
from stockstream.history.candles import Candle, Tick, fold
from stockstream.history.copying import COLUMNS, encoded
from stockstream.history.growing import ADDED, grown
from stockstream.times import DAY_MS, HOUR_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from stockstream.database.query import Connection

_ENTER = """
INSERT INTO batches (node, boot, no)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[])
ON CONFLICT DO NOTHING
RETURNING node, boot, no
"""
IMPORT = "import"
"""The node name of the ledger's entries for imports."""
IMPORT_LOCK = 0x5354_4F43_4B01
"""The advisory lock of all imports: two at once could both miss the same tick."""
_WAS_IMPORTED = "SELECT EXISTS (SELECT FROM batches WHERE node = $1)"
# When two ticks are the same: see the import. `received` selects the partition of the day.
_KNOWN = """
SELECT n.place
FROM unnest($1::text[], $2::text[], $3::float8[], $4::timestamptz[], $5::timestamptz[],
    $6::bigint[], $7::bigint[])
    WITH ORDINALITY AS n (symbol, exchange, price, ts, received, epoch, seq, place)
WHERE EXISTS (
    SELECT FROM ticks t
    WHERE t.symbol = n.symbol AND t.ts = n.ts AND t.received = n.received
    AND t.epoch = n.epoch AND t.seq = n.seq AND t.price = n.price
    AND t.exchange IS NOT DISTINCT FROM n.exchange)
"""
# A symbol's last price is the close of its candle: of the minute, or, when minutes are gone, of the
# day. Both are found by their key.
_STORED_LAST = """
SELECT place FROM unnest($1::text[], $2::float8[], $3::float8[])
    WITH ORDINALITY AS given (symbol, price, seconds, place)
CROSS JOIN LATERAL (SELECT to_timestamp(seconds) AS at) t
WHERE EXISTS (
    SELECT FROM candles c WHERE c."interval" = '1m' AND c.symbol = given.symbol
    AND c.start = date_bin('1 minute', at, '1970-01-01 00:00+00')
    AND c.last_at = at AND c.close = price)
OR EXISTS (
    SELECT FROM candles c WHERE c."interval" = '1d' AND c.symbol = given.symbol
    AND c.start = date_bin('1 day', at, '1970-01-01 00:00+00')
    AND c.last_at = at AND c.close = price)
"""
# Times are passed as seconds: the driver needs many times the CPU to encode a timestamp.
JOIN_CANDLES = f"""
INSERT INTO candles AS c
    ("interval", symbol, start, open, high, low, close, ticks, first_at, last_at, currency,
    volume)
SELECT '1m', symbol, to_timestamp(start), open, high, low, close, ticks,
    to_timestamp(first_at), to_timestamp(last_at), currency, volume
FROM unnest(
    $1::text[], $2::float8[], $3::float8[], $4::float8[], $5::float8[], $6::float8[],
    $7::bigint[], $8::float8[], $9::float8[], $10::text[],
    $11::float8[])
    AS given (symbol, start, open, high, low, close, ticks, first_at, last_at, currency, volume)
ON CONFLICT ("interval", symbol, start) DO UPDATE SET
    {grown("c.ticks + excluded.ticks", "c.partial", ADDED)}
"""  # noqa: S608 - constants of ours
# An update even when it changes nothing: it locks the row. So a concurrent roll-up of the hour
# waits for us, and does not remove the mark before our candles are there.
MARK_HOURS = """
INSERT INTO rollups_due (node, hour) SELECT $1, * FROM unnest($2::timestamptz[])
ON CONFLICT (node, hour) DO UPDATE SET hour = excluded.hour
"""


class TickBatch(msgspec.Struct, frozen=True, array_like=True):
    """Ticks published together by one life (`boot`) of a node, under a number that rises."""

    node: str
    boot: int
    number: int
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class Record(Query[int]):
    """Write batches that are not stored yet; returns how many ticks were new.

    The ledger tells which are stored. The first tick of a symbol in a process (`seq` 1) is not new
    if it repeats the last stored price with the same provider's time. Otherwise each start of a
    server would add a tick, also to its candle, while nothing is traded. `replayed` batches come
    from a spool; an import may have brought their ticks meanwhile. So once anything was imported,
    ticks that are stored are left out of them.
    """

    batches: Sequence[TickBatch]
    replayed: bool = False
    purpose: ClassVar[Purpose] = Purpose.WRITE

    async def run(self, connection: Connection) -> int:
        """All of it or nothing."""
        # Retention usually makes them ahead of time, but a recorder does not depend on that.
        days = {tick.received // DAY_MS for batch in self.batches for tick in batch.ticks}
        await partitions.make_for_ticks(connection, sorted(days))
        stored = await _stored_last(connection, self.batches)
        async with connection.transaction():
            if self.replayed:
                await connection.execute("SELECT pg_advisory_xact_lock_shared($1)", IMPORT_LOCK)
            entered = await connection.fetch(
                _ENTER,
                [batch.node for batch in self.batches],
                [batch.boot for batch in self.batches],
                [batch.number for batch in self.batches],
            )
            new = {(row["node"], row["boot"], row["no"]) for row in entered}
            batches = [b for b in self.batches if (b.node, b.boot, b.number) in new]
            ticks = [tick for batch in batches for tick in batch.ticks]
            if self.replayed and await connection.fetchval(_WAS_IMPORTED, IMPORT):
                ticks = await _not_there(connection, ticks)
            ticks = _not_again(ticks, stored)
            if ticks:
                await copy_ticks(connection, ticks)
                await join_candles(connection, batches[0].node, fold(ticks))
        return len(ticks)


_Said: TypeAlias = tuple[str, float, int]  # a symbol, its price, and the provider's time


async def _stored_last(connection: Connection, batches: Sequence[TickBatch]) -> set[_Said]:
    """What first ticks say that is the last stored price of their symbol already.

    Asked before the transaction: who reads candles in it and writes some later would deadlock with
    whoever makes a partition for them.
    """
    asked = [_said(tick) for batch in batches for tick in batch.ticks if tick.seq == 1]
    if not asked:
        return set()
    rows = await connection.fetch(
        _STORED_LAST,
        [symbol for symbol, _, _ in asked],
        [price for _, price, _ in asked],
        [ts / 1000 for _, _, ts in asked],
    )
    return {asked[row[0] - 1] for row in rows}


def _said(tick: Tick) -> _Said:
    return tick.symbol, tick.price, tick.ts


def _not_again(ticks: list[Tick], stored: set[_Said]) -> list[Tick]:
    """Without first ticks that repeat the last stored price, or the one before them in `ticks`."""
    left: list[Tick] = []
    last: dict[str, _Said] = {}
    for tick in ticks:
        said = _said(tick)
        if tick.seq != 1 or (said not in stored and last.get(tick.symbol) != said):
            left.append(tick)
        last[tick.symbol] = said
    return left


async def _not_there(connection: Connection, ticks: Sequence[Tick]) -> list[Tick]:
    rows = await connection.fetch(
        _KNOWN,
        [tick.symbol for tick in ticks],
        [tick.exchange for tick in ticks],
        [tick.price for tick in ticks],
        [to_datetime(tick.ts) for tick in ticks],
        [to_datetime(tick.received) for tick in ticks],
        [tick.epoch for tick in ticks],
        [tick.seq for tick in ticks],
    )
    known = {row[0] - 1 for row in rows}
    return [tick for place, tick in enumerate(ticks) if place not in known]


async def copy_ticks(connection: Connection, ticks: Sequence[Tick], table: str = "ticks") -> None:
    """COPY, giving way to other tasks now and then."""

    async def pieces() -> AsyncIterator[bytes]:
        for piece in encoded(ticks):
            yield piece
            await asyncio.sleep(0)

    await connection.copy_to_table(table, source=pieces(), columns=COLUMNS, format="binary")


async def join_candles(connection: Connection, node: str, candles: Sequence[Candle]) -> None:
    """Join 1-minute candles to the stored ones, and mark their hours as to be rolled up."""
    hours = sorted({candle.start - candle.start % HOUR_MS for candle in candles})
    await connection.execute(MARK_HOURS, node, [to_datetime(hour) for hour in hours])
    await connection.execute(
        JOIN_CANDLES,
        [candle.symbol for candle in candles],
        [candle.start / 1000 for candle in candles],
        [candle.open for candle in candles],
        [candle.high for candle in candles],
        [candle.low for candle in candles],
        [candle.close for candle in candles],
        [candle.ticks for candle in candles],
        [candle.first_at / 1000 for candle in candles],
        [candle.last_at / 1000 for candle in candles],
        [candle.currency for candle in candles],
        [candle.volume for candle in candles],
    )
