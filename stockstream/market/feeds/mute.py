"""Whether a connection is mute: it is open, it answers pings, and prices that came stopped. Pure.

What tells it from a quiet market is how much came before: with `EXPECTED` prices to be expected in
`QUIET_SECONDS`, by the rate of the last minutes, that none comes by chance is one in four hundred.
A market that closes falls silent in the same way, so symbols whose market is closed do not count.
Calendars do not know of everything. Where markets close, the suspicion is checked: REST is asked
for the latest prices, and if it knows newer ones, which the socket does not tell in the next
moments either, the connection is mute.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stockstream.quotes import Observation, Symbol

QUIET_SECONDS = 30.0
WINDOW_SECONDS = 300.0
EXPECTED = 6
SYMBOLS = 3
ASK_SECONDS = 30.0
PROVEN_BY = 2
"""Newer prices of so many symbols: one may be of a trade that is no last price for us."""
GRACE_SECONDS = 2.0
"""The socket may tell a little later than REST."""
_STEP = 1.0


class Mute:
    """Watches one connection, open since `now`. Times by the monotonic clock, in seconds.

    `trades` says whether prices of a symbol are to be expected at the time that it is asked.
    """

    def __init__(
        self,
        now: float,
        quiet: float = QUIET_SECONDS,
        trades: Callable[[Symbol], bool] = lambda _symbol: True,
    ) -> None:
        self._trades = trades
        self._quiet = quiet
        self._opened = self._last = now
        self._counts: deque[tuple[float, int]] = deque()
        self._total = 0
        self._traded: dict[Symbol, float] = {}
        self._seen: set[Symbol] = set()
        self._asked: float | None = None
        self._missed: set[Symbol] = set()
        self._missed_since: float | None = None

    def priced(self, observations: Iterable[Observation], now: float) -> None:
        """Prices came. The first of a symbol may be what was the latest before."""
        count = 0
        for seen in observations:
            if seen.symbol in self._seen:
                self._traded[seen.symbol] = now
                count += 1
            self._seen.add(seen.symbol)
        self._last = now
        self._asked = self._missed_since = None
        self._missed.clear()
        if not count:
            return
        self._total += count
        if self._counts and now - self._counts[-1][0] < _STEP:
            at, before = self._counts.pop()
            self._counts.append((at, before + count))
        else:
            self._counts.append((now, count))

    def suspected(self, now: float) -> bool:
        """Whether nothing has come for long, though it should have."""
        while self._counts and now - self._counts[0][0] > WINDOW_SECONDS:
            self._total -= self._counts.popleft()[1]
        if now - self._last < self._quiet:
            return False
        since = now - WINDOW_SECONDS
        active = sum(at > since and self._trades(symbol) for symbol, at in self._traded.items())
        spoke = min(self._last - self._opened, WINDOW_SECONDS) or _STEP
        return active >= SYMBOLS and self._total * self._quiet / spoke >= EXPECTED

    def to_ask(self, now: float) -> frozenset[Symbol]:
        """While it is suspected: whose latest prices are to be asked for by REST now, if any."""
        if self._asked is not None and now - self._asked < ASK_SECONDS:
            return frozenset()
        self._asked = now
        newest = sorted(self._traded, key=lambda symbol: self._traded[symbol])
        return frozenset(newest[-SYMBOLS:])

    def found(self, symbols: Iterable[Symbol], now: float) -> None:
        """REST has told newer prices of these than the socket."""
        if self._asked is None:
            return
        self._missed.update(symbols)
        if len(self._missed) >= PROVEN_BY and self._missed_since is None:
            self._missed_since = now

    def proven(self, now: float) -> bool:
        """Whether the socket has kept silent about what REST has told."""
        return self._missed_since is not None and now - self._missed_since >= GRACE_SECONDS
