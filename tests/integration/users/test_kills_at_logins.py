"""Every actor is killed while fifty people log in: only they come in, and none of them is out."""

from __future__ import annotations

import random
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.database.query import ask
from stockstream.users.accounts import CreateAccount, SetDisabled
from stockstream.users.passwords import Passwords
from stockstream.users.roles import Role
from stockstream.users.sessions import ListSessions, SessionLimits
from tests.support.people import BY, CHEAP, CHEAP_SETTINGS, PASSWORD, SECONDS, add_account, log_in
from tests.support.tree import running_tree
from web.users.session_cookies import KIND

if TYPE_CHECKING:
    from tests.support.tree import Tree

PEOPLE = 50
RETRY_SECONDS = 0.05
PATIENCE_SECONDS = 60.0
KILL_SECONDS = 0.05
AGAIN = frozenset({429, 503})
"""Too many at once, or a part is being started."""


def is_to_come_again(answer: httpx.Response) -> bool:
    """Whether it says so, and then it says when."""
    if answer.status_code not in AGAIN:
        return False
    assert int(answer.headers["retry-after"]) >= 1
    return True


async def comes_in(client: httpx.AsyncClient, name: str, password: str) -> bool:
    """Log in as often as it takes to be told yes or no."""
    while True:
        try:
            answer = await log_in(client, name, password)
        except httpx.TransportError:
            pass  # `web` was killed
        else:
            if not is_to_come_again(answer):
                assert answer.status_code in {303, 401}, answer.text
                return answer.status_code == 303
        await trio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))


async def is_in(client: httpx.AsyncClient) -> bool:
    """Whether the browser's session opens a page, once that is answered."""
    while True:
        try:
            answer = await client.get("/api/v1/quotes")
        except httpx.TransportError:
            pass
        else:
            if not is_to_come_again(answer):
                assert answer.status_code in {200, 401}, answer.text
                return answer.status_code == 200
        await trio.sleep(RETRY_SECONDS)


async def kill_everything(tree: Tree, rng: random.Random) -> set[str]:
    """Kill each actor but the root, once, and `web` not before people have come; which were."""
    names = [path for path in tree.actors() if path not in {"root", "web"}]
    rng.shuffle(names)
    names.insert(len(names) // 2, "web")
    for path in names:
        tree.system.ref(path).kill()
        await trio.sleep(KILL_SECONDS)
    return set(names)


# A request that was being sent when `web` was killed: httpx leaves its body unread.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_everybody_comes_in_who_may_and_nobody_else(database_url: str) -> None:
    """With the right password; not with a wrong one, not when disabled, not by a made up cookie."""
    settings = {"database_url": database_url, "dashboard": "login", **CHEAP_SETTINGS}
    rng = random.Random(20)
    async with AsyncExitStack() as stack:
        tree = await stack.enter_async_context(running_tree(**settings))
        off = await add_account(tree, "disabled")
        hashed = await Passwords(CHEAP).hash(PASSWORD)
        names = [f"user {number}" for number in range(PEOPLE)]
        database = tree.system.ref(paths.DATABASE)
        for name in names:
            await ask(database, CreateAccount(BY, name, Role.ADMIN, hashed))
        await ask(database, SetDisabled(BY, off.id, disabled=True))
        # One for all: to make a context for TLS takes some 50 ms each.
        transport = await stack.enter_async_context(httpx.AsyncHTTPTransport())
        headers = {"Origin": tree.url}
        clients = {
            name: httpx.AsyncClient(
                base_url=tree.url, timeout=SECONDS, headers=headers, transport=transport
            )
            for name in (*names, "wrong", "off", "stranger")
        }
        early = names[: PEOPLE // 2]
        with trio.fail_after(PATIENCE_SECONDS):
            for name in early[:5]:  # one whose session is there from the beginning
                assert await comes_in(clients[name], name, PASSWORD)
            cookies = clients[early[0]].cookies.items()
            ((cookie, token),) = [pair for pair in cookies if pair[0].startswith(KIND)]
            made_up = token[:-1] + ("B" if token.endswith("A") else "A")
            clients["stranger"].headers["Cookie"] = f"{cookie}={made_up}"
            let_in: dict[str, bool] = {}

            async def log_in_as(name: str) -> None:
                await trio.sleep(rng.uniform(0, KILL_SECONDS * 20))
                let_in[name] = await comes_in(clients[name], name, PASSWORD)
                assert await is_in(clients[name]), f"{name} has just logged in"

            async def stay_out() -> None:
                assert not await comes_in(clients["wrong"], names[0], "not this")
                assert not await comes_in(clients["off"], "disabled", PASSWORD)
                while len(let_in) < PEOPLE - 5:
                    assert not await is_in(clients["stranger"])
                    assert await is_in(clients[early[0]]), "a session that was there is lost"

            async with trio.open_nursery() as nursery:
                for name in names[5:]:
                    nursery.start_soon(log_in_as, name)
                nursery.start_soon(stay_out)
                killed = await kill_everything(tree, rng)
            assert {paths.DOORKEEPER, paths.DATABASE, paths.WEB, "users"} <= killed
            assert let_in == dict.fromkeys(names[5:], True)
            for name in names:
                assert await is_in(clients[name]), f"the session of {name} is lost"
        rows = await ask(database, ListSessions(SessionLimits()))
        assert {row.account_name for row in rows} == set(names)
