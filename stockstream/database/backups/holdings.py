"""What the database holds: rows by table, the newest tick, a candle that changes no more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec

from stockstream.database.own_tables import OWN_TABLES
from stockstream.database.query import Purpose, Query
from stockstream.times import to_datetime, to_ms

if TYPE_CHECKING:
    from stockstream.database.query import Connection, Row

_THERE = "SELECT name FROM unnest($1::text[]) name WHERE to_regclass(name) IS NOT NULL"
_OWN_SIZE = "SELECT pg_database_size(current_database())"
_SIZE = "SELECT sum(pg_database_size(oid))::bigint FROM pg_database WHERE datallowconn"
_TICK = "SELECT max(received) FROM ticks"
_CANDLE_COLUMNS = '"interval", symbol, start, open, high, low, close, ticks'
# Of a minute that was over well before the newest tick: later ticks do not change it.
_CANDLE = f"""
SELECT {_CANDLE_COLUMNS} FROM candles
WHERE "interval" = '1m' AND start < $1::timestamptz - interval '3 minutes'
ORDER BY start DESC, symbol LIMIT 1
"""  # noqa: S608 - constants of ours
_SAME_CANDLE = f"""
SELECT {_CANDLE_COLUMNS} FROM candles WHERE "interval" = $1 AND symbol = $2 AND start = $3
"""  # noqa: S608


class Candle(msgspec.Struct, frozen=True):
    """A stored candle; `start` in ms since 1970."""

    interval: str
    symbol: str
    start: int
    open: float
    high: float
    low: float
    close: float
    ticks: int


class Holdings(msgspec.Struct, frozen=True):
    """Rows by table; `last_tick` is when the newest tick was received, in ms since 1970. The server
    has `bytes`, this database `own_bytes` of them.
    """

    server: str
    major: int
    schema: str | None
    bytes: int
    own_bytes: int
    rows: dict[str, int]
    last_tick: int | None
    candle: Candle | None = None


def _candle(row: Row | None) -> Candle | None:
    if row is None:
        return None
    interval, symbol, start, *rest = row
    return Candle(interval, symbol, to_ms(start), *rest)


@dataclass(frozen=True, slots=True)
class FetchHoldings(Query[Holdings]):
    """Count all of it: seconds, for hundreds of millions of rows."""

    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> Holdings:
        """Ask, in one snapshot."""
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            server = await connection.fetchval("SHOW server_version")
            number = await connection.fetchval("SHOW server_version_num")
            size = await connection.fetchval(_SIZE)
            own_size = await connection.fetchval(_OWN_SIZE)
            there = [row[0] for row in await connection.fetch(_THERE, list(OWN_TABLES))]
            schema = last = candle = None
            rows = {}
            for name in there:
                rows[name] = await connection.fetchval(f"SELECT count(*) FROM {name}")  # noqa: S608 - ours
            if "alembic_version" in there:
                schema = await connection.fetchval("SELECT version_num FROM alembic_version")
            if "ticks" in there:
                last = await connection.fetchval(_TICK)
            if last is not None and "candles" in there:
                candle = _candle(await connection.fetchrow(_CANDLE, last))
            return Holdings(
                server=server,
                major=int(number) // 10_000,
                schema=schema,
                bytes=size,
                own_bytes=own_size,
                rows=rows,
                last_tick=None if last is None else to_ms(last),
                candle=candle,
            )


@dataclass(frozen=True, slots=True)
class FetchCandle(Query[Candle | None]):
    """The same candle elsewhere; None where it is not there."""

    like: Candle
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> Candle | None:
        """Ask."""
        like = self.like
        return _candle(
            await connection.fetchrow(
                _SAME_CANDLE, like.interval, like.symbol, to_datetime(like.start)
            )
        )


@dataclass(frozen=True, slots=True)
class CountNewer(Query[int]):
    """Ticks that were received after a moment, in ms since 1970."""

    moment: int
    purpose: ClassVar[Purpose] = Purpose.MAINTENANCE

    async def run(self, connection: Connection) -> int:
        """Ask. Times are stored in microseconds."""
        count: int = await connection.fetchval(
            "SELECT count(*) FROM ticks WHERE received >= $1", to_datetime(self.moment + 1)
        )
        return count
