# ruff: noqa: I001, INP001, T201, TC003 - an example is a program, prints, and is there to be read
"""A gateway: devices give readings over TCP, and a slow far side gets all of them over TCP.

A device says `PUT device number value` and is told `OK number` once its shard has the reading, or
`AGAIN number` when it should say it again. `STATS` asks all shards at once how much waits. For
each shard an uplink sends what waits and takes it off when the far side said `ACK`. The far side
may get a reading twice, never not at all; it knows one by device and number.
"""

from __future__ import annotations

import argparse
import socket
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import trio

from supervision import (
    Actor, Backoff, CallError, Caller, ChildSpec, Request, Table, dynamic_supervisor, handles,
    partition, partition_supervisor, replies_later, run, supervisor,
)  # fmt: skip

from .tcp import Client, LineReader, Listener, listen

BATCH = 100
FOREVER = float("inf")
ANSWER_SECONDS = 1.0
ACK_SECONDS = 5.0
BACKOFF = Backoff(first=0.02, longest=0.5)

Key = tuple[str, int]
Waiting = Table[Key, str]


@dataclass(frozen=True)
class Put(Request[None]):
    """Take a reading."""

    key: Key
    value: str


class Count(Request[int]):
    """How many readings wait?"""


class Batch(Request[dict[Key, str]]):
    """The oldest that wait; answered when there are any."""


@dataclass(frozen=True)
class Sent(Request[None]):
    """The far side has these."""

    keys: tuple[Key, ...]


class Shard(Actor):
    """The readings of its share of the devices, in a table that outlives it."""

    def __init__(self, number: int, kept: list[Waiting]) -> None:
        self.waiting = kept[number]
        self.uplink: Caller[dict[Key, str]] | None = None

    @handles(Put)
    def _put(self, request: Put) -> None:
        self.waiting.put(request.key, request.value)
        self._answer()

    @handles(Count)
    def _count(self, _request: Count) -> int:
        return len(self.waiting)

    @replies_later(Batch)
    def _batch(self, _request: Batch, caller: Caller[dict[Key, str]]) -> None:
        self.uplink = caller
        self._answer()

    @handles(Sent)
    def _sent(self, request: Sent) -> None:
        for key in request.keys:
            self.waiting.delete(key)

    def _answer(self) -> None:
        # To an uplink that has died meanwhile it is a no-op; its successor asks again.
        if self.uplink is not None and self.waiting:
            oldest = list(self.waiting.rows.items())[:BATCH]
            self.uplink.reply(dict(oldest))
            self.uplink = None


class Uplink(Actor):
    """Brings one shard's readings to the far side. Any trouble is its end: see `tree`."""

    owns_tasks = True

    def __init__(self, number: int, host: str, port: int) -> None:
        self.shard, self.host, self.port = f"shards/{number}", host, port

    async def init(self) -> None:
        """Begin. The far side may be slow; a task waits for it, not the actor."""
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        shard = self.system.ref(self.shard)
        async with await trio.open_tcp_stream(self.host, self.port) as stream:
            answers = LineReader(stream)
            while True:
                batch = await shard.call(Batch(), timeout=FOREVER)
                lines = [
                    f"{device} {number} {value}\n" for (device, number), value in batch.items()
                ]
                with trio.fail_after(ACK_SECONDS):
                    await stream.send_all(f"{len(lines)}\n{''.join(lines)}".encode())
                    if await answers.next() != "ACK":
                        raise ConnectionError("the far side ended the connection")
                await shard.call(Sent(tuple(batch)))


class Device(Client):
    """One device's connection."""

    def __init__(self, shards: int, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self.shards = shards

    async def talk(self, lines: LineReader) -> None:
        """Take readings until the device is done."""
        while (text := await lines.next()) is not None:
            if text == "STATS":
                await self.say(await self._stats())
                continue
            verb, device, number, value = text.split(" ", 3)
            if verb != "PUT":
                raise ValueError(f"{verb!r} is no verb")
            try:
                shard = partition(self.system.ref("shards"), device)
                await shard.call(Put((device, int(number)), value), timeout=ANSWER_SECONDS)
                await self.say(f"OK {number}")
            except CallError:
                await self.say(f"AGAIN {number}")  # it died, or is slow: the device has it still

    async def _stats(self) -> str:
        counts = ["?"] * self.shards

        async def ask(shard: int) -> None:
            with suppress(CallError):  # it stays a question mark
                ref = self.system.ref(f"shards/{shard}")
                counts[shard] = str(await ref.call(Count(), timeout=ANSWER_SECONDS))

        async with trio.open_nursery() as nursery:  # all at once: as slow as the slowest
            for shard in range(self.shards):
                nursery.start_soon(ask, shard)
        return f"STATS {' '.join(counts)}"


def tree(
    listening: socket.socket, far_side: tuple[str, int], shards: int, *, intensity: int = 5
) -> ChildSpec:
    """Shards, uplinks, devices: whoever of them ends, the others go on."""
    kept: list[Waiting] = [Table(f"shards/{n}", writer=f"shards/{n}") for n in range(shards)]
    children = [
        partition_supervisor("shards", Shard, partitions=shards, args=(kept,), intensity=intensity),
        # A far side that is away is tried again ever more slowly, and never given up.
        partition_supervisor(
            "uplinks", Uplink, partitions=shards, args=far_side, intensity=10_000, backoff=BACKOFF
        ),
        dynamic_supervisor("clients"),
        ChildSpec("listener", Listener, (listening, partial(Device, shards))),
    ]
    return supervisor("root", children, intensity=intensity)


def main() -> int:
    """Serve until a signal. 0: stopped in order; 1: it gave up, or could not listen; 2: usage."""
    parser = argparse.ArgumentParser(description="Readings of devices, brought to a far side.")
    parser.add_argument("far_side", metavar="HOST:PORT", help="who gets the readings")
    parser.add_argument("--port", type=int, default=4445, help="0 takes a free one (4445)")
    parser.add_argument("--shards", type=int, default=4, help="how many share the devices (4)")
    options = parser.parse_args()
    host, _, port = options.far_side.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65_536):
        parser.error(f"{options.far_side!r} is not HOST:PORT")
    if options.shards < 1:
        parser.error(f"--shards must be 1 or more, not {options.shards}")
    listening, where = listen(parser, "127.0.0.1", options.port)
    with listening:
        root = tree(listening, (host, int(port)), options.shards)
        return run(root, on_start=lambda _system: print("listening on", where, flush=True))


if __name__ == "__main__":
    raise SystemExit(main())
