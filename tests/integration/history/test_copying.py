"""Ticks as the server reads them: our encoding of COPY against a real PostgreSQL."""

from __future__ import annotations

import math
import random

import pytest

from stockstream.database.query import Rejected
from stockstream.history.candles import Tick
from stockstream.history.copying import AT_ONCE
from stockstream.history.recording import Record
from stockstream.times import to_ms
from tests.support.gateway import DAY, batch, running_history

LARGEST = 2**63 - 1
EXCHANGES = (None, "", "SIM", "Zürich", "東京", "a\tb\\N\n", "x" * 300)


@pytest.mark.proves("H7", "H8")
async def test_what_is_copied_is_what_is_read(database_url: str) -> None:
    """To the last bit and millisecond: texts of any kind, none, tiny and huge numbers."""
    rng = random.Random(7)
    prices = (0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 123456.789)
    ticks = [
        Tick(
            rng.choice(("AAPL", "BRK.B", "^GSPC")),
            rng.choice(EXCHANGES),
            rng.choice(prices),
            rng.choice((0, 1, DAY - 1, DAY + number, 4_102_444_799_999)),
            DAY + rng.randrange(1000),
            rng.choice((0, 1, LARGEST)),
            number,
            rng.choice((None, "USD", "GBX")),
            rng.choice((None, "us", "api-2")),
            rng.choice((None, 0.0, 1 / 3, 1e12)),
        )
        for number in range(2 * AT_ONCE + 1)
    ]
    async with running_history(database_url) as history:
        await history.until_up()
        assert await history.ask(Record([batch(1, *ticks)])) == len(ticks)
        rows = await history.select(
            "SELECT symbol, exchange, price, ts, received, epoch, seq, currency, source, "
            "volume "
            "FROM ticks ORDER BY seq"
        )
    found = [Tick(s, x, p, to_ms(ts), to_ms(r), *more) for s, x, p, ts, r, *more in rows]
    assert found == ticks


@pytest.mark.proves("H8")
@pytest.mark.parametrize(
    "bad",
    [
        Tick("A\x00B", None, 1.0, DAY, DAY, 1, 1),
        Tick("\ud800", None, 1.0, DAY, DAY, 1, 1),
        Tick("AAPL", None, 1.0, DAY, DAY, 1, LARGEST + 1),
        Tick("AAPL", None, 1.0, 10**15, DAY, 1, 1),
    ],
)
async def test_what_cannot_be_stored_is_refused_and_not_tried_for_ever(
    bad: Tick, database_url: str
) -> None:
    """As a fault of the values, so that the recorder puts the batch aside; nothing stays."""
    good = Tick("AAPL", None, math.pi, DAY, DAY, 1, 2)
    async with running_history(database_url) as history:
        await history.until_up()
        with pytest.raises(Rejected):
            await history.ask(Record([batch(1, good, bad)]))
        assert await history.select("SELECT FROM ticks") == []
        assert await history.ask(Record([batch(2, good)])) == 1
