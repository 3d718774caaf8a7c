"""What recording and asking do for much data: counted here, where no clock can be wrong.

How fast that is, `make bench ARGS=--history` measures at five million ticks.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from stockstream.history.queries import STORED_CANDLES, FetchCandles
from stockstream.history.recorder import TICKS_AT_ONCE
from stockstream.quotes import Quote, Symbol, Version
from stockstream.statuses import QuoteRow
from stockstream.times import DAY_MS, MINUTE_MS, to_datetime
from tests.support.database import locked
from tests.support.gateway import DAY, running_history

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYMBOLS = 1_000
BATCHES = 20
A_DAY = """
INSERT INTO candles SELECT 'S' || s, '1m', to_timestamp($1::float8) + m * interval '1 minute',
1, 2, 0.5, 1.5, 60, to_timestamp($1::float8), to_timestamp($1::float8)
FROM generate_series(0, 49) s, generate_series(0, 1439) m RETURNING 1
"""


@pytest.mark.proves("H17")
async def test_batches_that_wait_share_their_transactions(
    database_url: str, tmp_path: Path
) -> None:
    """A slow commit delays the next batches, and does not multiply: they go together."""
    symbols = [Symbol(f"SIM{number}") for number in range(SYMBOLS)]
    async with running_history(database_url, spool=tmp_path) as history:
        await history.until_up()
        with locked(database_url, "ticks"):
            for number in range(BATCHES):
                await history.publish(*(row(symbol, number) for symbol in symbols))
        await history.until_recorded()
        ((ticks, transactions),) = await history.select(
            "SELECT count(*), count(DISTINCT xmin::text) FROM ticks"
        )
    assert ticks == SYMBOLS * BATCHES
    # The first round took what was there when it began: anything from one batch on.
    assert transactions <= SYMBOLS * BATCHES // TICKS_AT_ONCE + 2


def row(symbol: Symbol, number: int) -> QuoteRow:
    at = DAY + 1_000 * number
    quote = Quote(symbol, 100.0 + number % 7, at, "SIM", "USD", False, Version(1, number + 1), at)
    return QuoteRow(quote, 100.0, None)


@pytest.mark.proves("H17")
async def test_a_days_candles_are_read_from_the_index_alone_and_none_in_vain(
    database_url: str,
) -> None:
    """1,440 of 72,000: however many others there are, no more rows than those are touched."""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.select(f"WITH made AS ({A_DAY}) SELECT count(*) FROM made", DAY / 1000)
        found = await history.ask(FetchCandles("S7", "1m", DAY, DAY + DAY_MS, 5_000))
        assert [candle.start for candle in found] == [*range(DAY, DAY + DAY_MS, MINUTE_MS)]
        ((told,),) = await history.select(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {STORED_CANDLES}",
            "1m", "S7", to_datetime(DAY), to_datetime(DAY + DAY_MS), 5_000,
        )  # fmt: skip
    scans = [node for node in nodes(json.loads(told)[0]["Plan"]) if "Scan" in node["Node Type"]]
    assert scans
    for scan in scans:
        assert "Index" in scan["Node Type"], scan
        assert scan["Actual Rows"] == 1_440, scan
        assert scan.get("Rows Removed by Filter", 0) == 0, scan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
