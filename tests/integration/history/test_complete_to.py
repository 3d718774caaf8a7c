"""What the answers of history say of themselves: the range, and up to when they are complete."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.database.query import ask
from stockstream.history import coverage
from stockstream.history.recording import Record
from stockstream.times import MINUTE_MS, now_ms, to_ms
from supervision import restart_child, terminate_child
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.gateway import batch, tick
from tests.support.history import drained, history_state
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Tree

LEAD_MS = 280_000
"""A provider's clock may be ahead by up to five minutes."""


@pytest.fixture
async def tree(database_url: str) -> AsyncIterator[Tree]:
    async with running_tree(database_url=database_url) as tree:
        with trio.fail_after(20):
            while not (await history_state(tree))["ok"]:  # noqa: ASYNC110 - told by a request only
                await trio.sleep(0.05)
        yield tree


async def get(tree: Tree, path: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        answer = await client.get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert isinstance(found, dict)
    return found


def ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


@pytest.mark.proves("H11", "W23")
async def test_the_last_quarter_of_an_hour_is_worked_out_by_the_server(tree: Tree) -> None:
    """From the begin of a candle on, up to now; the same for candles and for figures over them."""
    minute = now_ms() // MINUTE_MS * MINUTE_MS
    ticks = [tick(n, symbol="OLDIE", ts=minute - n * MINUTE_MS) for n in range(40, -1, -1)]
    await ask(tree.system.ref(paths.DATABASE), Record([batch(1, *ticks)]))
    asked = now_ms()
    answer = await get(tree, "history/OLDIE?interval=1m&last=15m")
    told = ms(answer["server_time"])
    assert asked <= told <= now_ms()
    start = (told - 15 * MINUTE_MS) // MINUTE_MS * MINUTE_MS
    assert (ms(answer["from"]), ms(answer["to"])) == (start, told + 1)
    starts = [ms(candle["start"]) for candle in answer["candles"]]
    assert starts == [start + n * MINUTE_MS for n in range(len(starts))]
    assert starts[-1] == minute
    figures = await get(tree, "indicators/OLDIE?indicator=sma&period=2&interval=1m&last=15m")
    points = [ms(point["start"]) for point in figures["points"]]
    assert points == starts[-len(points) :]
    assert len(points) >= len(starts) - 1  # the next minute may have begun
    hours = await get(tree, "history/OLDIE?interval=1h&last=1w")
    assert told - ms(hours["from"]) == 7 * 24 * 60 * MINUTE_MS + told % (60 * MINUTE_MS)


@pytest.mark.proves("H11", "H22")
async def test_an_answer_says_up_to_when_it_is_complete(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While nothing is recorded it says since when; afterwards it is complete again."""
    monkeypatch.setattr(coverage, "LATE_SECONDS", 0.5)

    async def until(state: str) -> dict[str, Any]:
        with trio.fail_after(20):
            while True:
                found = await get(tree, "history/AAPL?last=15m")
                if found["recording"]["state"] == state:
                    return found
                await trio.sleep(0.05)

    await until("current")
    await terminate_child(tree.system.ref("history"), "recorder")
    stopped = now_ms()
    answer = await until("behind")
    recording = answer["recording"]
    # What was fetched while the recorder stopped is within the fetch interval.
    assert abs(ms(recording["complete_to"]) - stopped) < 2_000
    told = ms(answer["server_time"])
    assert told - ms(recording["complete_to"]) == pytest.approx(
        recording["behind_seconds"] * 1000, abs=1
    )
    # In the database there is all from before then, and nothing that came after the recorder.
    ticks = (await get(tree, "ticks/AAPL?limit=5000"))["ticks"]
    assert max(ms(found["received"]) for found in ticks) <= stopped
    await restart_child(tree.system.ref("history"), "recorder")
    assert (await until("current"))["recording"]["behind_seconds"] <= 0.5


@pytest.mark.proves("W23")
async def test_no_candle_is_in_the_future_while_the_clock_of_the_provider_is_ahead(
    database_url: str, nursery: trio.Nursery
) -> None:
    """Prices of 280 s ahead are in the candle of the minute in which they were received; so are the
    figures over them, and the ticks tell no later time.
    """
    api = PriceApi(nursery)
    await api.start()

    def put(price: float) -> None:
        ahead = time.time_ns() // 1_000_000 + LEAD_MS
        api.tell([{"symbol": "AAPL", "price": price, "timestamp": ahead, "exchange": "TEST"}])

    put(150.0)
    begun = now_ms()
    async with fed_by(api, database_url=database_url) as tree:
        await api.fetches(2)
        for n in range(10):
            put(151.0 + n)
            await api.fetches(2)
        await drained(tree)
        answer = await get(tree, "history/AAPL?interval=1m")
        figures = await get(tree, "indicators/AAPL?indicator=sma&period=1&interval=1m")
        ticks = (await get(tree, "ticks/AAPL"))["ticks"]
    api.stop()
    minutes = [ms(candle["start"]) for candle in answer["candles"]]
    assert minutes
    assert min(minutes) >= begun // MINUTE_MS * MINUTE_MS
    assert max(minutes) <= ms(answer["server_time"])
    assert [ms(point["start"]) for point in figures["points"]] == minutes
    assert [found for found in ticks if found["timestamp"] > found["received"]] == []
    assert sum(candle["ticks"] for candle in answer["candles"]) == len(ticks)
