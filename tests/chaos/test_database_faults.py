"""Faults of the database, as `stockstream chaos` injects them: seen, ended, felt by no client."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from stockstream.chaos.node import Node, Refused
from stockstream.database.embedded.files import Layout, are_stopped, family, postmaster
from supervision import terminate_child
from tests.chaos.support import pause
from tests.chaos.test_history_kills import RECOVERY_SECONDS, rows_of, watching
from tests.support.dashboards import Dashboard
from tests.support.history import all_ticks, candle_faults, drained, history_state
from tests.support.stopwatch import Stopwatch
from tests.support.tree import NO_DATABASE, Tree, running_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from stockstream.tables import Batch
    from tests.support.client import Client

pytestmark = pytest.mark.chaos

MARKET = "sim://?symbols=50&interval=0.05&seed=7"
TOKEN = "token-of-the-tests-0123456789"
LOOKS = 25
OPEN = Dashboard(takes_login=False, folder=Path())


@dataclass
class Drill:
    """A running product with clients, and a node as the command sees it."""

    tree: Tree
    node: Node
    clients: list[Client]

    @property
    def layout(self) -> Layout:
        return Layout(self.tree.settings.data_directory)

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
        with trio.fail_after(seconds):
            while not await holds():  # noqa: ASYNC110 - HTTP and files tell nobody of a change
                await trio.sleep(0.02)

    async def history_is(self, ok: bool) -> bool:
        return (await history_state(self.tree))["ok"] is ok

    async def clients_notice_nothing(self) -> None:
        """Prices go on as fast as ever, to everybody. A busy machine is forgiven twice."""
        pauses = []
        for _ in range(LOOKS):
            now = Stopwatch()
            pauses.append(max([await pause(client, now) for client in self.clients]))
        assert sorted(pauses)[-3] <= RECOVERY_SECONDS, sorted(pauses)
        assert [client.closed for client in self.clients] == [None] * len(self.clients)

    async def everything_is_stored_once(self, published: list[Batch]) -> None:
        await terminate_child(self.tree.system.ref("market"), "streamer")
        await drained(self.tree)
        assert await all_ticks(self.tree) == rows_of(published)
        assert await candle_faults(self.tree, published) == []


@asynccontextmanager
async def drill(
    nursery: trio.Nursery, dashboard: Dashboard = OPEN, **settings: object
) -> AsyncIterator[Drill]:
    given = {
        "stock_api_url": MARKET,
        "chaos_enabled": True,
        "admin_token": TOKEN,
        **dashboard.settings,
        **settings,
    }
    async with (
        running_tree(**given) as tree,
        Node(tree.url, TOKEN) as node,
        AsyncExitStack() as stack,
    ):
        one = Drill(tree, node, await watching(tree, dashboard, stack, nursery))
        if settings["database_url"] != NO_DATABASE:
            await one.until(lambda: one.history_is(True))
        yield one


@pytest.mark.alone
@pytest.mark.proves("C2", "C12", "C13", "C16", "H8", "H10")
async def test_connections_that_are_cut_are_back_at_once(
    published: list[Batch], database_url: str, dashboard: Dashboard, nursery: trio.Nursery
) -> None:
    """Any server's: all of them, ten times."""
    async with drill(nursery, dashboard, database_url=database_url) as one:
        for _ in range(10):
            done = await one.node.inject("database-cut", "")
            assert done.verified, done
            await one.until(lambda: one.history_is(True))
        await one.clients_notice_nothing()
        await one.everything_is_stored_once(published)


@pytest.mark.alone
@pytest.mark.proves("C2", "C3", "C12", "C13", "C16", "H8", "H10")
@pytest.mark.parametrize("action", ["database-stop", "database-pause"])
async def test_a_server_that_is_away_or_hangs_changes_nothing_for_clients(
    action: str,
    published: list[Batch],
    cluster: Path,
    dashboard: Dashboard,
    nursery: trio.Nursery,
) -> None:
    """For as long as was said, and then it is back by itself, with all that was published."""
    async with drill(nursery, dashboard, database_url=None, data_directory=cluster) as one:
        process = postmaster(one.layout)
        assert process is not None
        done = await one.node.inject(action, "", {"seconds": 2.5})
        assert done.verified, done
        (fault,) = (await one.node.status()).active
        assert (fault.action, fault.target) == (action, "database")
        if action == "database-stop":
            assert postmaster(one.layout) is None
            await one.until(lambda: one.history_is(False))
        else:
            assert are_stopped(family(process))
        await one.clients_notice_nothing()
        assert (await history_state(one.tree))["waiting"] > 0 or await one.history_is(False)

        async def is_over() -> bool:
            return (await one.node.status()).active == [] and await one.history_is(True)

        await one.until(is_over)
        await one.everything_is_stored_once(published)


@pytest.mark.proves("C3", "C4")
@pytest.mark.parametrize(
    ("action", "end"),
    [
        ("database-stop", "halt"),
        ("database-pause", "end of the experiment"),
        ("database-stop", "killed controller"),
        ("database-pause", "killed controller"),
    ],
)
async def test_a_fault_ends_early_and_whoever_dies(
    action: str, end: str, cluster: Path, nursery: trio.Nursery
) -> None:
    """Halted, its experiment ended, or nobody left who knows of it: the server works again."""
    async with drill(nursery, database_url=None, data_directory=cluster) as one:
        seconds = 1.0 if end == "killed controller" else 60.0
        begun = await one.node.begin("a drill", 90) if end == "end of the experiment" else None
        done = await one.node.inject(
            action, "", {"seconds": seconds}, experiment=None if begun is None else begun.id
        )
        assert done.verified, done
        if begun is not None:
            assert await one.node.end(begun.id) == 1
        elif end == "halt":
            assert await one.node.halt() == 1
            assert await one.node.halt() == 0
        else:
            one.tree.system.ref(paths.CHAOS).kill()

        async def works() -> bool:
            process = postmaster(one.layout)
            stopped = process is None or are_stopped([process])
            return not stopped and await one.history_is(True)

        await one.until(works)
        await one.until(lambda: no_fault_is_on(one.node))


async def no_fault_is_on(node: Node) -> bool:
    return (await node.status()).active == []


@pytest.mark.proves("C2", "C8")
async def test_what_cannot_be_done_is_not_told_as_done(nursery: trio.Nursery) -> None:
    """No server of ours to be stopped: refused; no connection to be cut: not verified."""
    async with drill(nursery, database_url=NO_DATABASE) as one:
        for action in ("database-stop", "database-pause"):
            with pytest.raises(Refused, match="no embedded database server") as refused:
                await one.node.inject(action, "", {"seconds": 1.0})
            assert refused.value.code == "no_such_target"
        assert not (await one.node.inject("database-cut", "")).verified
        assert (await one.node.status()).active == []
