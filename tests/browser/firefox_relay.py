"""Stands between Playwright and a Firefox, and answers the one command that this Firefox lacks.

Playwright drives an ordinary Firefox by WebDriver BiDi, and tells each new window which colour
scheme to take. Firefox ESR 153 does not know that command, so no window would open. All else passes
as it is (ADR 0209).

Started in place of Firefox: `python -m tests.browser.firefox_relay FIREFOX ARGUMENTS…`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import trio
from trio_websocket import (
    ConnectionClosed,
    WebSocketConnection,
    WebSocketRequest,
    open_websocket_url,
    serve_websocket,
)

LISTENS = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
LACKING = frozenset({"emulation.setMediaFeaturesOverride"})
LARGEST = 2**28
"""A screenshot is one message."""
QUEUED = 1_000

Send = Callable[[str], Awaitable[None]]


async def run(command: list[str]) -> None:
    """Run Firefox until it ends; say where the relay listens in the words of Firefox itself."""
    async with trio.open_nursery() as nursery:
        firefox: trio.Process = await nursery.start(
            partial(trio.run_process, command, stderr=subprocess.PIPE, check=False)
        )
        assert firefox.stderr is not None
        url = await _address(firefox.stderr)
        if url is not None:
            relay = partial(_relay, url)
            options = {"max_message_size": LARGEST, "message_queue_size": QUEUED}
            serve = partial(serve_websocket, relay, "127.0.0.1", 0, None, **options)
            server = await nursery.start(serve)
            print(
                f"WebDriver BiDi listening on ws://127.0.0.1:{server.port}",
                file=sys.stderr,
                flush=True,
            )
            async for _ in firefox.stderr:  # or Firefox waits for somebody to read it
                pass
        await firefox.wait()
        nursery.cancel_scope.cancel()


async def _address(stream: trio.abc.ReceiveStream) -> str | None:
    """Where Firefox listens; None when it ends without saying so. Its words are passed on."""
    said = b""
    async for piece in stream:
        said += piece
        found = LISTENS.search(said)
        if found is not None:
            return found[1].decode()
    sys.stderr.write(said.decode(errors="replace"))
    return None


async def _relay(url: str, request: WebSocketRequest) -> None:
    options = {"max_message_size": LARGEST, "message_queue_size": QUEUED}
    async with open_websocket_url(f"{url}{request.path}", **options) as browser:
        client = await request.accept()
        async with trio.open_nursery() as nursery:
            for source, send in (
                (client, partial(_command, client, browser)),
                (browser, client.send_message),
            ):
                nursery.start_soon(_pass_on, source, send, nursery.cancel_scope)


async def _pass_on(source: WebSocketConnection, send: Send, scope: trio.CancelScope) -> None:
    try:
        while True:
            await send(await source.get_message())
    except ConnectionClosed:
        scope.cancel()


async def _command(client: WebSocketConnection, browser: WebSocketConnection, text: str) -> None:
    command = json.loads(text)
    if command["method"] in LACKING:
        answer = {"type": "success", "id": command["id"], "result": {}}
        await client.send_message(json.dumps(answer))
    else:
        await browser.send_message(text)


if __name__ == "__main__":
    trio.run(run, sys.argv[1:])
