"""What operators may do to a server that works: by the API, and by `stockstream actions`."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

from stockstream import paths
from stockstream.cli import actions
from stockstream.cli.admin_client import Refused
from stockstream.errors import UsageError
from stockstream.messages import OperatorAsked
from supervision import SHUTDOWN, Decision, Exited
from tests.integration.admin.operators import by_token, somebody, token_of
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    import httpx

PATH = "/admin/api/actions"
SLOW = {"fetch_interval": 3600.0, "fetch_interval_idle": 3600.0}


async def did(program: httpx.AsyncClient, action: str, **body: object) -> dict[str, Any]:
    answer = await program.post(f"{PATH}/{action}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def asked(tree: Tree) -> list[tuple[str, str]]:
    return [(e.path, e.what) for e in tree.events if isinstance(e, OperatorAsked)]


async def test_a_fetch_now_does_not_wait_and_lets_an_open_breaker_probe(
    nursery: trio.Nursery,
) -> None:
    """It says what came of it; an unknown feed is named with those there are."""
    api = PriceApi(nursery)
    api.put(AAPL=150.0)
    await api.start()
    settings = {"breaker_minimum_calls": 1, "breaker_window": 1, "breaker_wait": 3600.0}
    settings |= {"breaker_max_wait": 3600.0, "breaker_probes": 1}
    async with fed_by(api, **{**SLOW, **settings}) as tree, by_token(tree) as program:
        api.put(AAPL=151.0)
        assert await did(program, "fetch", upstream="api") == {
            "upstream": "api",
            "ok": True,
            "detail": "prices were fetched",
        }
        assert (await program.get("/admin/api/symbols/AAPL")).json()["price"] == 151.0
        api.tell("no list")
        failed = await did(program, "fetch", upstream="api")
        assert failed["ok"] is False
        await tree.until(lambda: any(type(e).__name__ == "CircuitMoved" for e in tree.events))
        api.put(AAPL=152.0)
        assert (await did(program, "fetch", upstream="api"))["ok"] is True
        circuit = (await program.get("/health/ready")).json()["checks"]["circuit_breaker"]
        assert circuit["state"] == "closed"
        answer = await program.post(f"{PATH}/fetch", json={"upstream": "nobody"})
        assert (answer.status_code, "there are: api" in answer.text) == (404, True)
        assert asked(tree) == [(paths.feed("api"), "fetch now")] * 3


async def test_an_actor_is_restarted_in_order_and_no_budget_pays_for_it() -> None:
    """Also a supervisor with all under it; the root, an old generation and nobody are refused."""
    async with running_tree() as tree, by_token(tree) as program, somebody(tree) as stranger:
        body = {"path": "market/streamer"}
        assert (await stranger.post(f"{PATH}/restart", json=body)).status_code == 401
        for before in (1, 2):
            done = await did(program, "restart", path="market/streamer", reason="to see")
            assert (done["generation_before"], done["generation"]) == (before, before + 1)
        ends = [e for e in tree.events if isinstance(e, Exited) and e.path == "market/streamer"]
        assert {(e.reason, e.decision) for e in ends} == {(SHUTDOWN, Decision.STOPPING)}
        market = tree.actors()["market"]
        assert market.supervisor is not None
        assert market.supervisor.restarts_in_window == 0
        done = await did(program, "restart", path="delivery", generation=1)
        assert (done["ok"], done["detail"]) == (True, "it and all under it began anew")
        assert tree.actors()[paths.BROADCASTER].generation == 2
        for path, generation, status in (
            ("root", None, 422),
            ("market/nobody", None, 404),
            ("delivery", 1, 409),
        ):
            body = {"path": path, "generation": generation}  # type: ignore[dict-item]
            assert (await program.post(f"{PATH}/restart", json=body)).status_code == status
        assert ("market/streamer", "restart (to see)") in asked(tree)
        done = await did(program, "restart", path="web")
        assert done["detail"] == "it drains its clients, and starts again"
        await tree.until(lambda: tree.actors()["web"].generation == 2)
        assert tree.crashes == []


async def test_the_connections_to_the_database_are_made_anew(database_url: str) -> None:
    """All of them at once; without a database it says why there is none."""
    async with running_tree(database_url=database_url) as tree, by_token(tree) as program:
        with trio.fail_after(20):
            while not (await did(program, "reconnect"))["ok"]:
                pass  # the answer waits for it
        done = await did(program, "reconnect")
        assert done["ok"]
        assert done["cut"] >= 1
        assert done["connections"] >= 1
    async with running_tree() as tree, by_token(tree) as program:
        done = await did(program, "reconnect")
        assert (done["ok"], "DATABASE_URL" in done["reason"]) == (False, True)


async def test_a_share_of_the_clients_is_told_to_leave_and_new_ones_wait_for_the_end_of_a_drain(
    nursery: trio.Nursery, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each hears when to come back before it is closed; the others stay. The command says so."""
    async with running_tree() as tree, by_token(tree) as program:
        async with (
            connected(tree.websocket_url, nursery) as one,
            connected(tree.websocket_url, nursery) as two,
            connected(tree.websocket_url, nursery) as three,
            connected(tree.websocket_url, nursery) as four,
        ):
            status = await did(program, "drain", share=50, over_seconds=0)
            assert (status["chosen"], status["closed"]) == (2, False)
            with trio.fail_after(10):
                while (await overview(program))["clients"]["connected"] != 2:
                    await trio.lowlevel.checkpoint()
            gone = [each for each in (one, two, three, four) if each.counts["going_away"]]
            assert [(await each.wait_closed())[0] for each in gone] == [1012, 1012]
            assert all(0.5 <= each.messages[-1]["reconnect_after"] <= 5.0 for each in gone)
            where = actions.Where(tree.url, token_of(tree), as_json=True)
            run = trio.to_thread.run_sync
            assert await run(partial(actions.drain, over="1h", where=where)) == 0
            traffic = await program.get("/health/traffic")
            assert (traffic.status_code, traffic.json()["status"]) == (503, "draining")
            with trio.fail_after(10):  # the document is made anew a moment later
                while (drain := (await overview(program))["clients"]["drain"])["share"] != 100:
                    await trio.lowlevel.checkpoint()
            assert (drain["share"], drain["running"], drain["closed"]) == (100.0, True, True)
            assert await run(partial(actions.drain, end=True, where=where)) == 0
            assert (await program.get("/health/traffic")).status_code == 200
            out = capsys.readouterr().out
            assert (
                json.loads(out[out.rindex('{\n  "schema_version"') :])["drain"]["closed"] is False
            )
        for body in ({"share": 0}, {"share": 101}, {"over_seconds": -1}, {"all": True}):
            assert (await program.post(f"{PATH}/drain", json=body)).status_code == 400
        where = actions.Where(tree.url, token_of(tree))
        with pytest.raises(UsageError, match="--share"):
            actions.drain(share=0, where=where)
        with pytest.raises(UsageError, match="--over"):
            actions.drain(over="2h", where=where)
        run = trio.to_thread.run_sync
        assert await run(partial(actions.restart, "pubsub", where=where)) == 0
        assert await run(partial(actions.reconnect, where=where)) == 1
        with pytest.raises(Refused, match="no feed is called"):
            await run(partial(actions.fetch, "nobody", where=where))
        assert "pubsub: it began anew, generation 2" in capsys.readouterr().out


async def overview(program: httpx.AsyncClient) -> dict[str, Any]:
    return dict((await program.get("/admin/api/overview")).json())
