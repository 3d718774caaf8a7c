"""What a provider allows us, and how long a failed attempt to connect is followed by none. Pure.

Times are by the monotonic clock, in seconds. The levels are kept in a table, so that a feed that
is killed again and again does not connect more often than one that is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.statuses import TokenLevel

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from stockstream.market.providers.push import Bucket

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LONGEST_RETRY_AFTER = 300.0
"""What a provider asks for beyond that is not heeded."""
LINGER_STEP, LINGERING = 0.5, 10
"""How a provider that still holds the last connection is tried again, and after how many times of
that as after any other failure."""


class Tokens:
    """A token bucket, full at first."""

    def __init__(self, bucket: Bucket, level: TokenLevel | None, now: float) -> None:
        self._bucket = bucket
        self._level = level or TokenLevel(bucket.burst, now)

    @property
    def level(self) -> TokenLevel:
        """What to begin with in another life."""
        return self._level

    def wait(self, now: float, count: float = 1) -> float:
        """In how many seconds there will be so many tokens, or as many as there ever are."""
        return max(0.0, min(count, self._bucket.burst) - self._tokens(now)) / self._bucket.rate

    def take(self, now: float, count: float = 1) -> None:
        """Use so many up; a debt is possible."""
        self._level = TokenLevel(self._tokens(now) - count, now)

    def _tokens(self, now: float) -> float:
        tokens, at = self._level
        return min(self._bucket.burst, tokens + (now - at) * self._bucket.rate)


SPARE = 0.9
"""Of what a limit allows, so much is used for what is asked again and again: the rest is there for
what somebody names."""


class Allowance:
    """Several buckets, out of all of which each request is paid."""

    def __init__(
        self, buckets: Sequence[Bucket], levels: Sequence[TokenLevel] | None, now: float
    ) -> None:
        self._buckets = tuple(buckets)
        known: Sequence[TokenLevel | None] = levels or [None] * len(self._buckets)
        self._all = [Tokens(*one, now) for one in zip(self._buckets, known, strict=True)]

    @property
    def levels(self) -> tuple[TokenLevel, ...]:
        """What to begin with in another life."""
        return tuple(tokens.level for tokens in self._all)

    def wait(self, now: float, count: float = 1) -> float:
        """In how many seconds so many may be taken."""
        return max((tokens.wait(now, count) for tokens in self._all), default=0.0)

    def take(self, now: float, count: float = 1) -> None:
        """Use so many up."""
        for tokens in self._all:
            tokens.take(now, count)

    def gap(self, count: float = 1) -> float:
        """Seconds between requests of so many that can go on for ever; 0 without a limit."""
        return max((count / (one.rate * SPARE) for one in self._buckets), default=0.0)


def pause_after(failures: int, rng: random.Random) -> float:
    """How long to wait after so many failed attempts in a row: any time up to a bound that doubles
    with each, so that those whom one fault cut off do not come back at once (full jitter).
    """
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return rng.uniform(0.0, bound)


def pause_while_it_lingers(failures: int, rng: random.Random) -> float:
    """How long to wait for a provider to let go of the connection before."""
    return LINGER_STEP * failures if failures <= LINGERING else pause_after(failures, rng)
