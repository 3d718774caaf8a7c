"""A pool's queries at the border between trio and asyncio."""

from __future__ import annotations

import gc
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from stockstream.asyncio_thread import AsyncioThread
from stockstream.database.pool import Pool, PoolSettings
from stockstream.database.query import Query


@dataclass(frozen=True, slots=True)
class Counting(Query[int]):
    """Notes that it began."""

    begun: list[int] = field(default_factory=list)

    async def run(self, connection: Any) -> int:
        self.begun.append(1)
        return 1


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
