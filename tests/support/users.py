"""A browser's user over HTTP: the cookie that the dashboard gives, and requests that bring it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import trio

from web.users.browser_users import KIND

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Tree

ROWS_SECONDS = 20.0


@asynccontextmanager
async def visitor(tree: Tree) -> AsyncIterator[httpx.AsyncClient]:
    """A user who has opened the dashboard, and so has a cookie."""
    async with httpx.AsyncClient(base_url=tree.url, timeout=20) as client:
        assert (await client.get("/")).status_code == 200
        yield client


def user_cookie(client: httpx.AsyncClient) -> tuple[str, str]:
    """Name and value of the one user cookie that a client has."""
    (found,) = [(name, value) for name, value in client.cookies.items() if name.startswith(KIND)]
    return found[0], found[1] or ""


async def rows_are_there(client: httpx.AsyncClient) -> None:
    """Wait until rows can be asked for."""
    with trio.fail_after(ROWS_SECONDS):
        while (await client.get("/api/v1/watchlists")).status_code == 503:  # noqa: ASYNC110
            await trio.sleep(0.02)


def fields_of(answer: httpx.Response) -> set[str]:
    """The fields that an error names."""
    error: dict[str, Any] = answer.json()["error"]
    return set(error["fields"])


ODD_NEIGHBOURS = (
    'prefs={"a":1}',
    "a=b c",
    'a="b',
    'a=b"c',
    "a=b\\c",
    "a=x,y",
    "a=é",
    "a=\xff\xfe",
    "alone",
    "=nameless",
    "; ;",
    ";;",
    "a[b]=1",
    "a(b)=1",
    "a/b=1",
    "expires=1",
    "path=/",
    "Domain=x",
    "secure",
    "$Version=1",
    "a=%22%3B",
    "a" * 3000 + "=1",
)
"""What other applications on the same host put into the header, on purpose or not."""
