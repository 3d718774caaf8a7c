"""How candles grow, in SQL: parts are joined, and rows that retention dropped are considered.

Open, high, low and close of a candle cover all ticks that ever came; joining a part twice does not
change them. The count is different. It is exact as long as its source is whole; `thinned` tells up
to which time retention may have dropped rows. Where the count cannot be exact, `ticks` is the
number that is certain, and the candle is `partial`.

A candle is in one currency. Where prices in two of them come, the later one is left: they are not
compared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from stockstream.database.query import Connection

COLUMNS = """
"interval", symbol, start, open, high, low, close, ticks, first_at, last_at, partial, currency,
    volume
"""
GATHERED = """
    (array_agg(open ORDER BY first_at, start))[1] AS open, max(high) AS high, min(low) AS low,
    (array_agg(close ORDER BY last_at DESC, start DESC))[1] AS close,
    sum(ticks)::bigint AS ticks, min(first_at) AS first_at, max(last_at) AS last_at,
    bool_or(partial) AS partial,
    coalesce(sum(ticks) FILTER (WHERE partial), 0)::bigint AS unsure, max(currency) AS currency,
    sum(volume) AS volume, coalesce(sum(volume) FILTER (WHERE partial), 0) AS unsure_volume
"""
"""One part from several candles, which share no tick. `unsure` counts those of its ticks that the
stored candle may have counted already, `unsure_volume` what was traded with them."""
FROM_TICKS = """
    (array_agg(price ORDER BY ts, epoch, seq))[1] AS open, max(price) AS high, min(price) AS low,
    (array_agg(price ORDER BY ts DESC, epoch DESC, seq DESC))[1] AS close, count(*) AS ticks,
    min(ts) AS first_at, max(ts) AS last_at, max(currency) AS currency,
    sum(volume) AS volume
"""


def of_one_currency(rows: str, by: str, last: str = "last_at DESC, start DESC") -> str:
    """Of some `rows` (a SELECT), grouped `by` some columns, those in the currency that each group
    was told in last, and those that were told in none: a FROM clause, with its WHERE.
    """
    return f"""(
        SELECT *, first_value(currency) OVER (
            PARTITION BY {by} ORDER BY currency IS NULL, {last}) AS told
        FROM ({rows}) AS any_currency) AS one_currency
    WHERE (currency IS NULL OR currency = told)"""  # noqa: S608 - constants of ours


LAST_TICK = "ts DESC, epoch DESC, seq DESC"
_TWO = "coalesce(f.currency <> s.currency, false)"


def _joined(column: str, both: str) -> str:
    return f"""CASE WHEN NOT {_TWO} THEN {both}
        WHEN f.last_at >= s.last_at THEN f.{column} ELSE s.{column} END AS {column}"""


JOINED = ",\n    ".join(
    (
        _joined("open", "CASE WHEN s.first_at <= f.first_at THEN s.open ELSE f.open END"),
        _joined("high", "greatest(f.high, s.high)"),
        _joined("low", "least(f.low, s.low)"),
        _joined("close", "CASE WHEN s.last_at > f.last_at THEN s.close ELSE f.close END"),
        _joined(
            "ticks",
            """CASE WHEN f.late
            THEN greatest(coalesce(s.ticks, 0) + f.ticks - f.unsure, f.ticks)
            ELSE greatest(s.ticks, f.ticks) END""",
        ),
        _joined("first_at", "least(f.first_at, s.first_at)"),
        _joined("last_at", "greatest(f.last_at, s.last_at)"),
        _joined(
            "partial",
            """f.partial OR coalesce(s.partial, false)
            OR (NOT f.late AND coalesce(s.ticks > f.ticks, false))""",
        ),
        _joined("currency", "coalesce(f.currency, s.currency)"),
        _joined(
            "volume",
            """CASE WHEN f.late
            THEN greatest(coalesce(s.volume + f.volume - f.unsure_volume, s.volume), f.volume)
            ELSE greatest(s.volume, f.volume) END""",
        ),
    )
)
"""A part `f` and the stored candle `s`, if any. The stored candle has not counted the ticks of a
`late` part. A part that is not late comes from a whole source and includes the stored ticks. Of two
currencies the later one is left."""


ADDED = "coalesce(c.volume + excluded.volume, c.volume, excluded.volume)"
"""The volume of two parts that share no tick; what is not known adds nothing."""


def grown(ticks: str, partial: str, volume: str) -> str:
    """What an upsert sets to join `excluded` to the stored `c`; of two currencies the later one is
    left. The counts of two parts in one currency are given.
    """
    both = {
        "open": "CASE WHEN excluded.first_at < c.first_at THEN excluded.open ELSE c.open END",
        "high": "greatest(c.high, excluded.high)",
        "low": "least(c.low, excluded.low)",
        "close": "CASE WHEN excluded.last_at >= c.last_at THEN excluded.close ELSE c.close END",
        "ticks": ticks,
        "first_at": "least(c.first_at, excluded.first_at)",
        "last_at": "greatest(c.last_at, excluded.last_at)",
        "partial": partial,
        "currency": "coalesce(c.currency, excluded.currency)",
        "volume": volume,
    }
    return ",\n    ".join(
        f"""{column} = CASE WHEN NOT coalesce(excluded.currency <> c.currency, false) THEN {joined}
        WHEN excluded.last_at >= c.last_at THEN excluded.{column} ELSE c.{column} END"""
        for column, joined in both.items()
    )


async def thinned_before(connection: Connection, source: str) -> datetime:
    """What of `source` is from before then may be gone, or, of minutes, was counted and is."""
    before: datetime = await connection.fetchval(
        "SELECT before FROM thinned WHERE source = $1", source
    )
    return before


async def thin_before(connection: Connection, source: str, before: datetime) -> None:
    """Store that retention drops rows from before then, in the transaction that drops them.

    The time is that of the rows really dropped, not the limit for dropping. Otherwise a clock that
    was once ahead would make all later ticks late.
    """
    await connection.execute(
        "UPDATE thinned SET before = greatest(before, $2) WHERE source = $1", source, before
    )
