"""Three real nodes, of which one has a wall clock of its own that is set while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream.times import DAY_MS, now_ms
from tests.support.deep import only_deep
from tests.support.host_clock import HostClock
from tests.support.nodes import running_nodes, until, watched

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.nodes import Node

TWO_DAYS = 2 * 86_400.0
INTERVAL = 0.5
PAUSE_SECONDS = 4.0
"""Until the verdict 1.5 to 2 s, and a second more for a machine that others use too."""


def readiness(node: Node) -> tuple[int, dict[str, object]]:
    """The status of `/health/ready`, and what it says of the cluster."""
    answer = httpx.get(f"{node.url}/health/ready", timeout=10)
    checks: dict[str, dict[str, object]] = answer.json()["checks"]
    return answer.status_code, checks["cluster"]


@only_deep("starts three nodes, one with another clock")
@pytest.mark.proves("N5", "N26")
@pytest.mark.parametrize("off", [TWO_DAYS, -TWO_DAYS])
async def test_a_node_whose_clock_is_set_to_another_day_stands_by_until_it_is_right(
    tmp_path: Path, off: float
) -> None:
    """It fetched, and another node does now; clients of all nodes have prices all the while, its
    own too; it says why, and is ready again once its clock is.
    """
    clock = HostClock(tmp_path)
    settings = {"FETCH_INTERVAL": str(INTERVAL), "FETCH_INTERVAL_IDLE": str(INTERVAL)}
    with running_nodes(tmp_path, 2, settings) as nodes:
        odd = nodes.make("skewed", clock.environment)
        await trio.to_thread.run_sync(odd.start)
        await nodes.settle()
        assert nodes.holder is odd, "by its name it goes first"
        async with watched(list(nodes)) as clients:
            begin = trio.current_time()
            clock.set(off)
            await until(lambda: odd.state == "standing_by", 20)
            assert odd not in nodes.holders
            code, cluster = readiness(odd)
            assert code == 503
            assert "its clock is" in str(cluster["reason"])
            assert "172,8" in str(cluster["reason"])
            await until(lambda: len(nodes.holders) == 1, 5)
            for client in clients:
                count = len(client.came)
                await client.wait_for(lambda c=client, n=count: len(c.came) > n + 3)
                assert client.longest_pause(begin, trio.current_time()) < INTERVAL + PAUSE_SECONDS
                assert max(epoch for epoch, _ in client.versions.values()) < now_ms() + DAY_MS
            clock.set(0)
            await until(lambda: nodes.are_one, 10)
            assert readiness(odd)[0] == 200
    told = [line["meaning"] for line in odd.logged("the state in the cluster changed")]
    assert sum("its clock is" in meaning for meaning in told) == 1
