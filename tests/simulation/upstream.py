"""The upstream of a run: an exchange whose prices follow from their times, and how it is asked.

Each symbol has another price every tick, so whatever a client is shown can be checked against the
exchange itself, and every answer has news.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import Counter
from typing import TYPE_CHECKING

import trio

from stockstream.market.parser import Parsed
from stockstream.market.providers import ProviderDown, ProviderTimeout, Terms
from stockstream.quotes import Observation, Symbol

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

    from tests.simulation.agenda import Agenda

SYMBOLS = tuple(map(Symbol, ("AAPL", "MSFT", "TSLA", "AMZN", "NFLX", "GOOGL")))
TICK_MS = 200
QUIET_TICKS = {Symbol("QUIET"): 17_000, Symbol("CALM"): 19_000, Symbol("STILL"): 23_000}
"""They trade seldom, each so many ms after its last price: who missed that would lack it for long.
"""
SHY = Symbol("SHY")
"""It trades when something goes wrong, and then no more."""
SHY_FOR_MS = 2_000
SELDOM = (*QUIET_TICKS, SHY)
ALL_SYMBOLS = (*SYMBOLS, *SELDOM)
TIMEOUT_SECONDS = 5.0
SHORTEST_ANSWER, LONGEST_ANSWER = 0.004, 0.03
OLD_TICKS = 40
"""An old replica is behind by so many."""


def tick_of(symbol: str) -> int:
    """After how many ms a symbol has another price."""
    return QUIET_TICKS.get(Symbol(symbol), TICK_MS)


class Exchange:
    """The truth. `clock` is its own, in ms since 1970, and never wrong."""

    def __init__(self, seed: int, clock: Callable[[], int], agenda: Agenda) -> None:
        self.agenda = agenda
        self._clock = clock
        self._random = random.Random(f"exchange {seed}")
        self._first = {symbol: self._random.randint(10_000, 90_000) for symbol in ALL_SYMBOLS}
        self._shy = [clock()]
        self.asked: Counter[int] = Counter()
        """Requests by the number of the node."""
        self.down: Counter[int] = Counter()
        self.hanging: Counter[int] = Counter()
        self.slow: Counter[int] = Counter()
        self.old: Counter[int] = Counter()
        """Troubles that last, by the number of the node that is to feel them."""
        self.told: Callable[[int, AbstractSet[Symbol] | None], None] = lambda node, symbols: None

    def price_of(self, symbol: str, timestamp: int) -> float:
        """The same of a symbol by its text."""
        return self.price(Symbol(symbol), timestamp)

    def price(self, symbol: Symbol, timestamp: int) -> float:
        """The price of a symbol from the tick at `timestamp` on."""
        tick = timestamp // tick_of(symbol)
        return (self._first[symbol] + tick * 7919 % 1009 - 504) / 100

    def trade(self) -> None:
        """Have the shy symbol have another price, unless it has had one a moment ago: what is
        missed in a trouble must not be made good by the next one.
        """
        now = self._clock()
        if now - self._shy[-1] > SHY_FOR_MS:
            self._shy.append(now)

    def has_traded(self, symbol: str, timestamp: int) -> bool:
        """Whether a price of the symbol began then."""
        if symbol == SHY:
            return timestamp in self._shy
        return timestamp % tick_of(symbol) == 0

    def began(self, symbol: str, ago: int = 0) -> int:
        """When the price of so many ms ago began, in ms since 1970."""
        if symbol == SHY:
            return self._shy[max(0, bisect_right(self._shy, self._clock() - ago) - 1)]
        tick = tick_of(symbol)
        return (self._clock() - ago) // tick * tick

    def outdated_at(self, symbol: str, timestamp: int) -> int:
        """When another price of the symbol began after the one of `timestamp`."""
        if symbol == SHY:
            return self._shy[bisect_right(self._shy, timestamp)]
        return timestamp + tick_of(symbol)

    def latency(self) -> float:
        """Of one answer, in seconds."""
        return self._random.uniform(SHORTEST_ANSWER, LONGEST_ANSWER)

    def observations(
        self, symbols: AbstractSet[Symbol] | None, ticks_ago: int
    ) -> tuple[Observation, ...]:
        """What it answers now."""
        return tuple(
            Observation(symbol, self.price(symbol, timestamp), timestamp, "SIM", "USD")
            for symbol in ALL_SYMBOLS
            if symbols is None or symbol in symbols
            for timestamp in (self.began(symbol, ticks_ago * TICK_MS),)
        )


class MemoryProvider:
    """A `Provider` of that exchange, as the node of this number reaches it."""

    address = "memory"
    terms = Terms()
    interval = None
    has_own_clock = True

    def __init__(self, exchange: Exchange, node: int) -> None:
        self._exchange = exchange
        self._node = node

    async def fetch(self, symbols: AbstractSet[Symbol] | None) -> Parsed:
        """Ask, with the troubles there are now. The answer is of when it was sent."""
        exchange, node = self._exchange, self._node
        exchange.asked[node] += 1
        exchange.told(node, symbols)
        if exchange.hanging[node]:
            await trio.sleep(TIMEOUT_SECONDS)
            raise ProviderTimeout("timeout", "no answer in time")
        sent, answers = trio.Event(), list[Parsed | None]()

        def answer() -> None:
            # Replicas of different age take turns, as behind a balancer.
            old = exchange.old[node] and exchange.asked[node] % 2
            observations = exchange.observations(symbols, OLD_TICKS if old else 0)
            answers.append(None if exchange.down[node] else Parsed(observations))
            sent.set()

        exchange.agenda.after(exchange.latency() + (0.4 if exchange.slow[node] else 0.0), answer)
        await sent.wait()
        if answers[0] is None:
            raise ProviderDown("refused", "the connection was refused")
        return answers[0]

    async def aclose(self) -> None:
        """Nothing is open."""
        await trio.lowlevel.checkpoint()
