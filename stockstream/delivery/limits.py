"""Limits of what a client may ask: a rate of messages, and a number of bad ones. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

BAD_MESSAGES = 10
BAD_MESSAGES_SECONDS = 60.0
"""So many bad messages within so many seconds, and the connection is closed."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Limits of one client, told in `welcome`: sizes in bytes, `rate` in messages per second."""

    message_size: int
    rate: float
    burst: int
    symbols: int


class TokenBucket:
    """`burst` at once, `rate` per second in the long run; times in seconds, passed in."""

    __slots__ = ("_burst", "_rate", "_tokens", "updated")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self.updated = now

    def take(self, now: float, tokens: float = 1) -> bool:
        """Take so many, if there are so many. A `now` before the last one is as good as that."""
        if self.left(now) < tokens:
            return False
        self._tokens -= tokens
        return True

    def give_back(self, now: float, tokens: float = 1) -> None:
        """Put back what was taken for nothing."""
        self._tokens = min(self._burst, self.left(now) + tokens)

    def left(self, now: float) -> float:
        """How many there are."""
        passed = max(0.0, now - self.updated)
        self._tokens = min(self._burst, self._tokens + passed * self._rate)
        self.updated += passed
        return self._tokens

    def wait(self, now: float, tokens: float = 1) -> float:
        """Seconds until there are so many; 0 when there are."""
        return max(0.0, tokens - self.left(now)) / self._rate


class Strikes:
    """Counts up to `limit` events within `seconds`."""

    __slots__ = ("_limit", "_seconds", "_stamps")

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        # Not a deque: an empty one is 600 bytes, and it stays empty for nearly all clients.
        self._stamps: tuple[float, ...] = ()

    def add(self, now: float) -> bool:
        """Count one; whether this makes it `limit` of them within `seconds`."""
        self._stamps = (*self._stamps, now)[-self._limit :]
        return len(self._stamps) == self._limit and now - self._stamps[0] <= self._seconds
