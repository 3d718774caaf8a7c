"""Clients that an experiment brings along: they subscribe, and report broken invariants.

Each is a real WebSocket client. Their records are judged by the invariants: no client is
disconnected, versions only rise, and fresh prices come soon after a fault.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from stockstream.error_groups import first_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Headers = Mapping[str, str]

CONNECT_SECONDS = 20.0
FRESH_SLACK_SECONDS = 0.25
"""After a fault, fresh prices come within the fetch interval and this."""
KEPT_PRICES = 256
"""Arrivals that a client remembers: enough to find the first one after a fault."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without a price, longer than the feed's interval; trio's."""

    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Told:
    """A change of what a client was told of the feed; `at` is trio's time.

    `probe_at` is when the breaker tries again, None when it did not say.
    """

    at: float
    live: bool
    probe_at: float | None


@dataclass
class Watcher:
    """One client and what it saw; times are trio's."""

    number: int
    updates: int = 0
    versions: dict[str, tuple[int, int]] = field(default_factory=dict)
    prices: dict[str, float] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    disconnected: str | None = None
    vanished: bool = False
    interval: float = 1.0
    longest_gap: float = 0.0
    gaps: list[Gap] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    _clock: float | None = None
    _connected: float = 0.0
    _paused: bool = False
    _prices: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT_PRICES))
    _stream: trio.SocketStream | None = None
    _reading: trio.Event = field(default_factory=trio.Event)
    _heard: trio.Event = field(default_factory=trio.Event)

    async def run(self, url: str, headers: Headers) -> None:
        """Connect, subscribe to everything, and read until cancelled or disconnected.

        `headers` are added to those of the handshake.
        """
        self._reading.set()
        parts = urlsplit(url)
        try:
            # On a stream of our own: the library leaves its socket open when the other side
            # closed first, or when its reader is cancelled.
            self._stream = await trio.open_tcp_stream(parts.hostname or "", parts.port or 80)
            async with self._stream, trio.open_nursery() as nursery:
                await self._follow(await self._greet(parts.netloc, parts.path, headers, nursery))
        # Groups: a handshake that is refused ends the library's reader, a task of the nursery.
        except* ConnectionClosed as closed:
            if not self.vanished:
                self._ends(str(first_of(closed).reason))
        except* (HandshakeError, OSError, trio.TooSlowError) as error:
            self._ends(f"could not connect: {first_of(error)!r}")

    async def _greet(
        self, host: str, path: str, headers: Headers, nursery: trio.Nursery
    ) -> WebSocketConnection:
        if self._stream is None:
            raise OSError("not connected")
        with trio.fail_after(CONNECT_SECONDS):
            shown = [(name.encode(), value.encode()) for name, value in headers.items()]
            socket = await wrap_client_stream(
                nursery, self._stream, host, path, extra_headers=shown
            )
            await socket.send_message('{"action":"subscribe","symbols":["*"]}')
        return socket

    async def _follow(self, socket: WebSocketConnection) -> None:
        while True:
            await self._reading.wait()
            self._take(json.loads(await socket.get_message()))

    def _ends(self, reason: str) -> None:
        self.disconnected = reason
        self._wake()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "welcome":
            # What the server's clock says at our time 0.
            self._connected = trio.current_time()
            self._clock = _seconds(message["server_time"]) - self._connected
        if message["type"] == "status":
            self.interval = message["interval"]
            self._note(message)
        quotes = message.get("quotes") or message.get("prices") or ()
        for quote in quotes:
            symbol, version = quote["symbol"], tuple(quote["version"])
            last = self.versions.get(symbol)
            # What is told again under a version is a state, or another field than the price.
            again = message["type"] == "snapshot" or "state" in quote
            if last is not None and (version < last or (version == last and not again)):
                self.faults.append(f"{symbol} went from version {last} to {version}")
            self.versions[symbol] = version
            self.prices[symbol] = quote["price"]
        if quotes:
            self.updates += len(quotes)
            # What it is told first may be of any age.
            if self._prices or message["type"] == "prices":
                self._is_up_to_date(trio.current_time())
            self._paused = False

    def _is_up_to_date(self, at: float) -> None:
        if self._prices and not self._paused:
            gap = at - self._prices[-1]
            self.longest_gap = max(self.longest_gap, gap)
            if gap > self.interval:
                self.gaps.append(Gap(self._prices[-1], at))
        self._prices.append(at)
        self._wake()

    def note_quiet(self, as_of: str, prices: Mapping[str, float]) -> None:
        """Take what the node had fetched by `as_of`: a client that has all of it waited for
        nothing until then.
        """
        if self._clock is None or self._paused or prices != self.prices:
            return
        at = _seconds(as_of) - self._clock
        last = self._prices[-1] if self._prices else self._connected
        if last < at <= trio.current_time():
            self._is_up_to_date(at)

    @property
    def waits(self) -> bool:
        """Whether no price came for longer than the interval."""
        quiet = not self._prices or trio.current_time() - self._prices[-1] > self.interval
        return quiet and self.disconnected is None

    def _note(self, status: dict[str, Any]) -> None:
        live = status["feed"] == "live" and status["circuit"] == "closed"
        probe = status.get("next_probe")
        probe_at = None if probe is None or self._clock is None else _seconds(probe) - self._clock
        self.told.append(Told(trio.current_time(), live, probe_at))

    def gaps_within(self, since: float, until: float) -> list[Gap]:
        """The times without a price that reach into a span, up to its end; one may go on there."""
        found = [
            Gap(gap.began, min(gap.ended, until))
            for gap in self.gaps
            if gap.ended > since and gap.began < until
        ]
        if self._prices and not self._paused and until - self._prices[-1] > self.interval:
            found.append(Gap(self._prices[-1], until))
        return found

    def was_told(self, gap: Gap, seconds: float) -> bool:
        """Whether it knew within so many seconds of a gap's begin that the feed is not live.

        It may have known before, and not have been told otherwise.
        """
        before = [told for told in self.told if told.at <= gap.began]
        if before and not before[-1].live:
            return True
        limit = min(gap.ended, gap.began + seconds)
        return any(not told.live for told in self.told if gap.began < told.at <= limit)

    @property
    def probe_at(self) -> float:
        """When the breaker tries again, as far as it was told; 0 when it was not."""
        return (self.told[-1].probe_at if self.told else None) or 0.0

    def _wake(self) -> None:
        self._heard.set()
        self._heard = trio.Event()

    async def fresh_after(self, moment: float, seconds: float) -> float | None:
        """Seconds from `moment` to the first price after it; None when none came in time."""
        with trio.move_on_at(moment + seconds):
            while self._first_price_after(moment) is None:
                if self.disconnected is not None:
                    return None
                await self._heard.wait()
        # The question may come late, after several prices, or the price after the time was up.
        first = self._first_price_after(moment)
        return None if first is None or first - moment > seconds else first - moment

    def _first_price_after(self, moment: float) -> float | None:
        index = bisect_right(self._prices, moment)
        return self._prices[index] if index < len(self._prices) else None

    def stop_reading(self) -> None:
        """Stop reading: the client causes the lack of prices itself then."""
        self._paused = True
        self._reading = trio.Event()

    def read_on(self) -> None:
        """Read the backlog."""
        self._reading.set()

    async def vanish(self) -> None:
        """Go away without a close frame."""
        self.vanished = True
        if self._stream is not None:
            await self._stream.aclose()


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Watchers:
    """All watching clients of an experiment."""

    def __init__(self, count: int) -> None:
        self.all = [Watcher(number) for number in range(count)]

    async def run(self, url: str, headers: Headers) -> None:
        """Keep them connected until cancelled."""
        async with trio.open_nursery() as nursery:
            for watcher in self.all:
                nursery.start_soon(watcher.run, url, headers)

    @property
    def present(self) -> list[Watcher]:
        """Those that are meant to be connected."""
        return [watcher for watcher in self.all if not watcher.vanished]

    @property
    def interval(self) -> float:
        """Seconds between fetches, as clients are told."""
        return max((watcher.interval for watcher in self.all), default=1.0)

    @property
    def fresh_seconds(self) -> float:
        """How soon after a fault everyone has a fresh price."""
        return self.interval + FRESH_SLACK_SECONDS

    async def all_fresh_after(self, moment: float, seconds: float) -> list[float | None]:
        """For each that is present, seconds to its first price after `moment`, or None."""
        answers: dict[int, float | None] = {}

        async def ask(watcher: Watcher) -> None:
            answers[watcher.number] = await watcher.fresh_after(moment, seconds)

        async with trio.open_nursery() as nursery:
            for watcher in self.present:
                nursery.start_soon(ask, watcher)
        return list(answers.values())

    @property
    def anybody_waits(self) -> bool:
        """Whether one of those present had no price for longer than the interval."""
        return any(watcher.waits for watcher in self.present)

    def note_quiet(self, as_of: str, prices: Mapping[str, float]) -> None:
        """Tell all of them what the node had fetched by then."""
        for watcher in self.present:
            watcher.note_quiet(as_of, prices)

    async def steady(self, seconds: float) -> bool:
        """Wait until everyone has had a price that was fetched since; whether that was in time.

        By then the node fetches at the pace of one that has clients, and they were told of it.
        """
        moment = trio.current_time()
        first = await self.all_fresh_after(moment, seconds)
        return all(answer is not None for answer in first)

    def newest(self) -> dict[str, tuple[int, int]]:
        """The newest version of each symbol that any of them has."""
        newest: dict[str, tuple[int, int]] = {}
        for watcher in self.all:
            for symbol, version in watcher.versions.items():
                newest[symbol] = max(version, newest.get(symbol, version))
        return newest

    def count(self, holds: Callable[[Watcher], bool]) -> int:
        """How many of those present meet the condition."""
        return sum(holds(watcher) for watcher in self.present)

    def faults(self) -> Iterable[str]:
        """All violations that the clients saw."""
        for watcher in self.all:
            for fault in watcher.faults:
                yield f"client {watcher.number}: {fault}"
