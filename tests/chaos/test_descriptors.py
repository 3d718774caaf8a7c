"""Every owner of a file, a socket or a process gives it back, however it is killed.

`make test` kills each actor a few times, `make chaos` (CHAOS_FULL=1) two hundred times.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.history import history_state
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from tests.support.database import PostgresServer

pytestmark = pytest.mark.chaos

FULL = bool(os.environ.get("CHAOS_FULL"))
ROUNDS = 100 if FULL else 2
CONNECTIONS = {"write": 1, "read": 4, "maintenance": 1, "rows": 2}
PACE_SECONDS = 0.045 if FULL else 0.02
"""Between kills, so that no supervisor gives up over them."""


def descriptors() -> list[str]:
    """What this process has open."""
    links = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - iterdir() opens one itself
        with suppress(FileNotFoundError):
            links.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - as above
    return sorted(links)


async def kill_each(tree: Tree) -> None:
    """Kill every actor that is no supervisor, one after another, each once it is there."""
    actors = [path for path, actor in tree.actors().items() if actor.supervisor is None]
    for path in actors:
        with trio.fail_after(20):
            while not tree.system.ref(path).kill():  # noqa: ASYNC110 - it is being restarted
                await trio.sleep(0.01)
        await trio.sleep(PACE_SECONDS)


@pytest.mark.proves("C15")
async def test_killed_actors_leave_nothing_open(
    postgres_server: PostgresServer,
) -> None:
    """All of them, with the database away and with it back: as many descriptors as before, and
    none of a file that was deleted.
    """
    url = postgres_server.create_database()
    name = url.partition("?")[0].rpartition("/")[2]
    async with running_tree(database_url=url) as tree:
        await settled(tree)
        await kill_each(tree)
        before = await settled(tree)
        for away in (True, False):
            postgres_server.psql(
                f"ALTER DATABASE {name} ALLOW_CONNECTIONS {not away}; "
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )
            for _ in range(ROUNDS):
                await kill_each(tree)
        after = await settled(tree, len(before))
        assert [link for link in after if "(deleted)" in link and "spool" in link] == []
        assert len(after) <= len(before), (before, after)


async def settled(tree: Tree, most: int | None = None) -> list[str]:
    """What is open once everything is recorded, all connections to the database are there, and
    no more than `most` are left; the last look where there are.
    """
    found: list[str] = []
    with trio.move_on_after(30):
        while True:
            state = await history_state(tree)
            well = state["ok"] and not state["recorder"]["spooled"]
            found = descriptors()
            if well and state["connections"] == CONNECTIONS and len(found) <= (most or len(found)):
                break
            await trio.sleep(0.1)
    return found
