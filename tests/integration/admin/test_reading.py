"""What operators read: the tree, the overview, the incidents, whatever else is dead."""

from __future__ import annotations

import json
import time
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, cast

import pytest
import trio

from stockstream import paths
from stockstream.telemetry.event_log import KEPT_CRASHES
from supervision import Crash, Decision, Exited, inject_fault, lift_fault, terminate_child
from tests.integration.admin.operators import by_token
from tests.integration.delivery.raw import raw_client
from tests.integration.delivery.upstream import PriceApi, fed_by
from tests.support.client import connected
from tests.support.server import free_port
from tests.support.tree import Tree, running_tree
from web.admin import overview as overview_document
from web.admin.reading import CHILDREN_SHOWN, CachedDocument

if TYPE_CHECKING:
    import httpx

QUICK_SECONDS = 2.0


async def overview(program: httpx.AsyncClient) -> dict[str, dict[str, object]]:
    answer = await program.get("/admin/api/overview")
    assert answer.status_code == 200
    return dict(answer.json())


async def test_the_overview_tells_breaker_feed_clients_and_process(nursery: trio.Nursery) -> None:
    """Its figures are those of the running system: a client that subscribes is counted."""
    async with running_tree() as tree, by_token(tree) as program:
        async with connected(tree.websocket_url, nursery) as client:
            await client.send(action="subscribe", symbols=["AAPL", "MSFT"])
            await client.message("prices", 2)
            told = await overview(program)
        assert told["clients"] == {
            "connected": 1,
            "subscribed": 1,
            "behind": 0,
            "slow": 0,
            "worst": [],
            "drain": None,
        }
        assert told["feed"]["symbols"] == 6
        assert told["feed"]["status"]["state"] == "live"  # type: ignore[index]
        (upstream,) = cast("list[dict[str, Any]]", told["upstreams"])
        assert (upstream["name"], upstream["feed"]["state"]) == ("sim", "live")
        figures = upstream["breaker"]["figures"]
        assert figures["computed"] == "closed"
        assert figures["successful"] > 0
        assert figures["calls"] <= figures["window"] == 20
        history = told["history"]
        assert isinstance(history, dict)
        assert history["database"]["up"] is False
        assert "DATABASE_URL" in history["database"]["reason"]
        assert history["waiting"] + history["recorder"]["spooled"] > 0
        sample = told["process"]["samples"][-1]  # type: ignore[index]
        assert sample["memory"] > 10_000_000
        assert sample["tasks"] >= 10


@pytest.mark.proves("W21")
async def test_a_symbol_is_looked_up_by_what_each_upstream_says_of_it(
    nursery: trio.Nursery,
) -> None:
    """When it was last confirmed, what it was last refused for, and which are stale in all."""
    api = PriceApi(nursery)
    api.put(AAPL=150.0, MSFT=310.0)
    await api.start()
    async with fed_by(api) as tree, by_token(tree) as program:
        await api.fetches(2)
        api.tell([api.prices["AAPL"], {**api.prices["MSFT"], "price": 0}, {"symbol": "NEW"}])
        with trio.fail_after(10):
            while (told := await overview(program))["feed"]["stale"] == 0:
                await api.fetches(1)
        (upstream,) = cast("list[dict[str, Any]]", told["upstreams"])
        assert upstream["symbols"] == {
            "told": 1,
            "unasked": 0,
            "stale": [{"reason": "not_positive", "count": 1, "some": ["MSFT"]}],
        }
        assert upstream["troubles"].keys() == {"item_not_positive", "item_missing_field"}
        found = (await program.get("/admin/api/symbols/msft")).json()
        assert (found["state"], found["reason"], found["price"]) == ("stale", "not_positive", 310.0)
        (said,) = found["upstreams"]
        assert (said["upstream"], said["lapsed"]) == ("api", "not_positive")
        assert said["refused"]["detail"] == "price of MSFT is 0"
        assert said["confirmed"] == found["confirmed"] < said["refused"]["at"]
        new = (await program.get("/admin/api/symbols/NEW")).json()
        assert (new["state"], new["price"], new["confirmed"]) == (None, None, None)
        assert new["upstreams"][0]["refused"]["reason"] == "missing_field"
        items = (await program.get("/admin/api/items")).json()
        kinds = {row["kind"]: row for row in items["kinds"]}
        assert kinds["item_not_positive"]["times"] >= 1
        assert kinds["item_not_positive"]["example"] == "item 1: price of MSFT is 0"
        (first, second) = items["symbols"]
        assert (first["symbol"], first["stale"], first["times"] >= 1) == ("MSFT", True, True)
        assert (second["symbol"], second["reason"]) == ("NEW", "missing_field")
        one = (await program.get("/admin/api/items?search=ms&limit=1")).json()
        assert ([row["symbol"] for row in one["symbols"]], one["found"]) == (["MSFT"], 1)
        assert (await program.get("/admin/api/items?limit=0")).status_code == 422
        verdict = (await overview(program))["verdict"]
        reasons = cast("list[dict[str, str]]", verdict["reasons"])
        assert {"symbols", "items", "history"} <= {reason["part"] for reason in reasons}
        for unknown in ("NOBODY", "!!"):
            assert (await program.get(f"/admin/api/symbols/{unknown}")).status_code == 404


async def test_an_upstream_that_fails_shows_in_figures_and_transitions() -> None:
    """The breaker's failures, its opening and why, without a message to it."""
    dead = f"http://127.0.0.1:{free_port()}"
    settings = {"breaker_minimum_calls": 2, "breaker_window": 4, "breaker_wait": 60.0}
    async with (
        running_tree(
            stock_api_url=dead,
            fetch_interval_idle=0.05,
            fetch_interval=0.05,
            breaker_max_wait=60.0,
            **settings,
        ) as tree,
        by_token(tree) as program,
    ):
        await tree.until(
            lambda: any(type(event).__name__ == "CircuitMoved" for event in tree.events)
        )
        told = await overview(program)
        (upstream,) = cast("list[dict[str, Any]]", told["upstreams"])
        assert (upstream["name"], upstream["feed"]["state"]) == ("api", "down")
        assert upstream["breaker"]["status"]["state"] == "open"
        assert upstream["breaker"]["figures"]["failures"] >= 2
        assert upstream["breaker"]["figures"]["failure_threshold"] == 50.0
        incidents = (await program.get("/admin/api/incidents")).json()
        (move,) = incidents["transitions"]
        assert move["path"] == paths.circuit_breaker("api")
        assert (move["left"], move["entered"], move["forced"]) == ("closed", "open", False)
        assert "failed" in move["reason"]


async def test_all_can_be_read_while_everything_but_web_is_down() -> None:
    """Every other branch of the tree is taken down, and each read still answers at once."""
    async with running_tree() as tree, by_token(tree) as program:
        root = tree.system.ref("root")
        branches = [
            path for path in tree.actors() if "/" not in path and path not in {"root", paths.WEB}
        ]
        assert {"telemetry", "market", "delivery", "pubsub"} <= set(branches)
        for branch in branches:
            await terminate_child(root, branch)
        with trio.fail_after(QUICK_SECONDS):
            answer = await program.get("/admin/api/tree?folded")
            states = {child["path"]: child["state"] for child in answer.json()["root"]["children"]}
            assert states == dict.fromkeys(branches, "stopped") | {"web": "running"}
            assert (await overview(program))["clients"]["connected"] == 0
            told = (await program.get("/admin/api/incidents")).json()
            assert told["last"] > 0
            page = await program.get("/admin/login")
            assert page.status_code == 200


async def test_a_hung_actor_holds_no_read_up() -> None:
    """Reading sends no message, so an actor that answers nobody is just shown."""
    async with running_tree() as tree, by_token(tree) as program:
        hung = (
            "market/feeds/sim/circuit_breaker",
            "market/streamer",
            "delivery/broadcaster",
            "telemetry",
        )
        for path in hung:
            inject_fault(tree.system, path, seconds=30, delay=None)
        with trio.fail_after(QUICK_SECONDS):
            assert (await program.get("/admin/api/tree")).status_code == 200
            assert (await overview(program))["node"]
        for path in hung:
            assert lift_fault(tree.system, path)


async def _restarted(tree: Tree, path: str) -> None:
    generation = tree.actors()[path].generation
    tree.system.ref(path).kill()
    await tree.until(
        lambda: (
            tree.actors()[path].generation > generation and tree.actors()[path].state == "running"
        )
    )


async def test_a_kill_is_an_incident_with_its_restart() -> None:
    """The crash names generation and decision; the restart the time nobody was there."""
    async with running_tree() as tree, by_token(tree) as program:
        await _restarted(tree, "market/streamer")
        told = (await program.get("/admin/api/incidents")).json()
        (crash,) = told["crashes"]
        assert (crash["path"], crash["generation"], crash["decision"]) == (
            "market/streamer",
            1,
            "restart",
        )
        (restart,) = told["restarts"]
        assert (restart["path"], restart["generation"], restart["reason"]) == (
            "market/streamer",
            2,
            "killed",
        )
        assert 0 < restart["down_ms"] < 5_000
        later = (await program.get(f"/admin/api/incidents?since={told['last']}")).json()
        assert (later["crashes"], later["restarts"]) == ([], [])


async def test_the_log_survives_the_telemetry_actor_and_web() -> None:
    """What was told before either was killed is still there, and what follows comes after it."""
    async with running_tree() as tree:
        for path in ("market/streamer", "telemetry", "web"):
            await _restarted(tree, path)
        async with by_token(tree) as program:
            told = (await program.get("/admin/api/incidents")).json()
        assert [restart["path"] for restart in told["restarts"]] == [
            "market/streamer",
            "telemetry",
            "web",
        ]
        assert [crash["path"] for crash in told["crashes"]] == [
            "market/streamer",
            "telemetry",
            "web",
        ]


async def test_no_more_than_two_hundred_crashes_are_answered() -> None:
    """However much has crashed, the answer stays bounded, and holds the newest."""
    async with running_tree(may_crash=True) as tree, by_token(tree) as program:
        for generation in range(1, KEPT_CRASHES + 51):
            error = ValueError(f"number {generation}")
            tree.system.emit(Exited("market/streamer", generation, Crash(error), Decision.RESTART))
        crashes = (await program.get("/admin/api/incidents")).json()["crashes"]
        assert len(crashes) == KEPT_CRASHES
        assert crashes[-1]["reason"] == f"crash(ValueError: number {KEPT_CRASHES + 50})"


async def test_many_clients_are_folded_into_a_number(nursery: trio.Nursery) -> None:
    """A page is shown some sessions and the count of the rest; a command gets all of them."""
    count = CHILDREN_SHOWN + 3

    def sessions(answer: httpx.Response) -> dict[str, Any]:
        (delivery,) = [it for it in answer.json()["root"]["children"] if it["path"] == "delivery"]
        (found,) = [it for it in delivery["children"] if it["path"] == paths.SESSIONS]
        return dict(found)

    async with running_tree() as tree, by_token(tree) as program, AsyncExitStack() as clients:
        for _ in range(count):
            client = await clients.enter_async_context(connected(tree.websocket_url, nursery))
            await client.message("welcome")
        await tree.until(lambda: len(tree.actors()[paths.SESSIONS].children) == count)
        folded = sessions(await program.get("/admin/api/tree?folded"))
        assert (len(folded["children"]), folded["folded"]) == (CHILDREN_SHOWN, {"running": 3})
        whole = sessions(await program.get("/admin/api/tree"))
        assert (len(whole["children"]), whole["folded"]) == (count, {})


async def test_a_slow_client_is_told_by_its_address_and_its_name(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that stops reading: where it comes from, what its log lines carry, what it wants."""
    monkeypatch.setattr(overview_document, "BEHIND_SECONDS", 0.1)
    async with (
        running_tree(stock_api_url="sim://?symbols=1000&interval=0.05&seed=7") as tree,
        by_token(tree) as program,
        connected(tree.websocket_url, nursery) as other,
        raw_client(tree.addresses.sockets[0].getsockname()[1], receive_buffer=4096) as client,
    ):
        await other.send(action="subscribe", symbols=["AAPL"])
        await client.text('{"action":"subscribe","symbols":"*"}')
        _, payload = await client.frame()
        name = json.loads(payload)["session"]
        # Thirty flushes that the other one does not read.
        await other.message("prices", other.counts["prices"] + 30)
        worst: Any = (await overview(program))["clients"]["worst"]
        assert (worst[0]["address"], worst[0]["name"]) == ("127.0.0.1", name)
        assert worst[0]["behind"] >= 0.1


async def test_a_number_that_is_none_is_refused() -> None:
    """The answer names the parameter."""
    async with running_tree() as tree, by_token(tree) as program:
        for path in (
            "events?since=1e3",
            "incidents?since=",
            "incidents?since=-1",
            "events?since=²",
        ):
            answer = await program.get(f"/admin/api/{path}")
            assert answer.status_code == 422, path
            assert answer.json()["error"]["code"] == "invalid_parameter"
            assert "a whole number from 0" in answer.json()["error"]["fields"]["since"]


def test_a_document_is_cached_for_fifty_times_as_long_as_it_took() -> None:
    """Then it is made again."""
    made: list[float] = []

    def make() -> bytes:
        time.sleep(0.01)
        made.append(time.perf_counter())
        return str(len(made)).encode()

    document = CachedDocument(make)
    while document.get() == b"1":
        time.sleep(0.01)
    assert made[1] - made[0] >= 0.5
