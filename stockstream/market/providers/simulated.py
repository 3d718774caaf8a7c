"""A market that makes itself up: ``sim://?symbols=1000&interval=0.05&seed=7``.

A seeded random walk for demonstrations and load. The same seed gives the same prices in the same
order of fetches; only the timestamps are the clock's. With ``volume=true`` each price tells the
volume of its day in UTC, which begins at nought and grows with each fetch.
"""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trio

from stockstream.market.parser import Parsed
from stockstream.market.providers.base import InvalidProviderUrl, Terms
from stockstream.market.providers.options import given_options
from stockstream.quotes import DayFigures, Observation, Symbol, TopOfBook
from stockstream.times import DAY_MS, now_ms

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

WELL_KNOWN = {
    Symbol("AAPL"): 150.0,
    Symbol("GOOGL"): 2750.0,
    Symbol("MSFT"): 312.0,
    Symbol("TSLA"): 250.0,
    Symbol("AMZN"): 190.0,
    Symbol("NFLX"): 500.0,
}
MOST_SYMBOLS = 100_000
SHORTEST_INTERVAL = 0.001
LONGEST_INTERVAL = 3600.0

# The largest step of one fetch, as a part of the price: enough to move two decimals every time.
_LARGEST_STEP = 0.002
_LOWEST_PRICE = 0.01
_MOST_TRADED = 400
"""Shares, between two fetches."""
_HALF_SPREAD = 0.0001
"""Of the price, to either side of it."""


class SimulatedProvider:
    """A `Provider` that needs no network and never fails."""

    terms = Terms()

    def __init__(
        self,
        symbols: int = len(WELL_KNOWN),
        interval: float | None = None,
        seed: int | None = None,
        *,
        volume: bool = False,
        book: bool = False,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """List `symbols` symbols: the six well-known ones first, then S0007, S0008 and so on."""
        self.address = f"sim://?symbols={symbols}"
        self.interval = interval
        self.has_own_clock = False
        self._clock = clock
        self._random = random.Random(seed)
        self._prices = _first_prices(symbols, self._random)
        # Dice of its own: the prices of a seed are the same with it and without.
        self._trades = random.Random(seed) if volume else None
        self._book = book
        self._traded: dict[Symbol, int] = {}
        self._day = 0

    @classmethod
    def from_url(cls, url: str) -> SimulatedProvider:
        """Read ``symbols``, ``interval`` (seconds), ``seed``, ``volume`` and ``book`` from the
        query, all optional.

        Raises `InvalidProviderUrl`, naming the parameter, for a bad or an unknown one.
        """
        parts = urlsplit(url)
        if parts.netloc or parts.path.strip("/"):
            raise InvalidProviderUrl("a simulated market has no host or path: sim://?symbols=6")
        given = given_options(parts.query)
        for name in given.keys() - {"symbols", "interval", "seed", "volume", "book"}:
            raise InvalidProviderUrl(
                f"unknown parameter {name!r}; there are symbols, interval, seed, volume and book"
            )
        symbols = _whole("symbols", given.get("symbols"), 1, MOST_SYMBOLS)
        return cls(
            len(WELL_KNOWN) if symbols is None else symbols,
            _seconds(given.get("interval")),
            _whole("seed", given.get("seed"), 0, 2**63 - 1),
            volume=_truth("volume", given.get("volume")),
            book=_truth("book", given.get("book")),
        )

    async def fetch(self, symbols: AbstractSet[Symbol] | None) -> Parsed:
        """Move every price by one step and tell those of `symbols`, or all."""
        await trio.lowlevel.checkpoint()
        prices, uniform = self._prices, self._random.random
        for symbol, price in prices.items():
            step = 1 + (2 * uniform() - 1) * _LARGEST_STEP
            prices[symbol] = max(round(price * step, 2), _LOWEST_PRICE)
        wanted = prices if symbols is None else [s for s in prices if s in symbols]
        now = self._clock()
        if self._trades is None and not self._book:
            return Parsed(
                tuple(Observation(symbol, prices[symbol], now, "SIM", "USD") for symbol in wanted)
            )
        traded = None if self._trades is None else self._trade(self._trades, now)
        return Parsed(
            tuple(
                Observation(
                    *(symbol, price := prices[symbol], now, "SIM", "USD"),
                    figures=None if traded is None else DayFigures(volume=float(traded[symbol])),
                    top=_around(price) if self._book else None,
                )
                for symbol in wanted
            )
        )

    def _trade(self, dice: random.Random, now: int) -> dict[Symbol, int]:
        """Have something traded of each; the volumes of the day so far."""
        if now // DAY_MS != self._day:
            self._day, self._traded = now // DAY_MS, dict.fromkeys(self._prices, 0)
        traded, uniform = self._traded, dice.random
        for symbol in traded:
            traded[symbol] += int(uniform() ** 3 * _MOST_TRADED)  # mostly little, seldom much
        return traded

    async def aclose(self) -> None:
        """Nothing is open."""
        await trio.lowlevel.checkpoint()


def _around(price: float) -> TopOfBook:
    """A spread of a few ten thousandths, a cent at least."""
    half = max(price * _HALF_SPREAD, _LOWEST_PRICE / 2)
    return TopOfBook(max(round(price - half, 2), _LOWEST_PRICE), round(price + half, 2))


def _first_prices(count: int, randomness: random.Random) -> dict[Symbol, float]:
    prices = dict(list(WELL_KNOWN.items())[:count])
    for number in range(len(prices) + 1, count + 1):
        prices[Symbol(f"S{number:04d}")] = round(randomness.uniform(10, 1000), 2)
    return prices


def _truth(name: str, text: str | None) -> bool:
    if text in {None, "false", "true"}:
        return text == "true"
    raise InvalidProviderUrl(f"{name} must be true or false, not {(text or '')[:32]!r}")


def _whole(name: str, text: str | None, lowest: int, highest: int) -> int | None:
    if text is None:
        return None
    # The length first: int() refuses very long texts with an error about something else.
    if text.isascii() and text.isdigit() and len(text) < 20 and lowest <= int(text) <= highest:
        return int(text)
    raise InvalidProviderUrl(
        f"{name} must be a whole number from {lowest} to {highest}, not {text[:32]!r}"
    )


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        return seconds
    raise InvalidProviderUrl(
        f"interval must be from {SHORTEST_INTERVAL} to {LONGEST_INTERVAL:g} seconds, "
        f"not {text[:32]!r}"
    )
