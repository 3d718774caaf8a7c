"""Candles and ticks over HTTP, from the really running product and a real database."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio
import trio.testing

from stockstream import paths
from stockstream.database import freshness, pool
from stockstream.database.query import Exhausted, ask
from stockstream.history.candles import Tick
from stockstream.history.recording import Record
from stockstream.quotes import iso_utc
from stockstream.times import MINUTE_MS, now_ms, to_ms
from tests.integration.database.test_gateway import Sleep
from tests.support.database import psql
from tests.support.exposition import parse
from tests.support.gateway import batch, tick
from tests.support.history import history_state, select
from tests.support.replica import Pair, replicated
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from pathlib import Path

READERS = 4
EPOCH = datetime.fromtimestamp(0, UTC)


@pytest.fixture
def pair(cluster: Path, tmp_path: Path) -> Iterator[Pair]:
    with replicated(cluster, tmp_path / "replica") as pair:
        yield pair


@asynccontextmanager
async def serving(url: str | None) -> AsyncIterator[tuple[Tree, httpx.AsyncClient]]:
    given = {} if url is None else {"database_url": url}
    async with (
        running_tree(**given) as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as client,
    ):
        if url is not None:
            await _until(lambda: _can_be_asked(tree))
        yield tree, client


async def _can_be_asked(tree: Tree) -> bool:
    connections = (await history_state(tree))["connections"]
    return bool(connections) and all(connections.values())


async def _until(holds: Callable[[], Awaitable[object]]) -> None:
    """Ask again and again until the answer is a yes: HTTP tells nobody of a change."""
    with trio.fail_after(20):
        while not await holds():  # noqa: ASYNC110
            await trio.sleep(0.02)


@pytest.mark.proves("H11", "H5")
async def test_published_prices_come_out_as_candles_and_ticks(database_url: str) -> None:
    """The whole way: from the market through outbox, recorder and database to the API."""
    async with serving(database_url) as (_, client):

        async def ticks() -> list[dict[str, Any]]:
            found = (await client.get("/api/v1/ticks/AAPL")).json()["ticks"]
            assert isinstance(found, list)
            return found

        async def is_stored() -> bool:
            return now["version"] in [t["version"] for t in await ticks()]

        await _until(ticks)
        now = (await client.get("/api/v1/quotes/AAPL")).json()["quote"]
        await _until(is_stored)
        (same,) = [t for t in await ticks() if t["version"] == now["version"]]
        assert (same["price"], same["timestamp"]) == (now["price"], now["timestamp"])
        answer = (await client.get("/api/v1/history/AAPL?interval=1m")).json()
        assert answer["symbol"] == "AAPL"
        assert answer["interval"] == "1m"
        assert sum(c["ticks"] for c in answer["candles"]) > 0
        assert all(c["start"].endswith(":00.000Z") for c in answer["candles"])


@pytest.mark.proves("H11")
async def test_gaps_stay_gaps_and_bounds_hold(database_url: str) -> None:
    """Minutes without ticks have no candle; `from` is inclusive, `to` is not, `limit` keeps the
    newest; oldest first.
    """
    start = (now_ms() - 3_600_000) // MINUTE_MS * MINUTE_MS
    minutes = [0, 1, 4, 5, 20]
    volumes = [None, 0.1, 0.0, 0.2, None]
    ticks = [
        tick(m, symbol="GAPS", ts=start + m * MINUTE_MS + 500, volume=volume)
        for m, volume in zip(minutes, volumes, strict=True)
    ]
    async with serving(database_url) as (tree, client):
        await ask(tree.system.ref(paths.DATABASE), Record([batch(1, *ticks)]))

        async def starts(**query: object) -> list[int]:
            answer = await client.get("/api/v1/history/gaps", params=query)
            assert answer.status_code == 200, answer.text
            return [_minute(c["start"], start) for c in answer.json()["candles"]]

        at = [iso_utc(start + m * MINUTE_MS) for m in range(30)]
        assert await starts() == minutes
        told = (await client.get("/api/v1/history/GAPS")).json()["candles"]
        assert [candle["volume"] for candle in told] == volumes
        assert await starts(**{"from": at[1], "to": at[5]}) == [1, 4]
        assert await starts(**{"from": at[2]}) == [4, 5, 20]
        assert await starts(limit=2) == [5, 20]
        assert await starts(**{"from": at[21]}) == []
        five = (await client.get("/api/v1/history/GAPS?interval=5m")).json()["candles"]
        assert sum(c["ticks"] for c in five) == 5
        # A sum of 0.1 and 0.2 has no noise behind it.
        weeks = (await client.get("/api/v1/history/GAPS?interval=1w")).json()["candles"]
        assert sorted(c["volume"] for c in weeks if c["volume"]) in ([0.3], [0.1, 0.2])
        # Said where it is so, and nowhere else.
        assert not any("partial" in candle for candle in five)
        await select(
            tree.system.ref(paths.DATABASE), "UPDATE candles SET partial = true RETURNING 1"
        )
        five = (await client.get("/api/v1/history/GAPS?interval=5m")).json()["candles"]
        assert all(candle["partial"] is True for candle in five)


def _minute(text: str, start: int) -> int:
    from datetime import datetime  # noqa: PLC0415

    return (to_ms(datetime.fromisoformat(text)) - start) // MINUTE_MS


def in_order(t: Tick) -> tuple[float, ...]:
    return (t.ts, t.epoch, t.seq, t.received, t.price)


EPOCHS = [-(2**63), -5, 0, 7, 10**15, 2**63 - 1]
"""Those of imports are whatever their maker chose."""


@pytest.mark.proves("H11")
async def test_ticks_come_in_pages_that_neither_overlap_nor_skip(database_url: str) -> None:
    """Also where many ticks share a millisecond, or even their version: two nodes may have one
    epoch; the last page has no cursor.
    """
    base = now_ms() - 60_000
    ticks = [
        Tick("PAGES", None, 1.0 + n, base + n // 36, base + n % 3, EPOCHS[n % 36 // 6], n // 36)
        for n in range(100)
    ]
    async with serving(database_url) as (tree, client):
        await ask(tree.system.ref(paths.DATABASE), Record([batch(1, *ticks)]))
        found: list[float] = []
        cursor = None
        pages = 0
        while True:
            query: dict[str, Any] = {"limit": 9} | ({"cursor": cursor} if cursor else {})
            answer = (await client.get("/api/v1/ticks/PAGES", params=query)).json()
            found += [t["price"] for t in answer["ticks"]]
            pages += 1
            cursor = answer["next_cursor"]
            if cursor is None:
                break
        inserted = [t.price for t in sorted(ticks, key=in_order)]
        assert found == inserted
        assert pages == 12


@pytest.mark.proves("H11")
@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("history/AAPL?interval=2m", {"interval"}),
        ("history/AAPL?limit=0", {"limit"}),
        ("history/AAPL?limit=5001", {"limit"}),
        ("history/AAPL?limit=1&limit=2", {"limit"}),
        ("history/AAPL?from=yesterday", {"from"}),
        ("history/AAPL?from=2026-01-01T00:00:00", {"from"}),
        ("history/AAPL?to=9999-99-99T00:00:00Z", {"to"}),
        ("history/AAPL?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", {"from"}),
        ("history/AAPL?from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", {"from"}),
        ("history/AA%20PL?interval=x&limit=y&foo=1", {"symbol", "interval", "limit", "foo"}),
        ("history/AAPL?last=15", {"last"}),
        ("history/AAPL?last=0m", {"last"}),
        ("history/AAPL?last=15m&last=15m", {"last"}),
        ("history/AAPL?last=1h&from=2026-01-01T00:00:00Z", {"last"}),
        ("history/AAPL?last=1h&to=2026-01-01T00:00:00Z", {"last"}),
        ("history/AAPL?last=99999w", {"last"}),
        ("indicators/AAPL?indicator=sma&last=soon", {"last"}),
        ("sparks", {"symbols"}),
        ("sparks?symbols=", {"symbols"}),
        ("sparks?symbols=AAPL,A%20A", {"symbols"}),
        ("sparks?symbols=AAPL&symbols=MSFT", {"symbols"}),
        ("sparks?symbols=" + ",".join(f"S{n}" for n in range(101)), {"symbols"}),
        ("ticks/AAPL?cursor=1_2", {"cursor"}),
        ("ticks/AAPL?cursor=a_b_c_d", {"cursor"}),
        ("ticks/AAPL?cursor=9999999999999999_1_1_1", {"cursor"}),
        (f"ticks/AAPL?cursor=1_{2**63}_1_1", {"cursor"}),
        ("ticks/AAPL?limit=-1", {"limit"}),
        ("ticks/AAPL?limit=%D9%A3", {"limit"}),
    ],
)
async def test_a_bad_parameter_is_named(path: str, fields: set[str]) -> None:
    """422, each field with what is wrong; without a database too."""
    async with serving(None) as (_, client):
        answer = await client.get(f"/api/v1/{path}")
        assert answer.status_code == 422
        error = answer.json()["error"]
        assert error["code"] == "invalid_parameter"
        assert set(error["fields"]) == fields


@pytest.mark.proves("H10", "H11")
async def test_without_a_database_prices_flow_and_history_says_when_to_ask_again() -> None:
    """503 with Retry-After; quotes are served; readiness tells of it and does not fail."""
    async with serving(None) as (_, client):
        answer = await client.get("/api/v1/history/AAPL")
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["error"]["code"] == "unavailable"

        async def prices_are_there() -> bool:
            return (await client.get("/api/v1/quotes/AAPL")).status_code == 200

        async def the_reason_is_told() -> bool:
            ready = await client.get("/health/ready")
            assert ready.status_code == 200
            history = ready.json()["checks"]["history"]
            assert history["ok"] is False
            return "DATABASE_URL" in history["reason"]

        await _until(prices_are_there)
        await _until(the_reason_is_told)  # the first try to connect takes its time


@pytest.mark.proves("H16")
async def test_an_exhausted_pool_answers_503(database_url: str) -> None:
    """Every reader busy and the queue full: at once, with Retry-After, and prices still flow."""
    async with serving(database_url) as (tree, client):
        database = tree.system.ref(paths.DATABASE)

        async def all_read() -> bool:
            return bool((await history_state(tree))["connections"].get("read") == READERS)

        await _until(all_read)
        async with trio.open_nursery() as nursery:
            for _ in range(READERS):
                nursery.start_soon(_quietly, database)
            await _until(lambda: _asleep(database_url, READERS))
            for _ in range(32):
                nursery.start_soon(_quietly, database)
            # Asked after all of those; their questions are in the gateway's mailbox before ours.
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(Exhausted):
                await ask(database, Sleep(0.0))
            with trio.fail_after(3):  # before the readers are free again
                answer = await client.get("/api/v1/history/AAPL")
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "exhausted"
            assert answer.headers["Retry-After"] == "1"
            nursery.cancel_scope.cancel()


async def _connections_while_looked_at(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """All that is told of the replica's connections while every reader looks at it again."""
    looks = 0

    async def count(*arguments: Any) -> Any:
        nonlocal looks
        looks += 1
        return await connect(*arguments)

    connect = pool.connect
    monkeypatch.setattr(pool, "connect", count)
    seen = set()
    statuses = tree.system.names[paths.DATABASE].actor._statuses
    with trio.fail_after(20):
        while looks <= READERS:
            seen.add(statuses.value.replica.connections)
            await trio.sleep(0.001)
    return seen


async def _quietly(database: Any) -> None:
    await ask(database, Sleep(4.0))


async def _asleep(url: str, readers: int) -> bool:
    """Whether so many connections are at it."""
    said = await trio.to_thread.run_sync(
        psql,
        url,
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' "
        "AND state = 'active' AND pid <> pg_backend_pid()",
    )
    return int(said) == readers


@pytest.mark.proves("H14")
async def test_a_replica_that_is_behind_is_told_and_then_left(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Age` and `/metrics` say how far it is behind. Far behind, it is left for the primary, which
    health says, and comes back when it has caught up. No question goes without an answer meanwhile.
    """
    monkeypatch.setattr(pool, "FALLBACK_SECONDS", 0.5)
    async with (
        running_tree(database_url=pair.primary_url, database_read_url=pair.replica_url) as tree,
        httpx.AsyncClient(base_url=tree.url, timeout=20) as client,
    ):
        await _until(lambda: _can_be_asked(tree))

        async def newest() -> tuple[float, float, str | None]:
            """How old the newest tick of an answer was when it was asked for, and when it was
            there, in seconds; and the answer's `Age`.
            """
            asked = now_ms()
            answer = await client.get("/api/v1/ticks/AAPL?limit=5000")
            assert answer.status_code == 200, answer.text
            ticks = answer.json()["ticks"]
            received = to_ms(datetime.fromisoformat(ticks[-1]["received"]) if ticks else EPOCH)
            ages = (asked - received) / 1000, (now_ms() - received) / 1000
            return *ages, answer.headers.get("Age")

        async def replica() -> dict[str, Any]:
            found = (await history_state(tree))["replica"]
            assert isinstance(found, dict)
            return found

        async def is_fresh() -> bool:
            age, _, told = await newest()
            return age < 2 and told is None

        async def is_asked() -> bool:
            return (await replica())["ok"] is True and await is_fresh()

        async def is_told() -> bool:
            return (await newest())[2] is not None

        async def is_left() -> bool:
            return (await replica())["connections"] == 0 and await is_fresh()

        await _until(is_asked)
        psql(pair.replica_url, "SELECT pg_wal_replay_pause()")
        await _until(is_told)
        least, most, told = await newest()
        assert told is not None
        assert least - 1 <= int(told) <= most + 3
        indicators = await client.get("/api/v1/indicators/AAPL?indicator=sma")
        candles = await client.get("/api/v1/history/AAPL")
        assert int(indicators.headers["Age"]) >= int(told)
        assert int(candles.headers["Age"]) >= int(told)
        state = await replica()
        assert state["ok"]
        assert state["lag_seconds"] >= freshness.TOLD_SECONDS
        figures = parse((await client.get("/metrics")).text)
        assert figures["stockstream_history_replica_lag_seconds"] >= state["lag_seconds"]
        assert figures["stockstream_history_replica_asked"] == 1
        monkeypatch.setattr(freshness, "LATE_SECONDS", 6.0)
        await _until(is_left)
        state = await replica()
        assert not state["ok"]
        assert state["reason"] == "DATABASE_READ_URL: the replica is over 6 s behind"
        assert (await history_state(tree))["ok"]
        figures = parse((await client.get("/metrics")).text)
        assert figures["stockstream_history_replica_asked"] == 0
        assert await _connections_while_looked_at(tree, monkeypatch) == {0}
        psql(pair.replica_url, "SELECT pg_wal_replay_resume()")
        await _until(is_asked)
        assert (await replica())["connections"] > 0
