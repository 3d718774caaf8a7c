"""The profile `cluster` of docker-compose.yml, as far as it goes without containers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.support.client import connected
from tests.support.compose import composed, missing
from tests.support.deep import only_deep
from tests.support.prometheus import Prometheus, require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.compose import Composed

pytestmark = pytest.mark.alone


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Composed]:
    """All of them, healthy as the file has it."""
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    with composed(tmp_path) as found:
        yield found


@only_deep("starts all services of the compose file")
async def test_clients_of_the_balancer_see_prices_whatever_node_goes(
    services: Composed, nursery: trio.Nursery
) -> None:
    """A killed node and a frozen NATS cost them a pause; a node that is back is taken in again."""
    for number in (1, 2, 3):
        name = f"node-{number}"
        await _sees_new_prices(services.host, nursery)
        services.kill(name)
        await _sees_new_prices(services.host, nursery)
        await trio.to_thread.run_sync(services.start, name)
        await trio.to_thread.run_sync(services.until_healthy, name)
    services.freeze("nats")
    await _sees_new_prices(services.host, nursery)
    services.freeze("nats", frozen=False)
    await _sees_new_prices(services.host, nursery)
    told = await trio.to_thread.run_sync(services.status, "node-1")
    assert all(f"node-{number}" in told for number in (1, 2, 3)), told


@only_deep("starts all services of the compose file, and Prometheus")
async def test_prometheus_finds_each_node_and_misses_one_that_is_gone(services: Composed) -> None:
    """By the file's names and the token's file; the rules are there, and look at it."""
    require("prometheus")
    await trio.to_thread.run_sync(services.start, "prometheus")
    await trio.to_thread.run_sync(services.until_healthy, "prometheus")
    async with httpx.AsyncClient(base_url=services.prometheus, timeout=10) as http:
        it = Prometheus(services.prometheus, http)
        await it.until('count(up{job="stockstream"} == 1) == 3')
        for number in (1, 2, 3):
            await it.until(f'stockstream_cluster_members{{instance="node-{number}:4000"}} == 3')
        services.kill("node-1")
        await it.until('up{instance="node-1:4000"} == 0')
        await it.until('ALERTS{alertname="StockStreamDown", instance="node-1:4000"}')


async def _sees_new_prices(host: str, nursery: trio.Nursery) -> None:
    """One client of the balancer, until one of its symbols has another price."""
    async with connected(f"ws://{host}:4000/ws", nursery) as me:
        await me.send(action="subscribe", symbols="*")
        await me.wait_for(lambda: len(me.versions) > 1)
        before = dict(me.versions)
        await me.wait_for(lambda: any(me.versions[name] > before[name] for name in before))
