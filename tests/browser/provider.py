"""A stub API whose prices a test sets, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from tests.support.programs import Stub

if TYPE_CHECKING:
    from pathlib import Path


class Provider(Stub):
    """It tells what it was told to tell last, with the time of each answer."""

    def __init__(self, folder: Path, prices: dict[str, float]) -> None:
        super().__init__(folder)
        self._prices = prices

    def start(self) -> None:
        """Start it, and tell the first prices."""
        super().start()
        self.tell()

    def tell(self, prices: dict[str, float] | None = None, *, ahead: float = 0.0) -> None:
        """Tell these from now on; the other symbols keep theirs. The clock is ahead by seconds."""
        self._prices |= prices or {}
        at = datetime.now(UTC) + timedelta(seconds=ahead)
        now = at.isoformat().replace("+00:00", "Z")
        items = [
            {"symbol": symbol, "price": price, "timestamp": now}
            for symbol, price in self._prices.items()
        ]
        self.tell_items(items)

    def tell_items(self, items: object) -> None:
        """Tell exactly this from now on, whatever it is."""
        mapping = {
            "request": {"method": "GET", "urlPath": "/api/stock-prices"},
            "response": {"status": 200, "jsonBody": items},
            "priority": 1,
        }
        answer = httpx.post(f"{self.url}/__admin/mappings", json=mapping, timeout=10)
        answer.raise_for_status()
