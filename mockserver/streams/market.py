"""The prices of a tape: each one walks at random around where it began, for as long as one likes.

All connections of a provider, and its REST answers, see the same market. Owned by its channel.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LARGEST_STEP: Final = 0.0005
"""Of the price, at once."""
SPREAD: Final = 0.0001
"""Between bid and ask, as a part of the price; one unit of its last decimal at least."""
WIDEST: Final = 0.1
"""So far, as a part of it, a price goes from where it began."""


@dataclass(slots=True)
class Price:
    """A symbol's price now, and its day so far. `first` is where it began."""

    first: float
    decimals: int
    last: float
    high: float
    low: float
    volume: int = 0
    rose: bool = False

    @property
    def written(self) -> str:
        """The price as text, with its decimals."""
        return self.as_text(self.last)

    @property
    def bid(self) -> float:
        """What somebody bids: the price itself after it fell, since somebody sold at it."""
        return round(self.last - self._spread, self.decimals) if self.rose else self.last

    @property
    def ask(self) -> float:
        """What somebody asks: the price itself after it rose."""
        return self.last if self.rose else round(self.last + self._spread, self.decimals)

    @property
    def _spread(self) -> float:
        return max(self.last * SPREAD, 10.0**-self.decimals)

    def as_text(self, value: float) -> str:
        """Another price of it so written."""
        return f"{value:.{self.decimals}f}"


class Market:
    """What `prices` became; `dice` is the only source of randomness."""

    def __init__(self, prices: Mapping[str, float], dice: random.Random) -> None:
        self._dice = dice
        self._prices = {
            name: Price(first, _decimals(first), first, first, first)
            for name, first in prices.items()
        }

    def knows(self, name: str) -> bool:
        """Whether there is such a symbol; letters of either case are the same."""
        return name.upper() in self._prices

    def price(self, name: str) -> Price:
        """Of a symbol that it `knows`."""
        return self._prices[name.upper()]

    def move(self, name: str) -> None:
        """Move a price by one step, never to the same one."""
        price = self.price(name)
        unit = 10.0**-price.decimals
        step = max(price.last * LARGEST_STEP * self._dice.random(), unit)
        up = self._dice.random() < 0.5
        if not price.first * (1 - WIDEST) < price.last < price.first * (1 + WIDEST):
            up = price.last < price.first
        price.last = round(price.last + (step if up else -step), price.decimals)
        price.rose = up
        price.high, price.low = max(price.high, price.last), min(price.low, price.last)
        price.volume += self._dice.randrange(1, 200)


def _decimals(price: float) -> int:
    """As many as it is written with, two at least."""
    return max(2, len(repr(float(price)).partition(".")[2]))
