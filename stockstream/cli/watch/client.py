"""The client: keeps a connection to one of the servers, and puts what comes into `Watching`."""

from __future__ import annotations

import random
from itertools import count
from typing import TYPE_CHECKING, Literal, NoReturn

import trio

from stockstream.cli.watch.connecting import Lost, Socket, Unreadable, connected
from stockstream.cli.watch.printable import printable
from stockstream.cli.watch.watching import Connecting, Open, Waiting
from stockstream.delivery.protocol import Error, GoingAway, Ping, Pong, Subscribe
from stockstream.error_groups import first_of
from stockstream.errors import StartError
from stockstream.program import program_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.cli.watch.nodes import Address, Itinerary, Step
    from stockstream.cli.watch.watching import Watching
    from stockstream.delivery.protocol import ServerMessage

SILENCE_SECONDS = 10.0
"""Two missed heartbeats of the feed: then the server is asked whether it is still there."""
PROBE_SECONDS = 5.0
"""How long it may take to answer that."""
STABLE_SECONDS = 5.0
"""A connection that lasted this long was good: the next loss begins with the shortest pause."""
SYMBOLS_PER_MESSAGE = 200
SINCE_BYTES = 80
"""What a version of a symbol takes in a message, at most."""
MOST_TRIES = 5
RETRY_SECONDS = 0.5
MOST_NOTICES = 5
"""A broken server must not fill the terminal."""


class _Moves(Exception):
    """The server goes away, and there is another one."""


class Client:
    """See the module. `wait` tells that something came."""

    def __init__(
        self, watching: Watching, itinerary: Itinerary, *, max_rate: float | None = None
    ) -> None:
        self.watching = watching
        self._itinerary = itinerary
        self._max_rate = max_rate
        self._came = trio.Event()
        self._ids = count(1)
        self._asked: dict[int, tuple[Subscribe, int]] = {}
        self._ping: tuple[str, float] | None = None
        self.was_open = False
        watching.url = str(itinerary.current)
        self._why: dict[Address, Lost] = {}
        self._noticed = 0

    async def wait(self) -> None:
        """Wait until something came that was not looked at."""
        await self._came.wait()
        self._came = trio.Event()

    async def run(self) -> NoReturn:
        """Keep the connection until cancelled.

        Raises:
            StartError: no server is there, or none wants us.
        """
        while True:
            step = await self._until_lost(self._itinerary.current)
            await trio.sleep(step.seconds)

    async def _until_lost(self, address: Address) -> Step:
        self.watching.url = str(address)
        self._linked(Connecting())
        began = trio.current_time()
        end: Lost | _Moves | StartError | None = None
        try:
            await self._one(address)
        except* (Lost, _Moves, StartError) as group:
            end = first_of(group)
        match end:
            case Lost():
                return self._after(end, trio.current_time() - began)
            case _Moves():
                return self._itinerary.moved()
            case StartError():
                raise end
        raise AssertionError("a connection ended without an end")

    def _linked(self, link: Connecting | Open | Waiting) -> None:
        self.watching.linked(link, _now())
        self._came.set()

    def _after(self, lost: Lost, seconds: float) -> Step:
        """What comes after the loss of a connection that lasted so long.

        Raises:
            StartError: nothing does.
        """
        itinerary = self._itinerary
        self._why[itinerary.current] = lost
        if seconds >= STABLE_SECONDS:
            itinerary.was_good()
        if lost.for_good:
            itinerary.bar()
        step = itinerary.lost(lost.retry_after)
        if step is None:
            raise StartError(self._what_is_wrong("no server serves this client any more"))
        absent = not any(why.there for why in self._why.values())
        if not self.was_open and itinerary.round_failed and absent:
            raise StartError(
                f"{self._what_is_wrong('no server answers')}; start one with "
                f"`{program_name()} serve`, or name a running one by --url or STOCKSTREAM_URL"
            )
        self._linked(Waiting(_now() + step.seconds * 1000, lost.reason))
        return step

    def _what_is_wrong(self, begin: str) -> str:
        if len(self._why) == 1:
            (address, lost), *_ = self._why.items()
            return f"{begin} at {address}: {lost.reason}"
        return f"{begin}: " + "; ".join(f"{a}: {lost.reason}" for a, lost in self._why.items())

    # One connection.

    async def _one(self, address: Address) -> None:
        async with connected(address) as socket:
            self.was_open = True
            self._itinerary.learn(socket.welcome.nodes or ())
            self.watching.take(socket.welcome, _now())
            self._linked(Open(printable(socket.welcome.node)))
            self._asked.clear()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_pinging, socket)
                nursery.start_soon(self._ask, socket)
                await self._listen(socket, nursery)

    async def _ask(self, socket: Socket) -> None:
        for symbols in self._parts(socket):
            wanted = self.watching.rows if isinstance(symbols, str) else symbols
            most = socket.welcome.limits.message_size // SINCE_BYTES
            since = dict(list(self.watching.since(wanted).items())[:most])
            await self._subscribe(socket, Subscribe(symbols, since=since, max_rate=self._max_rate))

    def _parts(self, socket: Socket) -> Iterator[Literal["*"] | list[str]]:
        if self.watching.everything:
            yield "*"
            return
        most = max(1, min(SYMBOLS_PER_MESSAGE, socket.welcome.limits.symbols))
        symbols = self.watching.symbols
        for begin in range(0, len(symbols), most):
            yield list(symbols[begin : begin + most])

    async def _subscribe(self, socket: Socket, message: Subscribe, tries: int = 1) -> None:
        number = next(self._ids)
        message = Subscribe(message.symbols, number, message.since, message.max_rate)
        self._asked[number] = message, tries
        await socket.send(message)

    async def _keep_pinging(self, socket: Socket) -> None:
        while True:
            await self._send_ping(socket)
            await trio.sleep(max(1.0, socket.welcome.heartbeat))

    async def _send_ping(self, socket: Socket) -> None:
        mark = f"ping-{next(self._ids)}"
        self._ping = mark, trio.current_time()
        await socket.send(Ping(mark))

    async def _listen(self, socket: Socket, nursery: trio.Nursery) -> NoReturn:
        asked: float | None = None
        while True:
            try:
                message = await self._next(socket)
            except Unreadable as unreadable:
                self._notice(f"a message could not be read: {unreadable}")
                continue
            except Lost as lost:
                lost.retry_after = asked
                raise
            if isinstance(message, GoingAway):
                if message.nodes:
                    self._itinerary.learn(message.nodes)
                if self._itinerary.others:
                    raise _Moves
                asked = max(0.0, message.reconnect_after)
            elif message is not None:
                self._take(message, socket, nursery)
            self._came.set()
            if self.watching.nothing_left:
                raise StartError(f"none of these is served: {self._refusals()}")

    async def _next(self, socket: Socket) -> ServerMessage | None:
        """The next message; a server that is silent is asked whether it is still there.

        Raises:
            Lost: it is not.
        """
        with trio.move_on_after(SILENCE_SECONDS):
            return await socket.receive()
        self.watching.doubted_since = _now()
        self._came.set()
        with trio.move_on_after(PROBE_SECONDS):
            await self._send_ping(socket)
            message = await socket.receive()
            self.watching.doubted_since = None
            return message
        raise Lost("the server went silent", there=True)

    def _take(self, message: ServerMessage, socket: Socket, nursery: trio.Nursery) -> None:
        now = _now()
        match message:
            case Pong() if self._ping is not None and message.id == self._ping[0]:
                self.watching.answered(now - self._ping[1] * 1000, now)
                self._ping = None
            case Error():
                self._failed(message, socket, nursery)
            case _:
                self.watching.take(message, now)

    def _failed(self, error: Error, socket: Socket, nursery: trio.Nursery) -> None:
        asked = self._asked.pop(error.id, None) if isinstance(error.id, int) else None
        if asked is None:
            self._notice(f"{error.code}: {error.reason}")
            return
        message, tries = asked
        if error.temporary and tries < MOST_TRIES:
            nursery.start_soon(self._ask_again, socket, message, tries)
        elif isinstance(message.symbols, str):
            self._notice(f"not all symbols are served: {error.reason}")
        else:
            for symbol in message.symbols:
                self.watching.refuse(symbol, error.code, error.reason)

    async def _ask_again(self, socket: Socket, message: Subscribe, tries: int) -> None:
        await trio.sleep(RETRY_SECONDS * 2.0 ** (tries - 1) * (1 + random.random()))
        await self._subscribe(socket, message, tries + 1)

    def _refusals(self) -> str:
        rows = self.watching.rows.values()
        return "; ".join(printable(f"{row.symbol}: {row.rejected}") for row in rows)

    def _notice(self, text: str) -> None:
        self._noticed += 1
        if self._noticed <= MOST_NOTICES:
            self.watching.notices.append(printable(text))


def _now() -> float:
    return trio.current_time() * 1000
