"""What an operator's Prometheus gets, and who gets it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream.cluster.nats_server import NatsServer, run_nats_server
from tests.integration.delivery.raw import raw_client
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from tests.support.exposition import Samples, parse
from tests.support.tree import running_tree
from web.users.break_glass import FAILURES

if TYPE_CHECKING:
    from tests.support.tree import Tree

DOCUMENTATION = Path(__file__).parents[3] / "docs" / "metrics.md"
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


async def test_troubles_of_the_feed_are_counted_by_kind_and_lost_symbols_told(
    price_api: PriceApi,
) -> None:
    """A bad item, each time; and a symbol that the provider lists no more, after 3 s."""
    price_api.put(AAPL=1.0, MSFT=2.0)
    async with fed_by(price_api) as tree:
        await price_api.fetches(3)
        before = await scrape(tree)
        assert before["stockstream_symbols"] == 2
        missing = 'stockstream_symbols_stale{upstream="api",reason="not_listed"}'
        assert before[missing] == 0
        price_api.tell([price_api.prices["AAPL"], {"ticker": "MSFT"}])
        await price_api.fetches(8)
        with trio.fail_after(10):
            while (after := await scrape(tree))[missing] == 0:
                await price_api.fetches(1)
        assert after[missing] == 1
        assert (
            after['stockstream_feed_troubles_total{upstream="api",kind="item_missing_field"}'] >= 5
        )


async def test_the_documentation_names_every_family_as_it_is_told(nursery: trio.Nursery) -> None:
    """`docs/metrics.md` has a row for each: its name, its kind, and what HELP says."""
    nats: NatsServer = await nursery.start(run_nats_server, "token")
    async with (
        running_tree(
            stock_api_url="sim://?symbols=6&interval=0.05&seed=7",
            cluster_nats_url=nats.url,
            smtp_url="smtp://127.0.0.1:1",
            mail_from="alerts@example.com",
            public_url="http://localhost",
        ) as tree,
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols="*")
        await me.message("prices", 3)
        with trio.fail_after(20):
            while (await scrape(tree)).get("stockstream_shards_held") != 1:  # noqa: ASYNC110
                await trio.sleep(0.1)
        samples = await scrape(tree)
        assert samples["stockstream_bus_up"] == samples["stockstream_cluster_members"] == 1
        assert samples["stockstream_cluster_alone"] == 0
        assert samples["stockstream_cluster_echo_seconds_count"] > 0
        heartbeats = 'stockstream_bus_messages_total{direction="sent",kind="heartbeat"}'
        assert samples[heartbeats] >= 2
        text = (await ask(tree)).text
    helps = re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE)
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    told = [(name, kinds[name], meaning) for name, meaning in helps]
    rows = [
        (name, kind, meaning)
        for name, _, kind, meaning in re.findall(
            r"^\| `([a-z_]+)(\{[a-z]+(?:,[a-z]+)*\})?` \| (\w+) \| (.+) \|$",
            DOCUMENTATION.read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    ]
    assert sorted(rows) == sorted(told)


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
                key = f'stockstream_{name}_state{{upstream="sim",state="{each}"}}'
                assert samples[key] == (each == state)
        assert samples["stockstream_symbols"] == 6
        assert samples["stockstream_batches_published_total"] >= 3
        assert samples['stockstream_circuit_calls_total{upstream="sim",outcome="successful"}'] >= 3
        assert samples["process_resident_memory_bytes"] > 10e6
        assert samples["process_cpu_seconds_total"] > 0
        assert 0 < samples["process_open_fds"] < samples["process_max_fds"]
        assert samples["stockstream_tasks"] >= 5
        ended = samples['stockstream_fetches_total{upstream="sim",outcome="successful"}']
        assert samples['stockstream_fetch_seconds_count{upstream="sim"}'] == ended >= 3
        assert samples['stockstream_quote_age_seconds_count{upstream="sim"}'] >= 6
        for path in ("root", "market/streamer", "delivery/sessions/#"):
            held = samples[f'stockstream_mailbox_messages{{path="{path}"}}']
            assert held <= samples[f'stockstream_mailbox_messages_max{{path="{path}"}}']
        assert samples["stockstream_run_loop_wait_seconds_count"] >= 1
        (build,) = (name for name in samples if name.startswith("stockstream_build_info"))
        assert re.search(r'commit="([0-9a-f]{40}|unknown)"', build)


@pytest.mark.proves("H9")
async def test_the_recording_is_told(nursery: trio.Nursery) -> None:
    """Whether there is a database, what waits for it on disk, and that nothing was lost."""
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as me:
        await me.send(action="subscribe", symbols="*")
        await me.message("prices", 2)
        waiting = ("stockstream_spooled_batches", "stockstream_history_lag_seconds")
        with trio.fail_after(10):
            # Both, and not one at the moment of the other: a batch is young when it is spooled.
            samples: dict[str, float] = {}
            while not all(samples.get(name, 0) > 0 for name in waiting):
                await me.message("prices", me.counts["prices"] + 1)
                samples = await scrape(tree)
        assert samples["stockstream_database_up"] == 0
        assert samples["stockstream_ticks_recorded_total"] == 0
        assert 0 < samples["stockstream_spool_bytes"] < samples["stockstream_spool_limit_bytes"]
        assert 0 <= samples["stockstream_spool_age_seconds"] < 60
        assert samples['stockstream_database_queries_waiting{for="write"}'] == 0
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
    """From wherever, the scheme in any case; a 401 says how to ask."""
    async with running_tree(admin_token=TOKEN, host="0.0.0.0") as tree:
        refused = await ask(tree)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == 'Bearer realm="StockStream operators"'
        for scheme in ("Bearer", "bearer"):
            assert (await ask(tree, {"Authorization": f"{scheme} {TOKEN}"})).status_code == 200


async def test_nobody_can_blind_a_scraper_with_wrong_tokens() -> None:
    """They are counted for who sends them, told when to come back, and the right one passes."""
    async with running_tree(admin_token=TOKEN, host="0.0.0.0", trusted_proxies="127.0.0.1") as tree:
        wrong, right = {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN}"}
        attacker, neighbour = ({"X-Forwarded-For": f"203.0.113.{n}:5566"} for n in (7, 8))
        answers = [await ask(tree, wrong | attacker) for _ in range(FAILURES + 1)]
        assert [answer.status_code for answer in answers] == [401] * FAILURES + [429]
        assert 0 < int(answers[-1].headers["retry-after"]) <= 20
        assert (await ask(tree, right | neighbour)).status_code == 200
        assert (await ask(tree, right | attacker)).status_code == 200
        assert (await ask(tree, wrong | neighbour)).status_code == 401
        assert (await ask(tree, wrong | attacker)).status_code == 429


async def test_metrics_are_not_told_without_a_token_where_a_proxy_may_ask() -> None:
    """Every trace of one counts; in production there need be none."""
    traces = ({"X-Real-IP": "9.9.9.9"}, {"Via": "1.1 x"}, {"Host": "192.0.2.7"})
    async with running_tree(admin_token=TOKEN) as tree:
        for headers in traces:
            assert (await ask(tree, headers)).status_code == 401, headers
        async with await trio.open_tcp_stream("127.0.0.1", port(tree)) as old:
            await old.send_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
            assert b" 401 " in await old.receive_some(100)
    async with running_tree(admin_token=TOKEN, trusted_proxies="127.0.0.1") as tree:
        assert (await ask(tree)).status_code == 401
    production = {"stockstream_env": "production", "secret_key_base": "s" * 40}
    async with running_tree(admin_token=TOKEN, **production) as tree:
        assert (await ask(tree)).status_code == 401
        assert (await ask(tree, {"Authorization": f"Bearer {TOKEN}"})).status_code == 200
