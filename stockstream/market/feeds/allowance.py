"""What a provider allows us, and how long a failed attempt to connect is followed by none. Pure.

Times are by the monotonic clock, in seconds. The levels are kept in a table, so that a feed that
is killed again and again does not connect more often than one that is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.statuses import TokenLevel

if TYPE_CHECKING:
    import random

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

    def wait(self, now: float) -> float:
        """In how many seconds there will be a token."""
        return max(0.0, 1.0 - self._tokens(now)) / self._bucket.rate

    def take(self, now: float) -> None:
        """Use one up; a debt is possible."""
        self._level = TokenLevel(self._tokens(now) - 1.0, now)

    def _tokens(self, now: float) -> float:
        tokens, at = self._level
        return min(self._bucket.burst, tokens + (now - at) * self._bucket.rate)


def pause_after(failures: int, rng: random.Random) -> float:
    """How long to wait after so many failed attempts in a row: any time up to a bound that doubles
    with each, so that those whom one fault cut off do not come back at once (full jitter).
    """
    bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return rng.uniform(0.0, bound)


def pause_while_it_lingers(failures: int, rng: random.Random) -> float:
    """How long to wait for a provider to let go of the connection before."""
    return LINGER_STEP * failures if failures <= LINGERING else pause_after(failures, rng)
