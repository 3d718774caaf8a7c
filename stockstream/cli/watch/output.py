"""Standard output, written to in a thread: a reader that pauses stops nothing but the writing."""

from __future__ import annotations

import os
import select
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.cli.watch.client import Client

TICK_SECONDS = 1.0
"""How often time alone is reason enough to write."""


class Output(Protocol):
    """What is to be written next, and whether that was all; `now` is our clock in ms."""

    @property
    def done(self) -> bool:
        """Whether nothing more is to come."""

    def next(self, now: float) -> str:
        """What is new."""


class Writer:
    """Writes to a file descriptor, at once: nothing waits in a buffer of ours.

    A write that was cancelled goes on in its thread, and keeps its turn until it is through.
    Otherwise its text, which is older, could come after the program's last words.
    """

    def __init__(self, descriptor: int, encoding: str) -> None:
        self._descriptor = descriptor
        self._encoding = encoding
        self._limiter = trio.CapacityLimiter(1)
        mode = os.fstat(descriptor).st_mode
        self._reader = select.poll()
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._reader.register(descriptor, 0)

    async def write(self, text: str) -> None:
        """Write it all.

        Raises:
            BrokenPipeError: nobody reads any more.
            OSError: it cannot be written, as on a full disk.
        """
        if text:
            data = text.encode(self._encoding, "replace")
            await trio.to_thread.run_sync(
                self._write, data, limiter=self._limiter, abandon_on_cancel=True
            )
        elif self._reader.poll(0):
            raise BrokenPipeError  # noticed without a word to write, as on a quiet market

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Nothing else is written meanwhile, and nothing is half written."""
        async with self._limiter:
            yield

    async def settle(self, seconds: float) -> None:
        """Wait until nothing is half written, at most so long: a reader may have paused."""
        with trio.move_on_after(seconds, shield=True):
            async with self.turn():
                pass

    def write_now(self, text: str) -> None:
        """Write it without a thread; may block. Take a `turn`, or `settle`, before."""
        self._write(text.encode(self._encoding, "replace"))

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another program on this terminal set it so
                select.select([], [self._descriptor], [], TICK_SECONDS)


async def keep_writing(
    client: Client, output: Output, writer: Writer, *, least_seconds: float
) -> None:
    """Write what is new until the output is done, at most every so many seconds."""
    while True:
        began = trio.current_time()
        await writer.write(output.next(began * 1000))
        if output.done:
            return
        await trio.sleep_until(began + least_seconds)
        with trio.move_on_at(began + TICK_SECONDS):
            await client.wait()
