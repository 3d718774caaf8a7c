"""The course of the day of many symbols, from a real database, and over HTTP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.database.query import Connection, Query, ask
from stockstream.history.recording import Record
from stockstream.history.rolling import RollUp
from stockstream.history.sparks import BIN_MS, SPARKS, FetchSparks, Spark, Wanted
from stockstream.market.exchange_days import day_at
from stockstream.quotes import Symbol
from stockstream.times import HOUR_MS, MINUTE_MS, now_ms, to_ms
from tests.support.gateway import DAY, batch, running_history, tick
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from stockstream.history.candles import Tick

UTC_DAY = day_at("UTC", DAY)
NEW_YORK = day_at("America/New_York", DAY + 12 * HOUR_MS)


def each_minute(symbol: str, start: int, minutes: int, **more: Any) -> list[Tick]:
    """Prices that tell their minute."""
    return [
        tick(n, symbol=symbol, price=float(n + 1), ts=start + n * MINUTE_MS, **more)
        for n in range(minutes)
    ]


async def test_each_symbol_has_the_last_prices_of_its_own_day(database_url: str) -> None:
    """Of hours that are rolled up, and of one that waits; a stretch without prices has none."""
    utc, us, gone = Symbol("BTC-USD"), Symbol("IBM"), Symbol("GONE")
    wanted = {symbol: Wanted(UTC_DAY, None) for symbol in (utc, gone)}
    wanted[us] = Wanted(NEW_YORK, "USD")
    async with running_history(database_url) as history:
        await history.until_up()
        early = each_minute(utc, DAY, 30) + each_minute(us, NEW_YORK.start - 20 * MINUTE_MS, 40)
        await history.ask(Record([batch(1, *early)]))
        assert await history.ask(RollUp(DAY + 24 * HOUR_MS)) > 0
        # Two hours on, and one more in an hour that has been rolled up.
        later = each_minute(utc, DAY + 2 * HOUR_MS, 12)
        late = tick(99, symbol=utc, price=0.5, ts=DAY + 29 * MINUTE_MS + 1)
        other = tick(98, symbol=us, price=900.0, ts=NEW_YORK.start + 1, currency="EUR")
        await history.ask(Record([batch(2, *later, late, other)]))
        found = await history.ask(FetchSparks(wanted))
    assert found == {
        utc: Spark(DAY, [10.0, 20.0, 0.5, *[None] * 9, 10.0, 12.0]),
        us: Spark(NEW_YORK.start, [30.0, 40.0]),
    }


async def test_of_two_currencies_the_later_one_is_left(database_url: str) -> None:
    """Where the provider tells none now."""
    symbol = Symbol("VOD")
    async with running_history(database_url) as history:
        await history.until_up()
        pounds = each_minute(symbol, DAY, 10, currency="GBP")
        pence = each_minute(symbol, DAY + BIN_MS, 10, currency="GBX")
        await history.ask(Record([batch(1, *pounds, *pence)]))
        wanted = {symbol: Wanted(UTC_DAY, None)}
        assert await history.ask(FetchSparks(wanted)) == {symbol: Spark(DAY + BIN_MS, [10.0])}
        wanted = {symbol: Wanted(UTC_DAY, "GBP")}
        assert await history.ask(FetchSparks(wanted)) == {symbol: Spark(DAY, [10.0])}


@dataclass(frozen=True, slots=True)
class Explain(Query[str]):
    """How the question was answered."""

    question: FetchSparks

    async def run(self, connection: Connection) -> str:
        sql = f"EXPLAIN (ANALYZE, COSTS OFF) {SPARKS}"
        rows = await connection.fetch(sql, *self.question.arguments)
        return "\n".join(line for (line,) in rows)


async def test_minutes_of_hours_that_are_rolled_up_are_not_read(database_url: str) -> None:
    """A day of 100 symbols has 144,000 of them."""
    symbol = Symbol("AAA")
    question = FetchSparks({symbol: Wanted(UTC_DAY, None)})
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, *each_minute(symbol, DAY, 120))]))
        waiting = await history.ask(Explain(question))
        await history.ask(RollUp(DAY + 24 * HOUR_MS))
        done = await history.ask(Explain(question))
    minutes = re.compile(r" on candles_1m\w* .*\(actual .*rows=([\d.]+) ")
    assert [float(rows) for rows in minutes.findall(waiting) if float(rows) > 0] == [60.0]
    assert [rows for rows in minutes.findall(done) if float(rows) > 0] == []


async def answer_of(client: httpx.AsyncClient, symbols: str, **headers: str) -> httpx.Response:
    return await client.get("/api/v1/sparks", params={"symbols": symbols}, headers=headers)


async def until_asked(client: httpx.AsyncClient) -> httpx.Response:
    """As soon as the database can be asked, and there is a price; polls: nothing announces it."""
    with trio.fail_after(20):
        while True:
            answer = await answer_of(client, "AAPL,NO-SUCH")
            if answer.status_code == 200 and answer.json()["sparks"]:
                return answer
            await trio.sleep(0.05)


async def test_the_course_of_the_day_over_http(database_url: str) -> None:
    """Of those that have a price; asked again within a minute it is the same, by its tag."""
    async with (
        running_tree(database_url=database_url) as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as client,
    ):
        [there] = (await until_asked(client)).json()["sparks"]
        day = day_at(there["zone"], to_ms(datetime.fromisoformat(there["from"])))
        quote = (await client.get("/api/v1/quotes/MSFT")).json()["quote"]
        # Of an hour that no price of now is in.
        start = day.start if now_ms() - day.start > 2 * HOUR_MS else day.start + 20 * HOUR_MS
        ticks = each_minute("MSFT", start, 15, currency=quote["currency"])
        await ask(tree.system.ref(paths.DATABASE), Record([batch(1, *ticks)]))
        answer = await answer_of(client, "NO-SUCH,MSFT,AAPL")
        assert answer.status_code == 200
        assert answer.json()["bin_seconds"] == BIN_MS // 1000
        msft, aapl = answer.json()["sparks"]
        assert (msft["symbol"], aapl["symbol"]) == ("MSFT", "AAPL")
        assert to_ms(datetime.fromisoformat(msft["from"])) == day.start
        assert to_ms(datetime.fromisoformat(msft["to"])) == day.end
        first = to_ms(datetime.fromisoformat(msft["first"]))
        prices = {first + n * BIN_MS: price for n, price in enumerate(msft["closes"])}
        assert (prices[start], prices[start + BIN_MS]) == (10.0, 15.0)
        again = await answer_of(
            client, "NO-SUCH,MSFT,AAPL", **{"If-None-Match": answer.headers["ETag"]}
        )
        assert again.status_code == 304
        assert again.headers["Cache-Control"] == "no-cache"


@pytest.mark.proves("H10")
async def test_without_a_database_it_says_when_to_ask_again() -> None:
    """503 with Retry-After, once there are prices whose course could be told."""
    async with (
        running_tree() as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as client,
    ):
        with trio.fail_after(20):
            while (answer := await answer_of(client, "AAPL")).status_code == 200:  # noqa: ASYNC110
                await trio.sleep(0.05)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
