"""The course of a day in few points: the last price of every ten minutes, of many symbols at once.

It is what the watch list draws beside each price. Candles of 5 minutes have it, and for hours that
wait for a roll-up those of 1 minute. All symbols are asked for in one query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stockstream.database.query import Query
from stockstream.times import MINUTE_MS, to_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stockstream.database.query import Connection
    from stockstream.quotes import Symbol
    from stockstream.statuses import ExchangeDay

BIN_MS = 10 * MINUTE_MS
"""Bins begin at whole multiples of it after 1970. So does the day in most zones; where it begins a
quarter past, as in Nepal, its first and its last bin are cut."""

# A minute of an hour that waits for its roll-up may be in a candle of 5 minutes already, with an
# older close: the later one of both is right, as in a roll-up. One row for each symbol: a row for
# each bin took twice as long here, in the thread that all queries share.
# `OFFSET 0` keeps the planner from reading all minutes of the day first, of which a few hours wait.
SPARKS = """
WITH due AS MATERIALIZED (
    SELECT DISTINCT hour FROM rollups_due
    WHERE hour > $5::timestamptz - interval '1 hour' AND hour < $6::timestamptz)
SELECT place, bins, closes, currencies
FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::text[])
    WITH ORDINALITY AS asked (symbol, begins, ends, told, place)
CROSS JOIN LATERAL (
    SELECT array_agg(bin) AS bins, array_agg(close) AS closes, array_agg(currency) AS currencies
    FROM (
        SELECT DISTINCT ON (bin) bin, close, currency FROM (
            SELECT floor(date_part('epoch', start) / $7)::bigint AS bin, close, currency, last_at,
                start, 0 AS fine
            FROM candles
            WHERE "interval" = '5m' AND symbol = asked.symbol AND start >= begins AND start < ends
                AND (currency IS NULL OR told IS NULL OR currency = told)
            UNION ALL
            SELECT minutes.* FROM due CROSS JOIN LATERAL (
                SELECT floor(date_part('epoch', start) / $7)::bigint, close, currency, last_at,
                    start, 1
                FROM candles
                WHERE "interval" = '1m' AND symbol = asked.symbol
                    AND start >= hour AND start < hour + interval '1 hour'
                    AND start >= begins AND start < ends AND start >= $5 AND start < $6
                    AND (currency IS NULL OR told IS NULL OR currency = told)
                OFFSET 0) AS minutes) AS parts
        ORDER BY bin, last_at DESC, fine DESC, start DESC) AS last_of_each) AS course
WHERE bins IS NOT NULL
"""


class Wanted(NamedTuple):
    """The day of a symbol, and the currency of its prices; None where nobody told it."""

    day: ExchangeDay
    currency: str | None


class Spark(NamedTuple):
    """The last price in each bin of `BIN_MS`, from that on which begins at `first` (ms since 1970).

    None stands for a bin without a price; the first and the last one have one.
    """

    first: int
    closes: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class FetchSparks(Query[dict[str, Spark]]):
    """The course of the day of each symbol that has prices in it, in one currency."""

    wanted: Mapping[Symbol, Wanted]

    async def run(self, connection: Connection) -> dict[str, Spark]:
        """Ask."""
        if not self.wanted:
            return {}
        symbols = list(self.wanted)
        rows = await connection.fetch(SPARKS, *self.arguments)
        return {symbols[place - 1]: spark(*columns) for place, *columns in rows}

    @property
    def arguments(self) -> tuple[object, ...]:
        """Of `SPARKS`; there has to be a symbol."""
        days = [day for day, _ in self.wanted.values()]
        return (
            list(self.wanted),
            [to_datetime(day.start) for day in days],
            [to_datetime(day.end) for day in days],
            [currency for _, currency in self.wanted.values()],
            to_datetime(min(day.start for day in days)),
            to_datetime(max(day.end for day in days)),
            BIN_MS / 1000,
        )


def spark(bins: Sequence[int], closes: Sequence[float], currencies: Sequence[str | None]) -> Spark:
    """Of bins that rise, numbered from 1970; of two currencies the later one is left."""
    told = next((currency for currency in reversed(currencies) if currency is not None), None)
    kept = {
        number: close
        for number, close, currency in zip(bins, closes, currencies, strict=True)
        if currency in {None, told}
    }
    first, last = min(kept), max(kept)
    return Spark(first * BIN_MS, [kept.get(number) for number in range(first, last + 1)])
