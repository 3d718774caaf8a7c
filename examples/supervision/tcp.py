# ruff: noqa: INP001, TC003 - an example is there to be read
"""Clients over TCP, one actor each; `chat.py` and `gateway.py` build on it.

Who may write to a socket: one task. Everybody else hands its text to that task by a channel
without room, so who says too much waits until the client has read. Who closes it: the task that
owns it, by `async with`, so that a kill closes it too.
"""

from __future__ import annotations

import argparse
import socket
from collections.abc import Callable

import trio

from supervision import Actor, CallError, ChildSpec, Restart, start_child

LONGEST_LINE = 4096


class Client(Actor):
    """One client. A subclass says in `talk` what the two say to each other."""

    owns_tasks = True

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._say, self._said = trio.open_memory_channel[str](0)

    async def init(self) -> None:
        """Begin. The supervisor does not wait for what is said."""
        self.tasks.start_soon(self._serve)

    async def talk(self, lines: LineReader) -> None:
        """Read and answer until the client is done."""
        raise NotImplementedError

    async def say(self, text: str) -> None:
        """Have a line written; waits until the writer takes it."""
        await self._say.send(text)

    async def _serve(self) -> None:
        async with self.stream:
            try:
                async with trio.open_nursery() as nursery, self._say:
                    nursery.start_soon(self._write)  # ends when `_say` is closed
                    await self.talk(LineReader(self.stream))
            except* (trio.BrokenResourceError, CallError, ValueError):
                pass  # the client has gone, or a peer, or it does not speak our language
        self.stop()

    async def _write(self) -> None:
        async for text in self._said:
            await self.stream.send_all(f"{text}\n".encode())


class LineReader:
    """Lines from a stream."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.buffer = b""

    async def next(self) -> str | None:
        """The next line, None at the end. Raises ValueError when it is too long, or no text."""
        while b"\n" not in self.buffer:
            more = await self.stream.receive_some()
            if not more:
                return None
            self.buffer += more
            if len(self.buffer) > LONGEST_LINE:
                raise ValueError("the line is too long")
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode().strip()


class Listener(Actor):
    """Accepts clients. The socket is not its own: while it is dead they wait, none is refused."""

    owns_tasks = True

    def __init__(
        self, listening: socket.socket, client: Callable[[trio.SocketStream], Client]
    ) -> None:
        self.listening = listening
        self.client = client

    async def init(self) -> None:
        """Begin."""
        self.tasks.start_soon(self._accept)

    async def _accept(self) -> None:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(self.listening))
        while True:
            stream = await listener.accept()
            spec = ChildSpec("client", self.client, (stream,), restart=Restart.TEMPORARY)
            try:
                await start_child(self.system.ref("clients"), spec)
            except BaseException:
                await trio.aclose_forcefully(stream)
                raise


def listen(parser: argparse.ArgumentParser, host: str, port: int) -> tuple[socket.socket, str]:
    """A listening socket and its address. Without one the program ends, with 1."""
    try:
        listening = socket.create_server((host, port))
    except (OSError, OverflowError) as error:
        parser.exit(1, f"cannot listen on {host}:{port}: {error}\n")
    listening.setblocking(False)
    return listening, "{}:{}".format(*listening.getsockname()[:2])
