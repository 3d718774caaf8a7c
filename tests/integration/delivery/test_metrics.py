"""What an operator's Prometheus gets, and who gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from tests.integration.delivery.raw import raw_client
from tests.support.client import connected
from tests.support.exposition import Samples, parse
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from tests.support.tree import Tree

TOKEN = "token-of-the-tests-0123456789"


async def ask(tree: Tree, headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient() as http:
        return await http.get(f"http://127.0.0.1:{port(tree)}/metrics", headers=headers)


async def scrape(tree: Tree) -> Samples:
    response = await ask(tree)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return parse(response.text)


def port(tree: Tree) -> int:
    return int(tree.addresses.sockets[0].getsockname()[1])


@pytest.mark.proves("D16")
async def test_the_figures_of_the_delivery_are_told(nursery: trio.Nursery) -> None:
    """Interval, batches, frames, lag, slow clients, connections and refusals."""
    async with (
        running_tree(max_connections_per_address=2, flush_interval=0.02) as tree,
        connected(tree.websocket_url, nursery) as me,
        raw_client(port(tree)) as idle,
    ):
        await idle.frame()
        before = await scrape(tree)
        await me.send(action="subscribe", symbols="*")
        await me.message("prices", 5)
        with pytest.raises(AssertionError, match="429"):
            async with raw_client(port(tree)):
                pass
        after = await scrape(tree)
        assert after["stockstream_clients"] == after["stockstream_connections"] == 2
        assert after["stockstream_clients_subscribed"] == 1
        assert after["stockstream_flush_interval_seconds"] == 0.02
        assert 1 <= after["stockstream_last_batch_symbols"] <= 6
        frames = after["stockstream_frames_total"] - before["stockstream_frames_total"]
        assert frames >= 5
        updates = after["stockstream_updates_total"] - before["stockstream_updates_total"]
        assert frames <= updates <= 6 * frames
        for name in ("flush_seconds", "batch_symbols"):
            assert after[f"stockstream_{name}_count"] >= before[f"stockstream_{name}_count"] + 4
        assert after['stockstream_connections_refused_total{code="too_many_connections"}'] == 1
        assert after["stockstream_client_lag_seconds_max"] == 0
        for seconds in (1, 10, 30):
            assert after[f'stockstream_clients_lagging{{over="{seconds}"}}'] == 0
        assert after["stockstream_clients_slow"] == 0
        assert after["stockstream_frames_refused_total"] == 0
        assert after["stockstream_frames_begun_total"] == 0


@pytest.mark.proves("D16")
async def test_lag_and_refusals_of_a_stuck_client_are_told(nursery: trio.Nursery) -> None:
    """While it is there, and how often it took nothing or a part."""
    async with (
        running_tree(stock_api_url="sim://?symbols=1000&interval=0.05&seed=7") as tree,
        connected(tree.websocket_url, nursery) as other,
        raw_client(port(tree), receive_buffer=4096) as stuck,
    ):
        await stuck.text('{"action":"subscribe","symbols":"*"}')
        await other.send(action="subscribe", symbols=["AAPL"])
        with trio.fail_after(10):
            while True:
                samples = await scrape(tree)
                if samples['stockstream_clients_lagging{over="1"}'] == 1:
                    break
                await other.message("prices", other.counts["prices"] + 1)
        assert samples["stockstream_client_lag_seconds_max"] > 1
        assert samples["stockstream_frames_begun_total"] >= 1
        assert samples["stockstream_frames_refused_total"] >= 1


@pytest.mark.proves("D16")
async def test_the_market_the_actors_and_the_process_are_told(nursery: trio.Nursery) -> None:
    """States as one of several, restarts and ends by path, sessions as one."""
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols="*")
        await me.message("prices", 3)
        (session,) = [path for path in tree.system.names if path.startswith("delivery/sessions/")]
        for path in ("delivery/broadcaster", session):
            tree.system.ref(path).kill()
        await me.message("prices", me.counts["prices"] + 3)
        samples = await scrape(tree)
        assert samples['stockstream_actor_restarts_total{path="delivery/broadcaster"}'] == 1
        for path in ("delivery/broadcaster", "delivery/sessions/#"):
            key = f'stockstream_actor_ends_total{{path="{path}",kind="kill"}}'
            assert samples[key] == 1
        for name, state, states in (
            ("feed", "live", {"live", "stale", "down"}),
            ("circuit", "closed", {"closed", "open", "half_open"}),
        ):
            for each in states:
                key = f'stockstream_{name}_state{{state="{each}"}}'
                assert samples[key] == (each == state)
        assert samples["stockstream_symbols"] == 6
        assert samples["stockstream_batches_published_total"] >= 3
        assert samples['stockstream_circuit_calls_total{outcome="successful"}'] >= 3
        assert samples["process_resident_memory_bytes"] > 10e6
        assert samples["process_cpu_seconds_total"] > 0
        assert 0 < samples["process_open_fds"] < samples["process_max_fds"]
        assert samples["stockstream_tasks"] >= 5


@pytest.mark.proves("H9")
async def test_the_recording_is_told(nursery: trio.Nursery) -> None:
    """Whether there is a database, what waits for it on disk, and that nothing was lost."""
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols="*")
        await me.message("prices", 2)
        with trio.fail_after(10):
            while (samples := await scrape(tree)).get("stockstream_spooled_batches", 0) == 0:
                await me.message("prices", me.counts["prices"] + 1)
        assert samples["stockstream_database_up"] == 0
        assert samples["stockstream_ticks_recorded_total"] == 0
        for place in ("spool", "memory"):
            assert samples[f'stockstream_ticks_lost_total{{from="{place}"}}'] == 0


async def test_metrics_need_no_token_where_nobody_else_can_ask() -> None:
    """A wrong one is refused all the same, and a proxy's clients are somebody else."""
    async with running_tree(admin_token=TOKEN) as tree:
        assert (await ask(tree)).status_code == 200
        assert (await ask(tree, {"Authorization": f"Bearer {TOKEN}"})).status_code == 200
        for headers in ({"Authorization": "Bearer wrong"}, {"X-Forwarded-For": "127.0.0.1"}):
            refused = await ask(tree, headers)
            assert refused.status_code == 401
            assert refused.json()["error"]["code"] == "wrong_token"


async def test_metrics_on_a_network_need_the_token() -> None:
    """From wherever; too many wrong ones lock out who asks for metrics, and no operator."""
    async with running_tree(admin_token=TOKEN, host="0.0.0.0") as tree:
        assert (await ask(tree)).status_code == 401
        good = {"Authorization": f"Bearer {TOKEN}"}
        assert (await ask(tree, good)).status_code == 200
        for _ in range(10):
            assert (await ask(tree, {"Authorization": "Bearer wrong"})).status_code == 401
        assert (await ask(tree, good)).status_code == 429
        async with httpx.AsyncClient() as http:
            tree_page = f"http://127.0.0.1:{port(tree)}/admin/api/tree"
            assert (await http.get(tree_page, headers=good)).status_code == 200
