"""Accounts in a test: made by query, logged in by the form as a person does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import trio

from stockstream.database.query import DatabaseError, ask
from stockstream.users.accounts import Account, CreateAccount
from stockstream.users.operator_audit import Author
from stockstream.users.passwords import ArgonSettings, Passwords
from stockstream.users.roles import Role

if TYPE_CHECKING:
    from tests.support.tree import Tree

PASSWORD = "correct horse battery"
BY = Author("the tests", None, "test", "127.0.0.1", "test")
CHEAP = ArgonSettings(memory=8_192, time=1, parallelism=1)
"""A hash of some milliseconds. What a server verifies is told by the hash itself."""
CHEAP_SETTINGS = {"argon2_memory": 8_192, "argon2_time": 1, "argon2_parallelism": 1}
SECONDS = 20.0


async def add_account(
    tree: Tree, name: str, role: Role = Role.VIEWER, *, must_change: bool = False
) -> Account:
    """An account with the password of the tests."""
    hashed = await Passwords(CHEAP).hash(PASSWORD)
    query = CreateAccount(BY, name, role, hashed, must_change=must_change)
    database = tree.system.ref("database/gateway")
    with trio.fail_after(SECONDS):
        while True:
            try:
                made = await ask(database, query)
            except DatabaseError:  # it has just been started
                await trio.sleep(0.02)
            else:
                break
    assert isinstance(made, Account)
    return made


def browser(tree: Tree) -> httpx.AsyncClient:
    """A browser that has not been here."""
    return httpx.AsyncClient(base_url=tree.url, timeout=SECONDS, headers={"Origin": tree.url})


async def log_in(
    client: httpx.AsyncClient, name: str, password: str = PASSWORD, **fields: str
) -> httpx.Response:
    """Send the login form."""
    return await client.post("/login", data={"name": name, "password": password, **fields})


async def csrf_of(client: httpx.AsyncClient, path: str = "/account") -> str:
    """The token in a page's forms."""
    page = await client.get(path)
    assert page.status_code == 200, page.text
    found = re.search(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    assert found is not None
    return found[1]
