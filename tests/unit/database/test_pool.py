"""A pool's queries at the border between trio and asyncio."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.pool import Pool, PoolSettings
from stockstream.database.query import NotYet, Query
from stockstream.database.servers import Server


@dataclass(frozen=True, slots=True)
class Counting(Query[int]):
    """Notes that it began."""

    begun: list[int] = field(default_factory=list)

    async def run(self, connection: Any) -> int:
        self.begun.append(1)
        return 1


class Away:
    """Knows when it was asked where the database is, and that it is nowhere yet."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def address(self) -> str:
        self.asked.append(trio.current_time())
        raise NotYet("it is being started")

    @property
    def pauses(self) -> list[float]:
        return [later - earlier for earlier, later in pairwise(self.asked)]


async def test_who_finds_no_server_tries_again_after_pauses_that_grow(
    autojump_clock: object, nursery: trio.Nursery
) -> None:
    """Up to 5 s, and no two workers in step; a hint that it may be there is followed at once."""
    away = Away()
    pool = Pool("read", (Server("URL", away.address),), PoolSettings(1, 1), lambda: None)
    nursery.start_soon(pool.work, cast("Any", None))
    await trio.sleep(120)
    grown = [min(0.1 * 2**n, 5.0) for n in range(len(away.pauses))]
    assert len(grown) > 20
    assert all(0.8 * w <= p <= w + 1e-6 for p, w in zip(away.pauses, grown, strict=True))
    assert len({round(pause, 6) for pause in away.pauses[-10:]}) == 10
    now = trio.current_time()
    pool.retry_now()
    await trio.testing.wait_all_tasks_blocked()
    assert away.asked[-1] == pytest.approx(now)


@pytest.mark.proves("H2")
async def test_a_query_that_is_called_off_before_it_begins_is_never_made() -> None:
    """A kill may come between trio's side and asyncio's. What was made would be awaited by nobody,
    and said so at some later time (the tests take that for a failure).
    """
    pool = Pool("read", (), PoolSettings(1, 1), lambda: None)
    query = Counting()
    with AsyncioThread().use() as loop:
        connection = SimpleNamespace(terminate=lambda: None)
        link = cast("Any", SimpleNamespace(loop=loop, connection=connection))
        assert await pool._ask(query, link) == 1
        with trio.CancelScope() as scope:
            scope.cancel()
            await pool._ask(query, link)
        assert scope.cancelled_caught
    gc.collect()
    assert query.begun == [1]
