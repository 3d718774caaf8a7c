"""Any actor but `web` may be killed at any moment, and no client notices more than a pause."""

from __future__ import annotations

import gc
import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream import paths
from supervision.events import RestartScheduled, Started
from tests.chaos.support import chosen_seed, pause
from tests.support.client import Client, connected
from tests.support.deep import only_deep
from tests.support.stopwatch import Stopwatch
from tests.support.tree import Tree, running_tree

if TYPE_CHECKING:
    from tests.support.dashboards import Dashboard

pytestmark = [pytest.mark.chaos, pytest.mark.alone]

CLIENTS = 20
FETCH_SECONDS = 0.1
RECOVERY_SECONDS = FETCH_SECONDS + 0.25
SYMBOLS = ["AAPL", "GOOGL", "MSFT", "TSLA", "AMZN", "NFLX"]
TARGETS = [
    "market/streamer",
    "market/feeds/sim/circuit_breaker",
    "market/feeds/sim/feed",
    "market/feeds/sim",
    "market/feeds",
    "delivery/subscription_manager",
    "delivery/broadcaster",
    "pubsub",
    "delivery/sessions/*",
]
DOORS = [paths.DOORKEEPER, "users"]
"""Who says whom to let in: where a login is taken these are killed, too."""


@pytest.fixture
def seed() -> int:
    return chosen_seed()


async def subscribed_clients(
    tree: Tree,
    dashboard: Dashboard,
    stack: AsyncExitStack,
    nursery: trio.Nursery,
    rng: random.Random,
) -> list[Client]:
    await dashboard.let_in(tree)
    clients = []
    for number in range(CLIENTS):
        client = await stack.enter_async_context(
            connected(tree.websocket_url, nursery, dashboard.headers(number))
        )
        symbols = ["*"] if number % 5 == 0 else rng.sample(SYMBOLS, rng.randint(1, 6))
        await client.send(action="subscribe", symbols=symbols, id=number)
        clients.append(client)
    for client in clients:
        await client.message("prices")
    return clients


async def kill(tree: Tree, target: str, rng: random.Random) -> str:
    """Kill one actor, and answer its path. It may still be coming back from the kill before."""
    if target.endswith("/*"):
        prefix = target.removesuffix("*")
        target = rng.choice([path for path in tree.actors() if path.startswith(prefix)])
    await tree.until(tree.system.ref(target).kill)
    return target


def resting(tree: Tree) -> set[str]:
    """The children for whose restart their supervisor waits a while.

    Twenty kills a second may meet one feed nine times in a row. It then rests for seconds, as it is
    meant to; what is left of that at the last kill is no pause of a client's.
    """
    waiting = set()
    for event in tree.events:
        match event:
            case RestartScheduled(path=path):
                waiting.add(path)
            case Started(path=path):
                waiting.discard(path)
    return waiting


@pytest.mark.proves("C12", "C13", "C14", "W19", "W20")
@pytest.mark.parametrize(
    ("target", "dashboard"),
    [
        *((target, "open") for target in TARGETS),
        (paths.DOORKEEPER, "login"),
        *(
            pytest.param(target, "login", marks=only_deep("does it with logins, too"))
            for target in [*TARGETS, "users"]
        ),
    ],
    indirect=["dashboard"],
)
async def test_a_kill_is_a_pause_at_most(
    target: str, dashboard: Dashboard, seed: int, nursery: trio.Nursery
) -> None:
    """One kill of each kind: nobody is disconnected, and fresh prices come within the limit."""
    rng = random.Random(seed)
    async with running_tree(**dashboard.settings) as tree, AsyncExitStack() as stack:
        clients = await subscribed_clients(tree, dashboard, stack, nursery, rng)
        before = tree.actors()
        path = await kill(tree, target, rng)
        killed = Stopwatch()
        pauses = [await pause(client, killed) for client in clients]
        assert max(pauses) <= RECOVERY_SECONDS
        for number, client in enumerate(clients):
            await client.send(action="subscribe", symbols=["AAPL"], id=1000 + number)
            await client.wait_for(lambda c=client, n=number: c.messages_with_id(1000 + n) != [])
            assert client.closed is None
        if not target.endswith("/*"):
            assert tree.actors()[path].generation == before[path].generation + 1
        sessions = [a for a in tree.actors().values() if a.actor == "Session"]
        assert len(sessions) == CLIENTS


@pytest.mark.proves("C12", "C13", "C14", "C15")
async def test_fifty_kills_in_random_order(
    dashboard: Dashboard, seed: int, nursery: trio.Nursery
) -> None:
    """Clients stay, versions rise, prices flow, commands are answered, and nothing is left over."""
    rng = random.Random(seed)
    targets = [*TARGETS, *DOORS] if dashboard.takes_login else TARGETS
    async with running_tree(**dashboard.settings) as tree:
        async with AsyncExitStack() as stack:
            clients = await subscribed_clients(tree, dashboard, stack, nursery, rng)
            sent = 1_000  # the subscriptions had lower ids
            for _ in range(50):
                await kill(tree, rng.choice(targets), rng)
                for client in rng.sample(clients, 5):
                    sent += 1
                    client.expected.append(sent)
                    await client.send(action="ping", id=sent)
                await trio.sleep(rng.uniform(0, 0.1))
            await tree.until(lambda: not resting(tree))
            killed = Stopwatch()
            pauses = [await pause(client, killed) for client in clients]
            assert max(pauses) <= RECOVERY_SECONDS
            for client in clients:
                await client.wait_for(
                    lambda c=client: all(c.messages_with_id(n) for n in c.expected)
                )
                assert all(len(client.messages_with_id(n)) == 1 for n in client.expected)
                assert client.closed is None
        await tree.until(lambda: all(a.actor != "Session" for a in tree.actors().values()))
        standing = {path for path, actor in tree.actors().items() if actor.uptime is not None}
        assert set(tree.system.paths) == standing
        assert set(tree.system.names) == standing
        gc.collect()
