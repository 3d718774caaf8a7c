"""Items that a provider tells, and a dashboard that watches them."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx

from tests.browser.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browser.dashboard import Dashboard
    from tests.browser.provider import Provider
    from tests.support.programs import Server


def iso(seconds: float = 0.0) -> str:
    """The time so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def item(
    symbol: str, price: object = 100.0, *, at: float = 0.0, **more: object
) -> dict[str, object]:
    """An item of the provider's answer, its time `at` seconds from now."""
    return {"symbol": symbol, "price": price, "timestamp": iso(at), **more}


@contextmanager
def moving(provider: Provider, items: Callable[[int], list[dict[str, object]]]) -> Iterator[None]:
    """Tell new items several times a second; each gets the number of its turn."""
    done = threading.Event()

    def move() -> None:
        turn = 0
        while not done.wait(0.2):
            provider.tell_items(items(turn))
            turn += 1

    provider.tell_items(items(0))
    thread = threading.Thread(target=move)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def subscribe(me: Dashboard, server: Server, symbols: str) -> None:
    """Subscribe once the server has fetched them: before that it refuses them, as not listed."""
    give_up = time.monotonic() + WAIT_SECONDS
    for symbol in symbols.split():
        while (answer := httpx.get(f"{server.url}/api/v1/quotes/{symbol}")).status_code != 200:
            assert time.monotonic() < give_up, answer.text
            time.sleep(0.05)
    me.subscribe(symbols)
