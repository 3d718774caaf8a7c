"""Serves tapes: `/__streams/{provider}` over WebSocket, and what lies below it over plain HTTP."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import trio

from mockserver.incoming import Request
from mockserver.json_types import Json, write_json
from mockserver.outage import Outage
from mockserver.responses import Answer, text_answer
from mockserver.streams.frames import NothingToTell, Scene, filled
from mockserver.streams.market import Market
from mockserver.streams.patterns import matched
from mockserver.streams.player import Close, Player
from mockserver.streams.stream_faults import StreamFaults
from mockserver.streams.tape import Rest, Tape, fits
from web.server import Handler, ServerSocket

STREAMS: Final = "/__streams"
_NO_CLOSE_FRAME: Final = 1006
_WRITE_SECONDS: Final = 30.0
"""A client that takes nothing for so long is cut, as providers do with slow readers."""


@dataclass(eq=False)
class _Connection:
    player: Player
    wake: trio.Event = field(default_factory=trio.Event)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    close: int | None = None


class Channel:
    """One provider: its tape, its market, its faults, and the connections of now."""

    def __init__(self, tape: Tape, dice: random.Random, clock: Callable[[], datetime]) -> None:
        self.tape = tape
        self.market = Market(tape.prices, dice)
        self.faults = StreamFaults()
        self._dice = dice
        self._clock = clock
        self._connections: set[_Connection] = set()
        self._opened = 0
        self._unmatched: str | None = None

    def use_faults(self, faults: StreamFaults) -> None:
        """Fail so from now on."""
        self.faults = faults
        for connection in self._connections:
            connection.wake.set()

    def cut(self, code: int) -> int:
        """End all connections, 1006 without a close frame; returns how many there were."""
        for connection in self._connections:
            connection.close = code
            connection.scope.cancel()
        return len(self._connections)

    def as_json(self) -> dict[str, Json]:
        """As the admin API shows it."""
        return {
            "provider": self.tape.provider,
            "path": f"{STREAMS}/{self.tape.provider}",
            "symbols": list(self.tape.prices),
            "faults": self.faults.as_json(),
            "connections": [list(one.player.held) for one in self._connections],
            "opened": self._opened,
            "lastUnmatched": self._unmatched,
        }

    async def serve(self, sock: ServerSocket, outage: Outage) -> None:
        """Talk with one client until either ends it."""
        if outage.down:
            sock.wire.abort()
            return
        limit = self.faults.limit
        one_too_many = limit is not None and len(self._connections) >= limit
        refused = self._refusal(sock, one_too_many=one_too_many)
        if refused is not None:
            await sock.reject(refused, [("retry-after", "1")] if refused == 429 else ())
            return
        await sock.accept()
        player = Player(
            self.tape, self.market, lambda: self.faults, dice=self._dice, clock=self._clock
        )
        connection = _Connection(player)
        self._connections.add(connection)
        self._opened += 1
        player.opened(trio.current_time(), one_too_many=one_too_many)
        try:
            with connection.scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._listen, sock, connection)
                    nursery.start_soon(self._speak, sock, connection)
        finally:
            self._connections.discard(connection)
            self._unmatched = player.unmatched or self._unmatched
        if connection.close == _NO_CLOSE_FRAME:
            sock.wire.abort()
        elif connection.close is not None:
            await sock.close(connection.close)

    def answer(self, request: Request) -> Answer:
        """The answer of a ``rest`` line."""
        parts = urlsplit(request.url)
        path = parts.path.removeprefix(f"{STREAMS}/{self.tape.provider}")
        query: dict[str, Json] = dict(parse_qsl(parts.query, keep_blank_values=True))
        if self.faults.limit == 0:
            return _json_answer(429, {"error": "too many"})
        for rest in self.tape.rests:
            captured = matched(rest.query, query) if rest.path == path else None
            if captured is None:
                continue
            known = [name for name in captured.symbols if self.market.knows(name)]
            if fits(rest.when, len(captured.symbols), len(known)):
                return self._rest(rest, captured.values, known)
        return text_answer(404, f"No rest line of the tape of {self.tape.provider} fits {path}.\n")

    def _rest(self, rest: Rest, values: Mapping[str, Json], known: list[str]) -> Answer:
        for name in known:
            self.market.move(name)
        sets = {"known": known, "unknown": [], "new": known, "held": known}
        scene = Scene(values, sets, self.market, self._clock(), 1)
        try:
            frame = filled(rest.frame, scene, known[0] if known else None)
        except NothingToTell:
            frame = []
        return _json_answer(rest.status, frame)

    def _refusal(self, sock: ServerSocket, *, one_too_many: bool) -> int | None:
        if one_too_many and self.tape.limit is None:
            return 429
        query: Json = dict(sock.query.items())
        for refusal in self.tape.refusals:
            fits = refusal.query is not None and matched(refusal.query, query) is not None
            lacks = refusal.unless is not None and matched(refusal.unless, query) is None
            if fits or lacks:
                return refusal.status
        return None

    async def _listen(self, sock: ServerSocket, connection: _Connection) -> None:
        while True:
            connection.player.received(await sock.receive(), trio.current_time())
            connection.wake.set()

    async def _speak(self, sock: ServerSocket, connection: _Connection) -> None:
        player = connection.player
        while True:
            connection.wake = trio.Event()
            delay = self.faults.delay_milliseconds / 1000
            for sent in player.due(trio.current_time() - delay):
                if isinstance(sent, Close):
                    connection.close = sent.code
                    connection.scope.cancel()
                    return
                await self._send(sock, sent, connection)
            with trio.move_on_at(player.next_due + delay):
                await connection.wake.wait()

    async def _send(self, sock: ServerSocket, frame: str, connection: _Connection) -> None:
        with trio.move_on_after(_WRITE_SECONDS) as writing:
            await sock.send(frame)
        if writing.cancelled_caught:
            connection.close = _NO_CLOSE_FRAME
            connection.scope.cancel()


class Channels:
    """All providers there are tapes of. `outage` says which switches are on for the whole stub."""

    def __init__(
        self,
        tapes: Mapping[str, Tape],
        outage: Callable[[], Outage],
        *,
        dice: random.Random,
        clock: Callable[[], datetime],
    ) -> None:
        self._outage = outage
        self.by_provider = {name: Channel(tape, dice, clock) for name, tape in tapes.items()}

    def handlers(self) -> dict[str, Handler]:
        """What serves each path."""

        def handler(channel: Channel) -> Handler:
            async def handle(sock: ServerSocket) -> None:
                await channel.serve(sock, self._outage())

            return handle

        return {f"{STREAMS}/{name}": handler(channel) for name, channel in self.by_provider.items()}

    def answer(self, request: Request) -> Answer:
        """The answer to a plain request below `STREAMS`."""
        name = urlsplit(request.url).path.removeprefix(f"{STREAMS}/").partition("/")[0]
        channel = self.by_provider.get(name)
        if channel is None:
            there = ", ".join(self.by_provider)
            return text_answer(404, f"There is no tape of {name[:32]!r}; there are {there}.\n")
        return channel.answer(request)


def _json_answer(status: int, value: Json) -> Answer:
    return Answer(status, (("Content-Type", "application/json"),), write_json(value).encode())
