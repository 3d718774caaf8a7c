"""When a balancer is told to send clients here, in virtual time."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from quart_trio import QuartTrio

from stockstream import paths
from stockstream.statuses import FeedState, FeedStatus, NodeState
from stockstream.tables import Tables
from stockstream.times import Moment
from supervision.context import current_cell
from web.traffic import LONGEST_START_SECONDS, Traffic, TrafficState
from web.watch.health import health


def feed(tables: Tables, state: FeedState, as_of: Moment | None) -> None:
    token = current_cell.set(cast("Any", SimpleNamespace(path=paths.feed("api"))))
    tables.feeds.put("api", FeedStatus(state, as_of, 1.0, True, "why"))
    current_cell.reset(token)


async def test_it_opens_with_the_first_list() -> None:
    """Of an upstream; that it holds no price is no matter."""
    traffic, tables = Traffic(), Tables()
    assert traffic.state(tables) is TrafficState.STARTING, "before anybody listens"
    traffic.begin()
    assert traffic.state(tables) is TrafficState.STARTING
    feed(tables, FeedState.DOWN, None)
    assert traffic.state(tables) is TrafficState.STARTING, "the first fetch has failed"
    feed(tables, FeedState.LIVE, Moment.now())
    assert traffic.state(tables) is TrafficState.OPEN


async def test_prices_of_other_nodes_open_it_too() -> None:
    """A node that fetches nothing has rows of feeds without a fetch of its own."""
    traffic = Traffic()
    traffic.begin()
    tables = cast(
        "Tables",
        SimpleNamespace(quotes={"AAPL": object()}, feeds=Tables().feeds, members=Tables().members),
    )
    assert traffic.state(tables) is TrafficState.OPEN


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (NodeState.JOINING, TrafficState.STARTING),
        (NodeState.READY, TrafficState.OPEN),
        (NodeState.ALONE, TrafficState.OPEN),
    ],
)
async def test_a_node_that_joins_has_to_wait(state: NodeState, expected: TrafficState) -> None:
    """Others would not send their clients to it yet."""
    traffic, members = Traffic(), SimpleNamespace(value=SimpleNamespace(state=state))
    traffic.begin()
    quotes = {"AAPL": object()}
    tables = SimpleNamespace(quotes=quotes, feeds=Tables().feeds, members=members)
    assert traffic.state(cast("Tables", tables)) is expected


async def test_without_an_upstream_it_opens_after_ten_seconds_and_stays_open(
    autojump_clock: object,
) -> None:
    """For hours, too: the last prices are better than a balancer's 503."""
    traffic, tables = Traffic(), Tables()
    traffic.begin()
    await trio.sleep(LONGEST_START_SECONDS - 0.1)
    assert traffic.state(tables) is TrafficState.STARTING
    await trio.sleep(0.1)
    assert traffic.state(tables) is TrafficState.OPEN
    feed(tables, FeedState.LIVE, Moment.now())
    feed(tables, FeedState.DOWN, Moment.now().after(-7200))
    assert traffic.state(tables) is TrafficState.OPEN


async def test_another_life_of_web_does_not_begin_to_wait_again(autojump_clock: object) -> None:
    """The ten seconds are the process's; a drain is of one life."""
    traffic, tables = Traffic(), Tables()
    traffic.begin()
    await trio.sleep(LONGEST_START_SECONDS)
    traffic.begin()
    assert traffic.state(tables) is TrafficState.OPEN
    traffic.drain()
    assert traffic.state(tables) is TrafficState.DRAINING
    traffic.begin()
    assert traffic.state(tables) is TrafficState.OPEN


@pytest.mark.parametrize("prices", [False, True])
async def test_the_route_says_so_by_its_status(prices: bool, autojump_clock: object) -> None:
    """And why, in a word; a drain counts whatever else is well."""
    traffic, tables = Traffic(), Tables()
    app = QuartTrio(__name__)
    app.register_blueprint(health(tables, traffic, lambda: 0))
    client = app.test_client()

    async def asked() -> tuple[int, object]:
        answer = await client.get("/health/traffic")
        return answer.status_code, await answer.get_json()

    traffic.begin()
    if prices:
        feed(tables, FeedState.LIVE, Moment.now())
    else:
        assert await asked() == (503, {"status": "starting"})
        await trio.sleep(LONGEST_START_SECONDS)
    assert await asked() == (200, {"status": "open"})
    traffic.drain()
    assert await asked() == (503, {"status": "draining"})
