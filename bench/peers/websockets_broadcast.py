"""websockets' `broadcast`, without compression; on uvloop when it is there."""

from __future__ import annotations

import asyncio

from common import Options, options
from websockets.asyncio.server import ServerConnection, broadcast, serve

try:
    import uvloop
except ImportError:
    run = asyncio.run
else:
    run = uvloop.run


async def main(given: Options) -> None:
    """Serve, and broadcast, until killed."""
    connections: set[ServerConnection] = set()

    async def handler(connection: ServerConnection) -> None:
        connections.add(connection)
        try:
            await connection.wait_closed()
        finally:
            connections.discard(connection)

    loop = asyncio.get_running_loop()
    async with serve(handler, "127.0.0.1", given.port, compression=None, backlog=4096):
        due = loop.time()
        while True:
            due = max(due + given.interval, loop.time())
            await asyncio.sleep(due - loop.time())
            if len(connections) >= given.clients:
                broadcast(connections, given.message())


if __name__ == "__main__":
    run(main(options()))
