"""When a watching client has a fresh price: the first one after a moment, and in time."""

from __future__ import annotations

import itertools

import pytest
import trio

from stockstream.chaos.watchers import Watcher

_versions = itertools.count(1)


def price(watcher: Watcher) -> None:
    """A price arrives now."""
    version = [1, next(_versions)]
    watcher._take({"type": "prices", "prices": [{"symbol": "AAPL", "version": version}]})


@pytest.mark.proves("C14")
async def test_the_first_price_counts_though_others_followed(
    autojump_clock: trio.abc.Clock,
) -> None:
    """Who asks late is told of the first, not of the newest."""
    watcher, moment = Watcher(0), trio.current_time()
    for _ in range(5):
        await trio.sleep(0.2)
        price(watcher)
    assert await watcher.fresh_after(moment, 0.5) == pytest.approx(0.2)


@pytest.mark.proves("C14")
async def test_a_price_beyond_the_limit_is_late_whenever_it_is_asked_for(
    autojump_clock: trio.abc.Clock,
) -> None:
    """It is there when the question comes, and it was late all the same."""
    watcher, moment = Watcher(0), trio.current_time()
    await trio.sleep(1.5)
    price(watcher)
    assert await watcher.fresh_after(moment, 1.25) is None
    assert await watcher.fresh_after(moment, 2.0) == pytest.approx(1.5)


async def test_one_is_waited_for_until_the_limit(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    watcher, moment = Watcher(0), trio.current_time()
    assert await watcher.fresh_after(moment, 1.0) is None
    assert trio.current_time() - moment == pytest.approx(1.0)

    async def soon() -> None:
        await trio.sleep(0.4)
        price(watcher)

    nursery.start_soon(soon)
    assert await watcher.fresh_after(trio.current_time(), 1.0) == pytest.approx(0.4)
    assert watcher.longest_gap == 0.0
