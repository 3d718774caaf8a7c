"""Trend figures over HTTP: the whole server, with prices in a real PostgreSQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.database.query import Unavailable, ask
from stockstream.history.candles import Tick, fold
from stockstream.history.indicators import IndicatorKind, ema, rsi, sma, volatility
from stockstream.history.recording import Record, TickBatch
from stockstream.messages import DatabaseFault, DisturbDatabase
from stockstream.times import now_ms
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.tree import Tree

MINUTE = 60_000
BATCH = {
    IndicatorKind.SMA: sma,
    IndicatorKind.EMA: ema,
    IndicatorKind.RSI: rsi,
    IndicatorKind.VOLATILITY: volatility,
}
PRICES = [100 + (number * 7919 % 83) / 10 for number in range(180)]
WAIT_SECONDS = 30.0


async def record(tree: Tree, ticks: list[Tick]) -> None:
    """Store ticks as another node would; wait until the database is up."""
    database = tree.system.ref(paths.DATABASE)
    batch = TickBatch("elsewhere", 1, 1, tuple(ticks))
    with trio.fail_after(WAIT_SECONDS):
        while True:
            try:
                await ask(database, Record([batch]))
            except Unavailable:
                await trio.sleep(0.1)
            else:
                return


def one_per_minute(symbol: str, last: int) -> list[Tick]:
    """A tick in each of the last minutes before `last`."""
    first = last - last % MINUTE - len(PRICES) * MINUTE
    return [
        Tick(symbol, None, price, first + number * MINUTE, first + number * MINUTE, 1, number + 1)
        for number, price in enumerate(PRICES)
    ]


@pytest.fixture
async def tree(tmp_path: Path) -> AsyncIterator[Tree]:
    async with running_tree(data_directory=tmp_path, database_url=None) as tree:
        yield tree


async def get(tree: Tree, path: str, **parameters: object) -> httpx.Response:
    async with httpx.AsyncClient(base_url=tree.url, timeout=WAIT_SECONDS) as client:
        return await client.get(path, params=parameters)


async def test_figures_over_stored_candles_are_the_formulas(tree: Tree) -> None:
    """Each indicator, at each of 180 stored candles, with a gap left out and nothing made up."""
    ticks = one_per_minute("OLDIE", now_ms())
    kept = ticks[:60] + ticks[75:]
    await record(tree, kept)
    closes = [candle.close for candle in fold(kept)]
    for kind, batch in BATCH.items():
        answer = await get(tree, "/api/v1/indicators/oldie", indicator=kind, period=9)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        expected = [value for value in batch(closes, 9) if value is not None]
        assert [point["value"] for point in body["points"]] == pytest.approx(expected, rel=1e-12)
        assert (body["symbol"], body["indicator"], body["period"]) == ("OLDIE", kind, 9)
        assert body["warm_up"] == len(closes) - len(expected)
        assert body["live"] is None
        history = await get(tree, "/api/v1/history/OLDIE", interval="1m")
        starts = [candle["start"] for candle in history.json()["candles"]]
        assert [point["start"] for point in body["points"]] == starts[-len(expected) :]


async def test_a_value_is_the_same_whatever_stretch_it_is_asked_with(tree: Tree) -> None:
    """A short range, a long one and a limit agree where they overlap."""
    await record(tree, one_per_minute("OLDIE", now_ms()))
    whole = (await get(tree, "/api/v1/indicators/OLDIE", indicator="ema", period=5)).json()
    by_start = {point["start"]: point["value"] for point in whole["points"]}
    since = whole["points"][-10]["start"]
    for asked in ({"from": since}, {"limit": 10}):
        answer = await get(tree, "/api/v1/indicators/OLDIE", indicator="ema", period=5, **asked)
        points = answer.json()["points"]
        assert points[0]["start"] == since
        assert len(points) == 10
        for point in points:
            assert point["value"] == pytest.approx(by_start[point["start"]], rel=1e-6)


async def test_coarser_candles_have_figures_of_their_own(tree: Tree) -> None:
    """At 5 minutes a period counts candles of 5 minutes."""
    ticks = one_per_minute("OLDIE", now_ms())
    await record(tree, ticks)
    closes = [candle.close for candle in fold(ticks, 5 * MINUTE)]
    answer = await get(tree, "/api/v1/indicators/OLDIE", indicator="sma", period=4, interval="5m")
    expected = [value for value in sma(closes, 4) if value is not None]
    assert [point["value"] for point in answer.json()["points"]] == pytest.approx(expected)


async def test_the_newest_value_follows_the_live_price(tree: Tree) -> None:
    """A simulated symbol with an old history: its last point is of this minute, and moves."""
    listed = (await get(tree, "/api/v1/symbols")).json()["symbols"]
    with trio.fail_after(WAIT_SECONDS):
        while not listed:
            await trio.sleep(0.05)
            listed = (await get(tree, "/api/v1/symbols")).json()["symbols"]
    symbol = listed[0]["symbol"]
    await record(tree, one_per_minute(symbol, now_ms()))
    path = f"/api/v1/indicators/{symbol}"
    seen: set[float] = set()
    with trio.fail_after(WAIT_SECONDS):
        while len(seen) < 3:
            body = (await get(tree, path, indicator="sma", period=2)).json()
            last = body["points"][-1]
            assert body["live"] == last["start"]
            age = timedelta(milliseconds=now_ms()) - (
                datetime.fromisoformat(last["start"]) - datetime.fromisoformat("1970-01-01T00:00Z")
            )
            assert age < timedelta(minutes=2)
            starts = [point["start"] for point in body["points"]]
            assert len(starts) == len(set(starts))
            seen.add(last["value"])
            await trio.sleep(0.05)


async def test_bad_parameters_are_named_all_at_once(tree: Tree) -> None:
    """422, with the field and what it may be; nothing is asked of the database."""
    answer = await get(
        tree, "/api/v1/indicators/AAPL", indicator="macd", period="0", intervall="1m"
    )
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert error["code"] == "invalid_parameter"
    assert error["fields"].keys() == {"indicator", "period", "intervall"}
    assert "one of sma, ema, rsi, volatility" in error["fields"]["indicator"]
    missing = await get(tree, "/api/v1/indicators/AAPL")
    assert missing.json()["error"]["fields"].keys() == {"indicator"}
    symbol = await get(tree, "/api/v1/indicators/$", indicator="sma")
    assert symbol.json()["error"]["fields"].keys() == {"symbol"}


async def test_a_symbol_nobody_knows_has_no_points(tree: Tree) -> None:
    """As it has no candles: an empty answer, not an error."""
    await record(tree, [])
    body = (await get(tree, "/api/v1/indicators/NOBODY", indicator="rsi")).json()
    assert (body["points"], body["live"], body["warm_up"]) == ([], None, 14)


async def test_while_the_database_is_away_the_answer_is_503_and_then_it_is_back(tree: Tree) -> None:
    """With Retry-After, and without a restart of anything of ours."""
    await record(tree, one_per_minute("OLDIE", now_ms()))
    assert await tree.system.ref(paths.POSTGRES).call(
        DisturbDatabase(DatabaseFault.STOP, 2.0), timeout=5
    )
    away = await get(tree, "/api/v1/indicators/OLDIE", indicator="sma")
    with trio.fail_after(WAIT_SECONDS):
        while away.status_code == 200:
            away = await get(tree, "/api/v1/indicators/OLDIE", indicator="sma")
    assert away.status_code == 503
    assert int(away.headers["Retry-After"]) >= 1
    assert away.json()["error"]["code"] == "unavailable"
    with trio.fail_after(WAIT_SECONDS):
        while away.status_code != 200:
            await trio.sleep(int(away.headers["Retry-After"]))
            away = await get(tree, "/api/v1/indicators/OLDIE", indicator="sma")
