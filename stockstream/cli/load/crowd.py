"""A process of clients: `python -m stockstream.cli.load.crowd`, started by the command.

Its standard input begins with a `Plan`, a line, and goes on with a word a line; when it ends, so
does this. On its standard output come `Counts` each second, and `Findings` last.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import msgspec
import trio

from stockstream.cli.load.arrivals import arrived_ago
from stockstream.cli.load.plan import MEASURE, STOP, Plan
from stockstream.cli.load.tally import ClientTally, Tally
from stockstream.cli.watch.client import STABLE_SECONDS, SYMBOLS_PER_MESSAGE
from stockstream.cli.watch.connecting import Lost, Socket, Unreadable, connected
from stockstream.cli.watch.nodes import Itinerary, parse_address
from stockstream.decoding import from_json
from stockstream.delivery.protocol import (
    Error,
    GoingAway,
    Ping,
    Pong,
    Prices,
    Snapshot,
    Subscribe,
    Subscriptions,
)
from stockstream.error_groups import first_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stockstream.delivery.protocol import ServerMessage

TOLD_EVERY_SECONDS = 1.0
GONE = "the server goes away"


class LoadClient:
    """One client: it connects, follows its symbols, and comes back when it lost the server."""

    def __init__(self, symbols: list[str], itinerary: Itinerary, tally: Tally) -> None:
        self._symbols = symbols
        self._itinerary = itinerary
        self._all = tally
        self._tally: ClientTally = tally.client()
        self._connection: trio.CancelScope | None = None
        self._is_open = False
        self._told_to_leave = False
        self._pinged: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._is_open

    def leave(self) -> None:
        """Close the connection, and make another at once."""
        if self._is_open and self._connection is not None:
            self._is_open = False
            self._tally.left()
            self._connection.cancel()

    async def run(self) -> None:
        """Until cancelled, or until no server wants it any more."""
        while True:
            began = trio.current_time()
            lost: Lost | None = None
            with trio.CancelScope() as self._connection:
                try:
                    await self._one()
                except* Lost as group:
                    lost = first_of(group)
            if lost is None:
                continue  # it left
            self._tally.tried()
            if lost.reason == GONE:
                step = self._itinerary.moved()
            else:
                if trio.current_time() - began >= STABLE_SECONDS:
                    self._itinerary.was_good()
                if lost.for_good:
                    self._itinerary.bar()
                found = self._itinerary.lost(lost.retry_after)
                if found is None:
                    return
                step = found
            await trio.sleep(step.seconds)

    async def _one(self) -> None:
        began = _now()
        welcomed = self._told_to_leave = False
        try:
            async with connected(self._itinerary.current) as socket:
                welcomed = self._is_open = True
                self._itinerary.learn(socket.welcome.nodes or ())
                self._tally.welcomed(socket.welcome.node, began, _now())
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._subscribe, socket)
                    nursery.start_soon(self._keep_pinging, socket)
                    await self._listen(socket)
        except* Lost as group:
            lost = first_of(group)
            if self._told_to_leave:
                self._tally.moved()
            else:
                word = f"{lost.code}: {lost.reason}" if lost.code else lost.reason
                self._all.note(self._all.lost if welcomed else self._all.refused, word)
            raise lost from None
        finally:
            self._is_open = False
            if welcomed:
                self._tally.closed()

    async def _subscribe(self, socket: Socket) -> None:
        most = max(1, min(SYMBOLS_PER_MESSAGE, socket.welcome.limits.symbols))
        for begin in range(0, len(self._symbols), most):
            symbols = self._symbols[begin : begin + most]
            known = self._tally.versions
            since: dict[str, tuple[int, int]] = {
                symbol: known[symbol] for symbol in symbols if symbol in known
            }
            await socket.send(Subscribe(symbols, begin, since))

    async def _keep_pinging(self, socket: Socket) -> None:
        while True:
            self._pinged = _now()
            await socket.send(Ping("load"))
            await trio.sleep(max(1.0, socket.welcome.heartbeat))

    async def _listen(self, socket: Socket) -> NoReturn:
        asked: float | None = None
        while True:
            try:
                message = await socket.receive()
            except Unreadable as error:
                self._all.note(self._all.not_taken, f"unreadable message: {error}")
                continue
            except Lost as lost:
                lost.retry_after = asked
                raise
            now = _now()
            self._tally.heard(now)
            if isinstance(message, GoingAway):
                self._told_to_leave = True
                self._itinerary.learn(message.nodes or ())
                if self._itinerary.others:
                    raise Lost(GONE, there=True)
                asked = max(0.0, message.reconnect_after)
            elif message is not None:
                self._take(message, socket, now)

    def _take(self, message: ServerMessage, socket: Socket, now: float) -> None:
        match message:
            case Prices():
                if message.prices:
                    self._tally.made(message.steady, now - arrived_ago(socket.stream))
                self._tally.told({one.symbol: one.version for one in message.prices}, now)
            case Snapshot():
                self._tally.told({one.symbol: one.version for one in message.quotes}, now)
            case Pong() if self._pinged is not None:
                self._tally.answered(now - self._pinged)
                self._pinged = None
            case Subscriptions():
                for rejected in message.rejected:
                    self._all.note(self._all.not_taken, f"{rejected.code}: {rejected.reason}")
            case Error():
                self._all.note(self._all.not_taken, f"{message.code}: {message.reason}")
            case _:
                pass


class Crowd:
    """All clients of the process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)
        self._tally = Tally()
        addresses = [parse_address(url, plan.token) for url in plan.urls]
        self._clients = [
            LoadClient(symbols, Itinerary(addresses, self._random.random), self._tally)
            for symbols in plan.chosen
        ]
        self._began = 0.0
        self._cpu = 0.0

    async def run(self, words: AsyncIterator[bytes]) -> None:
        """Until `STOP`, or the end of `words`."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._arrive, nursery)
            nursery.start_soon(self._tell)
            async for word in words:
                if word == MEASURE:
                    self._began, self._cpu = trio.current_time(), time.process_time()
                    self._tally.measure(_now())
                    nursery.start_soon(self._churn)
                elif word == STOP:
                    _write(self._findings())
                    break
            nursery.cancel_scope.cancel()

    def _findings(self) -> object:
        return self._tally.findings(
            _now(),
            cpu=time.process_time() - self._cpu,
            seconds=trio.current_time() - self._began,
        )

    async def _arrive(self, nursery: trio.Nursery) -> None:
        began = trio.current_time()
        for number, client in enumerate(self._clients):
            await trio.sleep_until(began + number / self._plan.ramp)
            nursery.start_soon(client.run)

    async def _tell(self) -> None:
        while True:
            _write(self._tally.counts)
            await trio.sleep(TOLD_EVERY_SECONDS)

    async def _churn(self) -> None:
        """One client after the other leaves; after a pause that held us up there are no more."""
        if not self._plan.churn:
            return
        while True:
            await trio.sleep(1 / self._plan.churn)
            here = [client for client in self._clients if client.is_open]
            if here:
                self._random.choice(here).leave()


def _now() -> float:
    return trio.current_time() * 1000


def _write(told: object) -> None:
    """To the command, which reads all the time. Raises `BrokenPipeError` when it has gone."""
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


async def _lines(stream: trio.abc.ReceiveStream) -> AsyncIterator[bytes]:
    rest = b""
    async for piece in stream:
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"


async def main() -> None:
    """Run the clients of the plan on standard input."""
    async with trio.lowlevel.FdStream(os.dup(0)) as stream:
        lines = _lines(stream)
        plan = from_json(await anext(lines), Plan)
        await Crowd(plan).run(lines)


if __name__ == "__main__":
    try:
        trio.run(main)
    except* (BrokenPipeError, StopAsyncIteration, KeyboardInterrupt):
        sys.exit(1)  # the command has gone
