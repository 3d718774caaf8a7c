# ruff: noqa: I001, INP001, T201, TC003 - an example is a program, prints, and is there to be read
"""A chat over TCP that loses no line, though any of its actors may be killed at any time.

A client says `HELLO nick after`, then `SAY number text`. It is told `OK number` once the line is
kept, and `MSG place nick text` for each line of the room after place `after`, in order. When its
connection ends it connects again, says the last place it has seen, and repeats what was not
answered: the room knows a line by nick and number, and keeps it once.
"""

from __future__ import annotations

import argparse
import socket
from dataclasses import dataclass
from functools import partial

import trio

from supervision import (
    Actor, ActorRef, ChildSpec, Down, Request, Strategy, Table, dynamic_supervisor, handles, run,
    supervisor,
)  # fmt: skip

from .tcp import Client, LineReader, Listener, listen


@dataclass(frozen=True)
class Line:
    """A line of the room; `number` is its sender's own count."""

    nick: str
    number: int
    text: str


@dataclass(frozen=True)
class Join(Request[None]):
    """A client's actor wants to hear of new lines."""

    member: ActorRef


@dataclass(frozen=True)
class Say(Request[None]):
    """Keep a line. Saying it twice does nothing, so it may be repeated."""

    line: Line


class News:
    """There are new lines in the table."""


class Room(Actor):
    """The order of the lines. They are in a table, which outlives the room."""

    def __init__(self, lines: Table[int, Line]) -> None:
        self.lines = lines
        self.known = {(line.nick, line.number) for line in lines.rows.values()}
        self.members: set[ActorRef] = set()

    @handles(Join)
    def _join(self, request: Join) -> None:
        self.members.add(request.member)
        self.monitor(request.member)

    @handles(Say)
    def _say(self, request: Say) -> None:
        line = request.line
        if (line.nick, line.number) in self.known:
            return
        self.known.add((line.nick, line.number))
        self.lines.put(len(self.lines) + 1, line)
        for member in self.members:
            member.cast(News())  # a hint only: the truth is in the table

    @handles(Down)
    def _left(self, down: Down) -> None:
        self.members.discard(down.ref)


class ChatClient(Client):
    """Says what the client says, and follows the table at the client's own pace."""

    def __init__(self, lines: Table[int, Line], stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.lines = lines
        self.news = trio.Event()

    @handles(News)
    def _news(self, _message: News) -> None:
        self.news.set()

    async def talk(self, lines: LineReader) -> None:
        """The whole conversation."""
        hello, nick, after = (await lines.next() or "").split()
        if hello != "HELLO":
            raise ValueError(f"{hello!r} is no greeting")
        room = self.system.ref("room")
        await room.call(Join(self.ref))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, int(after))
            while (text := await lines.next()) is not None:
                verb, number, what = text.split(" ", 2)
                if verb != "SAY":
                    raise ValueError(f"{verb!r} is no verb")
                await room.call(Say(Line(nick, int(number), what)))
                await self.say(f"OK {number}")
            nursery.cancel_scope.cancel()

    async def _follow(self, place: int) -> None:
        while True:
            self.news = trio.Event()  # before looking: what comes from now on is not missed
            while place < len(self.lines):
                place += 1
                line = self.lines.rows[place]
                await self.say(f"MSG {place} {line.nick} {line.text}")
            await self.news.wait()


def tree(listening: socket.socket, *, intensity: int = 5) -> ChildSpec:
    """The room, then who needs it: when it ends, clients connect anew and have missed nothing."""
    lines: Table[int, Line] = Table("lines", writer="room")
    return supervisor(
        "root",
        [
            ChildSpec("room", Room, (lines,)),
            dynamic_supervisor("clients"),
            ChildSpec("listener", Listener, (listening, partial(ChatClient, lines))),
        ],
        strategy=Strategy.REST_FOR_ONE,
        intensity=intensity,
    )


def main() -> int:
    """Serve until a signal. 0: stopped in order; 1: it gave up, or could not listen; 2: usage."""
    parser = argparse.ArgumentParser(description="A chat whose actors may be killed.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    parser.add_argument("--port", type=int, default=4444, help="0 takes a free one (4444)")
    options = parser.parse_args()
    listening, where = listen(parser, options.host, options.port)
    with listening:
        return run(
            tree(listening), on_start=lambda _system: print("listening on", where, flush=True)
        )


if __name__ == "__main__":
    raise SystemExit(main())
