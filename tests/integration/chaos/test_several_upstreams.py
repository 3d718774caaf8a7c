"""Two upstreams in one tree, each played by a stub of its own, and faults of one of them."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.upstreams import Upstream
from tests.integration.admin.operators import by_token
from tests.support.client import connected
from tests.support.commands import run_command
from tests.support.programs import Stub
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import httpx

NAMES = ("first", "second")
QUICK = {
    "fetch_interval": 0.2,
    "fetch_interval_idle": 0.2,
    "breaker_minimum_calls": 2,
    "breaker_window": 4,
    "breaker_wait": 0.5,
    "breaker_max_wait": 0.5,
}


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Stub]]:
    running = {name: Stub(tmp_path_factory.mktemp(name)) for name in NAMES}
    for stub in running.values():
        stub.start()
    yield running
    for stub in running.values():
        stub.end()


@asynccontextmanager
async def two_upstreams(stubs: dict[str, Stub]) -> AsyncIterator[tuple[Tree, httpx.AsyncClient]]:
    """The tree, and an operator of it."""
    upstreams = [Upstream(name, stub.url) for name, stub in stubs.items()]
    async with AsyncExitStack() as stack:
        tree = await stack.enter_async_context(
            running_tree(upstreams=upstreams, chaos_enabled=True, **QUICK)
        )
        yield tree, await stack.enter_async_context(by_token(tree))


async def overview(operator: httpx.AsyncClient) -> dict[str, dict[str, str]]:
    """The states of feed and breaker, by upstream."""
    document = (await operator.get("/admin/api/overview")).json()
    return {
        upstream["name"]: {
            "feed": upstream["feed"]["state"],
            "breaker": upstream["breaker"]["status"]["state"],
        }
        for upstream in document["upstreams"]
    }


async def inject(
    operator: httpx.AsyncClient, action: str, target: str, **parameters: object
) -> httpx.Response:
    body = {"action": action, "target": target, "parameters": parameters}
    return await operator.post("/admin/api/chaos/inject", json=body)


@pytest.mark.proves("C17")
async def test_a_fault_of_one_upstream_leaves_the_other_alone(
    stubs: dict[str, Stub], nursery: trio.Nursery
) -> None:
    """Its breaker opens, clients are told the worst and go on getting prices; then it mends."""
    async with (
        two_upstreams(stubs) as (tree, operator),
        connected(tree.websocket_url, nursery) as me,
    ):
        await me.send(action="subscribe", symbols="*")
        await me.wait_for(lambda: me.status.get("feed") == "live")
        done = (await inject(operator, "upstream-errors", "second", seconds=60)).json()
        assert (done["target"], done["verified"]) == ("second", True)
        await me.wait_for(lambda: me.status["circuit"] != "closed")
        assert me.status["reason"].startswith("second: ")
        now = await overview(operator)
        assert now["first"] == {"feed": "live", "breaker": "closed"}
        assert now["second"]["breaker"] != "closed"
        await me.message("prices", me.counts["prices"] + 3)
        health = await operator.get("/health/ready")
        checks = health.json()["checks"]
        assert health.status_code == 200
        assert checks["upstreams"]["second"]["circuit_breaker"]["state"] != "closed"
        assert checks["upstreams"]["first"]["ok"]
        metrics = (await operator.get("/metrics")).text
        assert 'stockstream_circuit_state{upstream="first",state="closed"} 1' in metrics
        assert 'stockstream_feed_troubles_total{upstream="second",kind="status_503"}' in metrics
        (fault,) = (await operator.get("/admin/api/chaos/status")).json()["active"]
        assert fault["target"] == "second"
        assert (await operator.post("/admin/api/chaos/halt", json={})).json() == {"ended": 1}
        await me.wait_for(lambda: me.status["circuit"] == "closed")


async def test_a_breaker_is_forced_by_its_upstreams_name(stubs: dict[str, Stub]) -> None:
    """The stub's fault at the same name is another one: neither takes the other's place."""
    async with two_upstreams(stubs) as (_tree, operator):
        forced = (await inject(operator, "breaker-force", "first", state="open", seconds=60)).json()
        assert forced["target"] == paths.circuit_breaker("first")
        assert (await inject(operator, "upstream-latency", "first", delay=0.01)).is_success
        now = await overview(operator)
        assert (now["first"]["breaker"], now["second"]["breaker"]) == ("open", "closed")
        active = (await operator.get("/admin/api/chaos/status")).json()["active"]
        assert {(each["action"], each["target"]) for each in active} == {
            ("breaker-force", "first"),
            ("upstream-latency", "first"),
        }
        freed = await inject(operator, "breaker-force", "first", state="auto")
        assert freed.json()["verified"]
        with trio.fail_after(10):
            # The document may be a moment old: it is not made again for each who asks.
            while (await overview(operator))["first"]["breaker"] != "closed":  # noqa: ASYNC110
                await trio.sleep(0.02)
        (left,) = (await operator.get("/admin/api/chaos/status")).json()["active"]
        assert left["action"] == "upstream-latency"


@pytest.mark.proves("C8")
@pytest.mark.parametrize("action", ["breaker-force", "upstream-down"])
async def test_of_several_upstreams_one_must_be_named(
    action: str, stubs: dict[str, Stub], tmp_path: Path
) -> None:
    """The refusal lists them; the command exits with 2. A name that is none is no target."""
    async with two_upstreams(stubs) as (tree, operator):
        refused = await inject(operator, action, "")
        assert refused.status_code == 409
        assert refused.json()["error"] == {
            "code": "which_upstream",
            "reason": "there are several upstreams, so say which: first, second",
        }
        refused = await inject(operator, action, "third")
        assert refused.status_code == 404
        assert "there are: first, second" in refused.json()["error"]["reason"]
        token = tree.settings.admin_token.get_secret_value()
        told = {"STOCKSTREAM_URL": tree.url, "STOCKSTREAM_TOKEN": token}
        for arguments, status in ((), 2), (("third",), 5):
            command = ["chaos", "do", action, *arguments, "--clients", "0"]
            done = await run_command(command, told, tmp_path)
            assert done.returncode == status, done
            assert b"first, second" in done.stderr
        assert (await operator.get("/admin/api/chaos/status")).json()["active"] == []
