"""Quart-Trio on Hypercorn as shipped: a task and a memory channel per client."""

from __future__ import annotations

from functools import partial

import trio
from common import options
from hypercorn.config import Config
from hypercorn.trio import serve
from quart import websocket
from quart_trio import QuartTrio

given = options()
app = QuartTrio(__name__)
channels: set[trio.MemorySendChannel[str]] = set()


@app.websocket("/ws")
async def endpoint() -> None:
    """Send a client what comes through its channel."""
    await websocket.accept()
    send, receive = trio.open_memory_channel[str](1)
    channels.add(send)
    try:
        async for message in receive:
            await websocket.send(message)
    finally:
        channels.discard(send)


async def tick() -> None:
    """Broadcast until cancelled; a client that is not done with the last message misses one."""
    due = trio.current_time()
    while True:
        due = max(due + given.interval, trio.current_time())
        await trio.sleep_until(due)
        if len(channels) < given.clients:
            continue
        message = given.message()
        for channel in list(channels):
            try:
                channel.send_nowait(message)
            except trio.WouldBlock:
                continue


async def main() -> None:
    """Serve, and broadcast, until killed."""
    config = Config()
    config.bind = [f"127.0.0.1:{given.port}"]
    config.backlog = 4096
    config.loglevel = "warning"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        nursery.start_soon(partial(serve, app, config))


if __name__ == "__main__":
    trio.run(main)
