"""The change of the day over restarts, kills and outages: a real server, a real database."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.history.first_prices import FetchFirstPrices
from stockstream.history.recording import Record
from stockstream.market.exchange_days import day_at
from stockstream.quotes import Base, Basis, Symbol
from stockstream.times import DAY_MS, MINUTE_MS
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from tests.support.gateway import batch, running_history, tick
from tests.support.history import drained
from tests.support.host_clock import HostClock
from tests.support.server import running_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.server import Server
    from tests.support.tree import Tree

LIMIT = 30.0
NEW_YORK, SYDNEY = "America/New_York", "Australia/Sydney"


def exchange_in_the_midst_of_its_day() -> str:
    """One whose midnight does not come while a test runs."""
    hour = datetime.now(ZoneInfo(NEW_YORK)).hour
    return "NYSE" if 1 <= hour < 23 else "ASX"


@dataclass
class Feed:
    """Prices of one exchange, told by a price API; each new one has the time of now."""

    api: PriceApi
    ahead: float = 0.0
    items: dict[str, dict[str, object]] = field(default_factory=dict)

    def put(self, symbol: str, price: float, **more: object) -> None:
        told = {"exchange": exchange_in_the_midst_of_its_day(), **more}
        now = round((time.time() + self.ahead) * 1000)
        self.items[symbol] = {"symbol": symbol, "price": price, "timestamp": now, **told}
        self.api.tell(list(self.items.values()))


@pytest.fixture
async def feed(nursery: trio.Nursery) -> AsyncIterator[Feed]:
    api = PriceApi(nursery)
    told = Feed(api)
    told.put("AAA", 100.0)
    await api.start()
    yield told
    api.stop()


async def listed(url: str, symbol: str) -> dict[str, Any]:
    """The quote as it was sent to clients last."""
    async with httpx.AsyncClient(base_url=url, timeout=LIMIT) as client:
        quotes = (await client.get(f"/api/v1/quotes?symbols={symbol}")).json()["quotes"]
    return dict(quotes[0]) if quotes else {}


async def until(where: Tree | Server, symbol: str = "AAA", **wanted: object) -> dict[str, Any]:
    """The symbol's quote, as soon as it says that; polls, because the API announces nothing."""
    quote: dict[str, Any] = {}
    with trio.move_on_after(LIMIT):
        while True:
            quote = await listed(where.url, symbol)
            if all(quote.get(name) == value for name, value in wanted.items()):
                return quote
            await trio.sleep(0.05)
    raise AssertionError(f"{quote} and not {wanted}")


async def bases(tree: Tree, nursery: trio.Nursery, symbol: str = "AAA") -> set[tuple[Any, ...]]:
    """The base by the socket, by the list of all, and by the symbol's own page."""
    async with connected(tree.websocket_url, nursery) as client:
        await client.send(action="subscribe", symbols=[symbol])
        snapshot = (await client.message("snapshot"))["quotes"][0]
    async with httpx.AsyncClient(base_url=tree.url, timeout=LIMIT) as http:
        alone = (await http.get(f"/api/v1/quotes/{symbol}")).json()["quote"]
    told = [snapshot, await listed(tree.url, symbol), alone]
    names = ("price", "open", "base", "basis", "base_at", "day_zone")
    return {tuple(quote[name] for name in names) for quote in told}


@pytest.mark.proves("W22")
async def test_the_change_of_the_day_is_the_same_after_a_restart(
    feed: Feed, cluster: Path, nursery: trio.Nursery
) -> None:
    """100, then 110, then a restart: +10 %, on the socket and by the API alike."""
    before = None
    for life in (1, 2):
        async with fed_by(feed.api, data_directory=cluster, database_url=None) as tree:
            await until(tree, price=100.0 if life == 1 else 110.0)
            if life == 1:
                feed.put("AAA", 110.0)
            await until(tree, price=110.0, base=100.0, basis="day_first")
            told = await bases(tree, nursery)
            assert len(told) == 1, "all say the same"
            assert told == (before or told)
            before = told
            await drained(tree)


@pytest.mark.proves("W22")
async def test_a_client_is_told_of_a_base_that_is_known_later(
    feed: Feed, tmp_path: Path, database_url: str, nursery: trio.Nursery
) -> None:
    """The history was away all day, and prices wait on disk: prices move, against the first one
    seen. With the next start the database is there; what waited is recorded, and asked for again.
    """
    async with fed_by(feed.api, data_directory=tmp_path) as tree:
        await until(tree, price=100.0, base=100.0, basis="first_seen")
        feed.put("AAA", 110.0)
        await until(tree, price=110.0, base=100.0, basis="first_seen")
    feed.put("AAA", 120.0)
    async with (
        fed_by(feed.api, data_directory=tmp_path, database_url=database_url) as tree,
        connected(tree.websocket_url, nursery) as client,
    ):
        await client.send(action="subscribe", symbols=["AAA"])

        def corrected() -> bool:
            quotes = [q for m in client.messages for q in m.get("quotes", [])]
            return bool(quotes) and (quotes[-1]["base"], quotes[-1]["basis"]) == (100, "day_first")

        await client.wait_for(corrected)
        feed.put("AAA", 130.0)
        await until(tree, price=130.0, base=100.0, basis="day_first")


@pytest.mark.proves("W22", "C14")
async def test_kills_change_no_base(feed: Feed, tmp_path: Path, database_url: str) -> None:
    """Of the streamer, of the actor that asks, and of the database's gateway, while it is asked."""
    async with fed_by(feed.api, data_directory=tmp_path, database_url=database_url) as tree:
        await until(tree, basis="day_first")
        await drained(tree)
    for number, path in enumerate((paths.FIRST_PRICES, paths.DATABASE, paths.STREAMER)):
        feed.put("AAA", 110.0 + number)
        async with fed_by(feed.api, data_directory=tmp_path, database_url=database_url) as tree:
            await until(tree, price=110.0 + number)
            assert tree.system.ref(path).kill()
            await until(tree, base=100.0, basis="day_first")
            assert tree.system.ref(path).kill()
            feed.put("AAA", 120.0 + number)
            await until(tree, price=120.0 + number, base=100.0, basis="day_first")


@pytest.mark.proves("W22")
async def test_the_provider_s_previous_close_is_the_base(
    feed: Feed, tmp_path: Path, database_url: str, nursery: trio.Nursery
) -> None:
    """Before a restart and after it; when it is another one, that; and its open without it."""
    feed.put("AAA", 110.0, previous_close=98.5, open=101.0)
    feed.put("OPEN", 110.0, open=101.0)
    for _life in (1, 2):
        async with fed_by(feed.api, data_directory=tmp_path, database_url=database_url) as tree:
            await until(tree, base=98.5, basis="previous_close", base_at=None)
            await until(tree, "OPEN", base=101.0, basis="open", base_at=None)
            assert len(await bases(tree, nursery)) == 1
    feed.put("AAA", 112.0, previous_close=111.0)
    async with fed_by(feed.api, data_directory=tmp_path, database_url=database_url) as tree:
        await until(tree, price=112.0, base=111.0, basis="previous_close")


@pytest.mark.proves("W22")
async def test_midnight_in_utc_is_no_midnight_in_new_york(tmp_path: Path, feed: Feed) -> None:
    """The wall clock of server and provider passes it: a coin begins its day, a share does not.
    Where the exchange is not known, the day is the one of UTC, and it is said so.
    """
    clock = HostClock(tmp_path)
    until_midnight = 86_400 - time.time() % 86_400
    feed.ahead = until_midnight - 60
    clock.set(feed.ahead)
    feed.items.clear()

    def both(price: float) -> None:
        feed.put("SHARE", price, exchange="NASDAQ")
        feed.put("BTC-USD", price, exchange=None)

    both(100.0)
    settings = {"STOCK_API_URL": feed.api.url, "FETCH_INTERVAL": "0.2", **clock.environment}
    async with running_server(tmp_path, settings) as server:
        await until(server, "SHARE", base=100.0, day_zone=NEW_YORK)
        feed.ahead += 120
        clock.set(feed.ahead)
        both(110.0)
        await until(server, "BTC-USD", price=110.0, base=110.0, basis="day_first", day_zone="UTC")
        await until(server, "SHARE", price=110.0, base=100.0)


@pytest.mark.proves("W22")
async def test_the_history_is_asked_for_many_symbols_at_once(database_url: str) -> None:
    """Each by its own day; days of several exchanges, and of several partitions."""
    noon = round(datetime(2026, 11, 25, 12, tzinfo=ZoneInfo("UTC")).timestamp() * 1000)
    new_york, sydney = day_at(NEW_YORK, noon), day_at(SYDNEY, noon)
    ticks = [
        tick(1, symbol="US", price=90.0, ts=new_york.start - 1),
        tick(2, symbol="US", price=100.0, ts=new_york.start),
        tick(3, symbol="US", price=110.0, ts=noon),
        tick(4, symbol="AU", price=190.0, ts=sydney.start - MINUTE_MS),
        tick(5, symbol="AU", price=200.0, ts=sydney.start + 30_000),
        tick(6, symbol="AU", price=210.0, ts=sydney.start + DAY_MS // 2),
        tick(7, symbol="OLD", price=300.0, ts=new_york.start - DAY_MS),
        tick(8, symbol="NEXT", price=400.0, ts=new_york.end),
    ]
    us, au, old, following, none = map(Symbol, ("US", "AU", "OLD", "NEXT", "NONE"))
    async with running_history(database_url) as history:
        await history.until_up()
        await history.ask(Record([batch(1, *ticks)]))
        days = {us: new_york, au: sydney, old: new_york, following: new_york, none: new_york}
        assert await history.ask(FetchFirstPrices(days)) == {
            us: Base(100.0, Basis.DAY_FIRST, new_york.start),
            au: Base(200.0, Basis.DAY_FIRST, sydney.start + 30_000),
        }
