"""Drains that follow each other, in virtual time."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from stockstream import paths
from stockstream.messages import DrainClients
from stockstream.tables import Tables
from supervision.context import current_cell
from web.live.draining import TELL_SECONDS, Draining
from web.traffic import Traffic, TrafficState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

SLOW_SECONDS = TELL_SECONDS / 2


class Leaving:
    """A client, as a drain sees it."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.codes: list[int] = []

    def ask_to_close(self, code: int, _reason: str) -> None:
        self.codes.append(code)


class SlowBroadcaster:
    """It takes half of the time that there is to tell a client."""

    async def call(self, _order: object, timeout: float) -> None:
        await trio.sleep(timeout / 2)


@pytest.fixture
def web() -> Iterator[None]:
    """Only `web` may write how a drain goes."""
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.WEB)))
    yield
    current_cell.reset(token)


def draining(number: int) -> tuple[Draining, dict[int, Leaving], Traffic]:
    traffic, tables = Traffic(), Tables()
    traffic.begin()
    settings = SimpleNamespace(traffic=traffic, wall_clock_ms=lambda: 0)
    parts = SimpleNamespace(settings=settings, tables=tables, broadcaster=SlowBroadcaster())
    clients = {each: Leaving(each) for each in range(number)}
    return Draining(cast("Any", parts), cast("Any", clients)), clients, traffic


async def test_who_turned_new_clients_away_lets_them_in_again_by_its_end_alone(
    nursery: trio.Nursery, autojump_clock: MockClock, web: None
) -> None:
    """Also where a lesser drain came after the one of all."""
    drain, _, traffic = draining(2)
    assert drain.begin(DrainClients(100.0, 60.0), nursery.start_soon).closed
    assert drain.begin(DrainClients(50.0, 60.0), nursery.start_soon).closed
    assert traffic.state(Tables()) is TrafficState.DRAINING
    ended = drain.end()
    assert ended is not None
    assert not ended.closed
    assert traffic.state(Tables()) is not TrafficState.DRAINING
    assert not drain.begin(DrainClients(50.0, 60.0), nursery.start_soon).closed
    drain.end()


async def test_a_drain_that_is_over_says_nothing_of_the_next_one(
    nursery: trio.Nursery, autojump_clock: MockClock, web: None
) -> None:
    """It was telling its last client, which it finishes."""
    drain, clients, _ = draining(2)
    drain.begin(DrainClients(100.0, 0.0), nursery.start_soon)
    await trio.sleep(1.5 * SLOW_SECONDS)
    drain.begin(DrainClients(50.0, 60.0), nursery.start_soon)
    await trio.sleep(0.75 * SLOW_SECONDS)
    assert [one.codes for one in clients.values()].count([1012]) == 2
    assert drain.status is not None
    assert (drain.status.told, drain.status.running) == (0, True)
    await trio.sleep(SLOW_SECONDS)
    assert (drain.status.told, drain.status.running) == (1, False)
