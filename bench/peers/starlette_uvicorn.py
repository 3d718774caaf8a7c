"""Starlette on uvicorn[standard], without compression: one `send_text` per client, in a loop.

The loop is the cheapest way there is here: a task per send, as `gather` makes, costs more. It
stands still when one client does, which is why no stuck client is among the peers' clients.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import uvicorn
from common import options
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

given = options()
connections: set[WebSocket] = set()


async def endpoint(websocket: WebSocket) -> None:
    """Take a client in until it leaves."""
    await websocket.accept()
    connections.add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        connections.discard(websocket)


async def tick() -> None:
    """Broadcast until cancelled."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        due = max(due + given.interval, loop.time())
        await asyncio.sleep(due - loop.time())
        if len(connections) < given.clients:
            continue
        message = given.message()
        for websocket in list(connections):
            try:
                await websocket.send_text(message)
            except (WebSocketDisconnect, RuntimeError):
                connections.discard(websocket)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    """Broadcast for as long as the app runs."""
    task = asyncio.create_task(tick())
    yield
    task.cancel()


app = Starlette(routes=[WebSocketRoute("/ws", endpoint)], lifespan=lifespan)

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=given.port,
        backlog=4096,
        ws_per_message_deflate=False,
        log_level="warning",
    )
