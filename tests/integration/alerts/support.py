"""A whole server with prices that the test leads, and a user with rules."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from stockstream import paths
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import Client, connected
from tests.support.history import select
from tests.support.users import rows_are_there, user_cookie, visitor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

    from tests.support.tree import Tree

RULES = "/api/v1/alerts/rules"
FIRED = "/api/v1/alerts/fired"
WAIT_SECONDS = 20.0
NEARBY: dict[str, Any] = {"webhook_allow_http": True, "webhook_networks": "127.0.0.0/8"}
"""Settings under which webhooks may go to a receiver of the test."""


@dataclass
class Me:
    """A user of a running server."""

    tree: Tree
    api: PriceApi
    http: httpx.AsyncClient

    @property
    def cookie(self) -> list[tuple[str, str]]:
        """The header that a browser would send with a WebSocket's handshake."""
        return [("Cookie", "=".join(user_cookie(self.http)))]

    async def add_rule(self, kind: str = "above", threshold: float = 100.0, **more: Any) -> int:
        """Make a rule, without a cool-down unless told, and wait until it is judged; its number."""
        body = {"symbol": "AAPL", "kind": kind, "threshold": threshold, "cooldown": 0, **more}
        answer = await self.http.post(RULES, json=body)
        assert answer.status_code == 201, answer.text
        number = int(answer.json()["id"])
        with trio.fail_after(WAIT_SECONDS):
            while (await self.http.get(f"{RULES}/{number}")).json()["armed"] is None:  # noqa: ASYNC110
                await trio.sleep(0.02)
        return number

    async def price(self, **prices: float) -> None:
        """Set prices, and wait until they are published."""
        self.api.put(**prices)
        for symbol, price in prices.items():
            with trio.fail_after(WAIT_SECONDS):
                while await self._known(symbol) != price:  # noqa: ASYNC110
                    await trio.sleep(0.01)

    async def _known(self, symbol: str) -> float | None:
        answer = await self.http.get(f"/api/v1/quotes/{symbol}")
        found: float | None = answer.json().get("quote", {}).get("price")
        return found

    async def fired(self, **query: Any) -> list[dict[str, Any]]:
        """The stored alerts, the oldest first."""
        answer = await self.http.get(FIRED, params={"limit": 200, **query})
        assert answer.status_code == 200, answer.text
        return list(reversed(answer.json()["alerts"]))

    async def until_fired(self, number: int) -> list[dict[str, Any]]:
        """Wait until so many are stored."""
        with trio.fail_after(WAIT_SECONDS):
            while len(found := await self.fired()) < number:  # noqa: ASYNC110
                await trio.sleep(0.05)
        return found

    async def overview(self) -> dict[str, Any]:
        """What an operator is told."""
        token = self.tree.settings.admin_token.get_secret_value()
        headers = {"Authorization": f"Bearer {token}"}
        answer = await self.http.get("/admin/api/overview", headers=headers)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def until_told(self, part: str, **figures: object) -> dict[str, Any]:
        """Wait until an operator is told these: an actor counts what it has done, after it."""
        told: dict[str, Any] = {}
        with trio.move_on_after(WAIT_SECONDS):
            while not figures.items() <= (told := (await self.overview())[part]).items():  # noqa: ASYNC110
                await trio.sleep(0.02)
            return told
        raise AssertionError(f"{told} and not {figures}")

    async def select(self, sql: str) -> list[tuple[Any, ...]]:
        return await select(self.tree.system.ref(paths.DATABASE), sql)


@asynccontextmanager
async def user_of(api: PriceApi, database_url: str, **settings: Any) -> AsyncIterator[Me]:
    """A server fed by `api`, and somebody who has opened its dashboard."""
    async with fed_by(api, database_url=database_url, **settings) as tree, visitor(tree) as http:
        await rows_are_there(http)
        yield Me(tree, api, http)


@asynccontextmanager
async def listening(me: Me, nursery: trio.Nursery) -> AsyncIterator[Client]:
    """A WebSocket of that user."""
    async with connected(me.tree.websocket_url, nursery, me.cookie) as client:
        await client.message("welcome")
        yield client
