"""The event log as a stream: one JSON object per line, for the admin page and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec
import trio

from stockstream.delivery.protocol import encode
from stockstream.telemetry.entries import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractContextManager

    from stockstream.telemetry.event_log import EventLog

HEARTBEAT_SECONDS = 5.0
"""A reader that gets nothing for three heartbeats has lost its connection."""
MOST_STREAMS = 16
"""Pages and commands of the few operators; each costs a task and a socket."""
LINES_PER_PIECE = 100


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The first line: numbers of another `run` mean nothing here. Times in ms since 1970."""

    run: int
    last: int
    now: int


class EventLine(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """An entry of the log."""

    event: Entry


class Gap(msgspec.Struct, frozen=True, tag_field="type", tag="gap"):
    """So many entries are not kept any more: the reader was away, or slow, for too long."""

    lost: int


class Heartbeat(msgspec.Struct, frozen=True, tag_field="type", tag="heartbeat"):
    """A heartbeat: nothing has happened."""

    now: int


class Bye(msgspec.Struct, frozen=True, tag_field="type", tag="bye"):
    """The last line: the server stops, or starts again. Come back."""

    reason: Literal["web stops"] = "web stops"


class EventStreams:
    """The open streams of one life of `web`.

    A stream holds a number, not a queue: a reader that is slow finds the entries in the log, or
    is told how many it has missed.
    """

    def __init__(self, log: EventLog, wall_clock_ms: Callable[[], int]) -> None:
        self._log = log
        self._wall_clock_ms = wall_clock_ms
        self._waiting: set[trio.CancelScope] = set()
        self._open = 0
        self._closed = False
        self._ended = 0

    def __len__(self) -> int:
        return self._open

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self._open >= MOST_STREAMS

    def close(self) -> None:
        """Have every stream say goodbye and end."""
        self._closed = True
        self.end()

    def end(self) -> None:
        """Have those that are open end so; who may, comes back."""
        self._ended += 1
        for scope in list(self._waiting):
            scope.cancel()

    async def pieces(self, since: int, held: AbstractContextManager[None]) -> AsyncIterator[bytes]:
        """Lines from the entry after number `since` on, until the reader leaves or `close`.

        `held` is entered meanwhile: what let the reader in is looked after.
        """
        log = self._log
        self._open += 1
        ended = self._ended
        try:
            with held:
                yield _line(Hello(log.run, log.last, self._wall_clock_ms()))
                since = min(since, log.last)
                while not self._closed and ended == self._ended:
                    entries = log.entries(since, LINES_PER_PIECE)
                    if entries:
                        lost = entries[0].number - since - 1
                        piece = b"" if lost == 0 else _line(Gap(lost))
                        since = entries[-1].number
                        yield piece + b"".join(_line(EventLine(entry)) for entry in entries)
                    elif not await self._wait(since):
                        yield _line(Heartbeat(self._wall_clock_ms()))
                yield _line(Bye())
        finally:
            self._open -= 1

    async def _wait(self, since: int) -> bool:
        """Wait for an entry, a heartbeat's time at most; False when that is over."""
        with trio.move_on_after(HEARTBEAT_SECONDS) as scope:
            self._waiting.add(scope)
            try:
                await self._log.wait(since)
            finally:
                self._waiting.discard(scope)
        return self._closed or not scope.cancelled_caught


def _line(value: msgspec.Struct) -> bytes:
    return encode(value) + b"\n"
