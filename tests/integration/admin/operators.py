"""Operators of a running tree, over real sockets."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import h11
import httpx
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Tree

WAIT_SECONDS = 10.0


def token_of(tree: Tree) -> str:
    """The admin token of a tree."""
    return tree.settings.admin_token.get_secret_value()


def by_token(tree: Tree) -> httpx.AsyncClient:
    """A program with the token."""
    headers = {"Authorization": f"Bearer {token_of(tree)}"}
    return httpx.AsyncClient(base_url=tree.url, headers=headers, timeout=WAIT_SECONDS)


def somebody(tree: Tree) -> httpx.AsyncClient:
    """A browser that has not logged in."""
    return httpx.AsyncClient(base_url=tree.url, timeout=WAIT_SECONDS)


async def log_in(browser: httpx.AsyncClient, token: str) -> httpx.Response:
    """Send the login form."""
    return await browser.post("/admin/login", data={"token": token})


class EventReader:
    """Reads the event stream line by line, on a socket of its own.

    By hand, because an HTTP library's iterators complain when they are left half read.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.lines: list[dict[str, Any]] = []
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._text = b""
        self._ended = False

    async def ask(self, tree: Tree, since: int) -> h11.Response:
        """Send the request; answer the head of the response."""
        headers = [("Host", "localhost"), ("Authorization", f"Bearer {token_of(tree)}")]
        request = h11.Request(
            method="GET", target=f"/admin/api/events?since={since}", headers=headers
        )
        for event in (request, h11.EndOfMessage()):
            await self._stream.send_all(self._http.send(event) or b"")
        response = await self._event()
        assert isinstance(response, h11.Response)
        return response

    async def next(self) -> dict[str, Any] | None:
        """The next line; None at the end."""
        with trio.fail_after(WAIT_SECONDS):
            while b"\n" not in self._text and not self._ended:
                event = await self._event()
                if isinstance(event, h11.Data):
                    self._text += bytes(event.data)
                else:
                    self._ended = True
        text, newline, self._text = self._text.partition(b"\n")
        if not newline:  # a kill may cut a line in two
            return None
        line: dict[str, Any] = json.loads(text)
        self.lines.append(line)
        return line

    async def until(self, **event: object) -> dict[str, Any]:
        """Read on to an event with these values."""
        with trio.move_on_after(WAIT_SECONDS):
            while (line := await self.next()) is not None:
                told = line.get("event", {})
                if event.items() <= told.items():
                    return dict(told)
        raise AssertionError(f"no {event} came; last lines: {self.lines[-5:]}")

    async def rest(self) -> list[dict[str, Any]]:
        """All lines to the end of the stream."""
        lines = []
        while (line := await self.next()) is not None:
            lines.append(line)
        return lines

    async def _event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self._stream.receive_some())
        except (trio.BrokenResourceError, h11.RemoteProtocolError):
            return None  # `web` was killed
        return event


@asynccontextmanager
async def events(tree: Tree, since: int = 0, *, status: int = 200) -> AsyncIterator[EventReader]:
    """The event stream, for the time of a `with`; the answer must have this status."""
    host, port = tree.addresses.sockets[0].getsockname()[:2]
    async with await trio.open_tcp_stream(host, port) as stream:
        reader = EventReader(stream)
        response = await reader.ask(tree, since)
        assert response.status_code == status
        yield reader
