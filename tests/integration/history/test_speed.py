"""What recording and asking cost, by CPU: rates are for the bench, on a machine with nothing else.

`make bench ARGS=--history` measures the rates of H17 at five million ticks. What holds them there
is the CPU a tick and a query take, which others on the machine change little.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stockstream.history.candles import DAY_MS, MINUTE_MS
from stockstream.history.embedded import family
from stockstream.history.queries import FetchCandles
from stockstream.messages import QuoteRow
from stockstream.quotes import Quote, Symbol, Version
from tests.support.gateway import DAY, running_history

if TYPE_CHECKING:
    from tests.support.database import PostgresServer

SYMBOLS = 1_000
ROUNDS = 40
WINDOWS = 3
"""The cheapest counts: others can only add to what it takes, by emptying the caches."""
TICK_SECONDS = 1 / 50_000
"""Of all CPU, ours and the server's: then one core alone records 50,000 ticks a second."""
QUERY_SECONDS = 0.020
QUERIES = 50
A_DAY = """
INSERT INTO candles SELECT 'S' || s, '1m', to_timestamp($1::float8) + m * interval '1 minute',
1, 2, 0.5, 1.5, 60, to_timestamp($1::float8), to_timestamp($1::float8)
FROM generate_series(0, 49) s, generate_series(0, 1439) m RETURNING 1
"""


def cpu(server: PostgresServer) -> float:
    """Seconds of CPU that this process and the server's have used."""
    used = time.process_time()
    for process in family(server.process):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        used += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return used


pytestmark = pytest.mark.skipif(
    sys.gettrace() is not None, reason="who traces each line multiplies our CPU"
)


@pytest.mark.proves("H17")
async def test_recording_takes_little_cpu(
    postgres_server: PostgresServer, database_url: str, tmp_path: Path
) -> None:
    """From the outbox to the commit, candles included; publishing is in it too."""
    symbols = [Symbol(f"SIM{number}") for number in range(SYMBOLS)]
    async with running_history(database_url, spool=tmp_path) as history:
        await history.until_up()
        await history.publish(row(symbols[0], 0))
        await history.until_recorded()
        taken = []
        for window in range(WINDOWS):
            before = cpu(postgres_server)
            for number in range(1, ROUNDS + 1):
                at = window * ROUNDS + number
                await history.publish(*(row(symbol, at) for symbol in symbols))
            await history.until_recorded()
            taken.append((cpu(postgres_server) - before) / (SYMBOLS * ROUNDS))
        assert history.recorder.recorded_ticks == SYMBOLS * ROUNDS * WINDOWS + 1
    assert min(taken) < TICK_SECONDS, taken


def row(symbol: Symbol, number: int) -> QuoteRow:
    at = DAY + 1_000 * number
    quote = Quote(symbol, 100.0 + number % 7, at, "SIM", "USD", False, Version(1, number), at)
    return QuoteRow(quote, 100.0, None)


@pytest.mark.proves("H17")
async def test_a_days_candles_of_a_symbol_take_little_cpu(
    postgres_server: PostgresServer, database_url: str
) -> None:
    """1,440 candles among those of 50 symbols, through the gateway."""
    async with running_history(database_url) as history:
        await history.until_up()
        await history.select(f"WITH made AS ({A_DAY}) SELECT count(*) FROM made", DAY / 1000)
        before = cpu(postgres_server)
        for number in range(QUERIES):
            query = FetchCandles(f"S{number}", "1m", DAY, DAY + DAY_MS, 5_000)
            found = await history.ask(query)
            assert [candle.start for candle in found] == [*range(DAY, DAY + DAY_MS, MINUTE_MS)]
        assert (cpu(postgres_server) - before) / QUERIES < QUERY_SECONDS
