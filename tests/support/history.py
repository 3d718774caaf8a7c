"""Helpers of the history's tests: they read the database through the gateway."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import trio

from stockstream import paths
from stockstream.database.query import DatabaseError, Purpose, Query, ask
from stockstream.times import MINUTE_MS, to_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.tables import Batch
    from supervision import ActorRef
    from tests.support.tree import Tree

DRAIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Select(Query[list[tuple[Any, ...]]]):
    """Any rows."""

    sql: str
    arguments: tuple[object, ...] = ()
    purpose = Purpose.MAINTENANCE

    async def run(self, connection: Any) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await connection.fetch(self.sql, *self.arguments)]


async def select(database: ActorRef, sql: str, *arguments: object) -> list[tuple[Any, ...]]:
    """Ask until the database answers."""
    with trio.fail_after(DRAIN_SECONDS):
        while True:
            try:
                return await ask(database, Select(sql, arguments), timeout=60)
            except DatabaseError:
                await trio.sleep(0.05)


async def history_state(tree: Tree) -> dict[str, Any]:
    """The server's own status of recording."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=10) as client:
        answer = (await client.get("/health/ready")).json()
    state: dict[str, Any] = answer["checks"]["history"]
    return state


async def drained(tree: Tree) -> dict[str, Any]:
    """Wait until everything published is recorded; returns the status of recording.

    Of a market that stands still: while prices come, there may always be one that waits.
    """
    with trio.fail_after(DRAIN_SECONDS):
        while True:
            state = await history_state(tree)
            recorder = state["recorder"]
            if recorder and state["waiting"] == 0 and recorder["spooled"] == 0 and state["ok"]:
                return state
            await trio.sleep(0.05)


async def all_ticks(tree: Tree) -> list[tuple[Any, ...]]:
    """Symbol, epoch, seq, price, time and exchange of each tick, sorted."""
    rows = await select(
        tree.system.ref(paths.DATABASE),
        "SELECT symbol, epoch, seq, price, ts, exchange FROM ticks",
    )
    return sorted((s, e, n, p, to_ms(ts), x) for s, e, n, p, ts, x in rows)


async def candle_faults(tree: Tree, batches: Sequence[Batch]) -> list[str]:
    """The differences between the stored 1-minute candles and those of the published ticks."""
    expected: dict[tuple[str, int], list[float]] = defaultdict(list)
    for batch in batches:
        for row in batch.rows:
            quote = row.quote
            start = quote.timestamp - quote.timestamp % MINUTE_MS
            expected[quote.symbol, start].append(quote.price)
    rows = await select(
        tree.system.ref(paths.DATABASE),
        """SELECT symbol, start, open, high, low, close, ticks FROM candles
        WHERE "interval" = '1m'""",
    )
    stored = {(symbol, to_ms(start)): tuple(figures) for symbol, start, *figures in rows}
    wanted = {
        key: (prices[0], max(prices), min(prices), prices[-1], len(prices))
        for key, prices in expected.items()
    }
    keys = stored.keys() | wanted.keys()
    return [
        f"{k}: {stored.get(k)} for {wanted.get(k)}" for k in keys if stored.get(k) != wanted.get(k)
    ]
