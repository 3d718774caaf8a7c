"""`stockstream load` against a server that is there, has limits, and goes."""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import trio

from stockstream import paths
from stockstream.database.query import ask
from stockstream.users.api_tokens import new_token
from stockstream.users.roles import Role, Scope
from stockstream.users.token_rows import ApiToken, CreateToken
from tests.support.accounts import AUTHOR
from tests.support.client import connected
from tests.support.commands import run_command
from tests.support.people import CHEAP_SETTINGS, add_account, browser, log_in
from tests.support.server import free_port
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import Tree

Load = tuple[int, dict[str, Any], str]
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
FEW = {"max_connections_per_address": 3, "max_http_connections_per_address": 3}


async def load(folder: Path, url: str, *arguments: str, token: str = "") -> Load:
    """Its exit code, its report, and its progress."""
    environment = {**os.environ, "STOCKSTREAM_TOKEN": token, "STOCKSTREAM_URL": url}
    if not token:
        del environment["STOCKSTREAM_TOKEN"]
    ran = await run_command(["load", "--json", *arguments], environment, folder)
    return ran.returncode, json.loads(ran.stdout), ran.stderr.decode()


def sessions(tree: Tree) -> int:
    return sum(path.startswith("delivery/sessions/") for path in tree.system.names)


async def test_clients_come_go_and_are_told_what_is_new(tmp_path: Path) -> None:
    """Ten clients over two processes, of which two a second leave and come back."""
    async with running_tree() as tree:
        code, told, _ = await load(
            tmp_path,
            tree.url,
            *("--clients", "10", "--symbols", "4", "--for", "2s", "--churn", "4/s"),
            *("--processes", "2", "--seed", "5", "--max-p99", "20s", "--max-pause", "20s"),
        )
    assert (code, told["refused"], told["lost"], told["not_taken"]) == (0, {}, {}, {})
    assert [one["held"] for one in told["judged"]] == [True] * 4
    assert (told["clients"], told["symbols"], told["of_symbols"]) == (10, 4, 6)
    assert (told["processes"], told["seed"], told["older"]) == (2, 5, 0)
    assert told["churned"] >= 2
    assert told["connects"] <= told["churned"]
    assert told["prices"] > 10
    for what in ("handshake", "first_price", "delivery", "pause", "silence"):
        times = told[what]
        assert 0 <= times["p50"] <= times["p95"] <= times["p99"] <= times["longest"], what


async def test_a_limit_that_is_met_is_named_and_a_token_for_load_has_none(
    database_url: str, tmp_path: Path
) -> None:
    settings = {**FEW, "database_url": database_url, **CHEAP_SETTINGS}
    many = ("--clients", "9", "--for", "0.5s", "--symbols", "AAPL")
    async with running_tree(**settings) as tree, browser(tree) as ada:
        code, told, _ = await load(tmp_path, tree.url, *many)
        assert (code, told["judged"][1]["held"], told["open"]) == (3, False, 3)
        word, count = next(iter(told["refused"].items()))
        assert word.startswith("too_many_connections: at most 3 connections from one address")
        assert count >= 3

        await add_account(tree, "Ada", Role.ADMIN)
        await log_in(ada, "Ada")
        made = await ada.post(
            "/api/v1/tokens", json={"name": "load", "scopes": ["prices:read", "load"]}
        )
        token = made.json()["secret"]
        # One after the other: before it is read, a handshake counts as a socket of its address.
        code, told, _ = await load(tmp_path, tree.url, *many, "--ramp", "9/s", token=token)
        assert (code, told["refused"], told["open"]) == (0, {}, 9)
        await tree.until(lambda: not sessions(tree))
        await expect_limits_before_a_change_of_password(tree)


async def expect_limits_before_a_change_of_password(tree: Tree) -> None:
    """A token of an account that has to change its password first allows nothing more."""
    bob = await add_account(tree, "Bob", Role.ADMIN, must_change=True)
    secret = new_token()
    scopes = frozenset({Scope.PRICES_READ, Scope.LOAD})
    made = CreateToken(AUTHOR, bob.id, "load", scopes, 60.0, secret)
    assert isinstance(await ask(tree.system.ref(paths.DATABASE), made), ApiToken)
    shown = [("Authorization", f"Bearer {secret.text}")]
    async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
        for _ in range(3):
            client = await stack.enter_async_context(connected(tree.websocket_url, nursery, shown))
            await client.message("welcome")
        async with httpx.AsyncClient(base_url=tree.url, headers=dict(shown)) as fourth:
            answer = await fourth.get("/ws", headers=UPGRADE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            429,
            "too_many_connections",
        )


async def test_a_server_that_goes_is_lost_to_all(tmp_path: Path, nursery: trio.Nursery) -> None:
    """What went on too long is found too, by who does not say that it is done."""
    found: list[Load] = []

    async def keep(url: str) -> None:
        found.append(
            await load(
                tmp_path,
                url,
                *("--clients", "3", "--for", "3s", "--symbols", "AAPL", "--max-pause", "500ms"),
            )
        )
        done.set()

    done = trio.Event()
    async with running_tree() as tree:
        nursery.start_soon(keep, tree.url)
        await tree.until(lambda: sessions(tree) == 3)
    with trio.fail_after(30):
        await done.wait()
    code, told, _ = found[0]
    assert (code, told["open"], told["moved"]) == (3, 0, 3)
    # When they come back, nobody is there; some are told to come after the end of this.
    older, failed, pause = (one["held"] for one in told["judged"])
    assert (older, failed, pause) == (True, not told["refused"], False)


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--symbols", "0"], 2, "--symbols: 0 is none"),
        (["--symbols", "A,B C"], 2, "--symbols: invalid symbol 'B C'"),
        (["--for", "0s"], 2, "--for: '0s' is no time at all"),
        (["--churn", "often"], 2, "--churn: 'often' is no rate"),
        (["--max-p99", "soon"], 2, "--max-p99: 'soon' is no duration"),
        (["--url", "ftp://x"], 2, "'ftp://x' is no address of a server"),
        ([], 1, "no server answers at"),
    ],
)
async def test_what_cannot_be_done_is_said(
    arguments: list[str], code: int, why: str, tmp_path: Path
) -> None:
    ended, told, _ = await load(tmp_path, f"http://127.0.0.1:{free_port()}", *arguments)
    assert (ended, told["exit_code"]) == (code, code)
    assert why in told["error"]
