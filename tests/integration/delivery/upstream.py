"""A price API that says exactly what a test wants, for a whole server to fetch from."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from tests.integration.market.rogue import RogueServer, answer
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Tree

PACE = {"fetch_interval": 0.05, "fetch_interval_idle": 0.05}


class PriceApi(RogueServer):
    """Lists what `put` was told."""

    def __init__(self, nursery: trio.Nursery) -> None:
        super().__init__(nursery)
        self.prices: dict[str, dict[str, object]] = {}
        self.currency: str | None = None
        self._asked = trio.Event()

    def put(self, **prices: float) -> None:
        """Set prices, with the time of now; the others stay as they are."""
        for symbol, price in prices.items():
            self.prices[symbol] = {
                "symbol": symbol,
                "price": price,
                "timestamp": time.time_ns() // 1_000_000,
                "exchange": "TEST",
                "currency": self.currency,
            }
        self.tell(list(self.prices.values()))

    def tell(self, body: object) -> None:
        """Answer every request with this JSON."""
        self.always(answer(json.dumps(body).encode()))

    def always(self, data: bytes) -> None:
        """Answer every request with these bytes."""

        async def script(stream: trio.abc.Stream, _head: str) -> None:
            self._asked.set()
            self._asked = trio.Event()
            await stream.send_all(data)

        self.script = script

    async def fetches(self, number: int, seconds: float = 10.0) -> None:
        """Wait until so many fetches have begun from now on: all before the last are dealt with."""
        with trio.fail_after(seconds):
            for _ in range(number):
                await self._asked.wait()


@asynccontextmanager
async def started_api(nursery: trio.Nursery, **prices: float) -> AsyncIterator[PriceApi]:
    """A price API that tells these prices, on a free port."""
    api = PriceApi(nursery)
    api.put(**prices)
    await api.start()
    yield api
    api.stop()


@asynccontextmanager
async def fed_by(api: PriceApi, **settings: object) -> AsyncIterator[Tree]:
    """A running server that fetches from `api` all the time."""
    async with running_tree(stock_api_url=api.url, **{**PACE, **settings}) as tree:
        yield tree
