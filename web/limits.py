"""The one kind of limit that the front end has: a token bucket for each key, in a bounded store.

A key is whom something is counted for: a user, or the `holder` of a `Caller`. There is no I/O and
no clock here: whoever asks says what time it is. Made once; outlives every life of `web`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from stockstream.delivery.limits import TokenBucket

FORGOTTEN_AT_ONCE = 2
"""Buckets that are full again are forgotten as others are used, faster than new ones come."""


@dataclass(frozen=True, slots=True)
class Limit:
    """`burst` at once; an empty bucket is full again after `seconds`, in an even flow.

    At most `keys` buckets are remembered, and the least recently used is forgotten first: nobody
    loses one to those that another limit counts. With `shut`, one that was found empty gives
    nothing until it is full.
    """

    name: str
    burst: int
    seconds: float
    keys: int
    shut: bool = False

    @property
    def rate(self) -> float:
        """Tokens per second in the long run."""
        return self.burst / self.seconds


@dataclass(frozen=True, slots=True)
class Statistics:
    """Buckets that are remembered, and how often one was found empty."""

    keys: int
    refused: int


class _Bucket(TokenBucket):
    """`told` since it was found empty; then it may be shut."""

    __slots__ = ("told",)

    def __init__(self, rate: float, burst: int, now: float) -> None:
        super().__init__(rate, burst, now)
        self.told = False


class Buckets:
    """The buckets of one limit, by key."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._rate = limit.rate
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._refused = 0

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, key: str, now: float) -> float:
        """Seconds until `key` may take one; 0 when it may. Takes nothing."""
        bucket = self._known(key)
        return 0.0 if bucket is None else self._wait(bucket, now)

    def take(self, key: str, now: float) -> float:
        """Take one for `key`. Returns 0, or the seconds to wait; then nothing was taken."""
        return self.ask(key, now)[0]

    def ask(self, key: str, now: float) -> tuple[float, bool]:
        """The same, and whether it is news that `key` is to wait, as `refuse` says."""
        bucket = self._known(key) or self._new(key, now)
        if self._wait(bucket, now):
            news = self.refuse(key)
            return self._wait(bucket, now), news  # longer where that has shut it
        bucket.told = False
        bucket.take(now)
        return 0.0, False

    def refuse(self, key: str) -> bool:
        """Count that `key` was told to wait; whether that is news, after all that it has taken."""
        self._refused += 1
        bucket = self._known(key)
        if bucket is None or bucket.told:
            return False
        bucket.told = True
        return True

    def give_back(self, key: str, now: float) -> None:
        """Return one that was taken for nothing."""
        bucket = self._known(key)
        if bucket is not None:
            bucket.give_back(now)

    def left(self, key: str, now: float) -> int:
        """How many `key` may take at once."""
        bucket = self._known(key)
        if bucket is None:
            return self.limit.burst
        return 0 if self._wait(bucket, now) else int(bucket.left(now))

    def statistics(self) -> Statistics:
        """Counts, for operators."""
        return Statistics(len(self._buckets), self._refused)

    def _wait(self, bucket: _Bucket, now: float) -> float:
        shut = self.limit.shut and bucket.told
        return bucket.wait(now, self.limit.burst if shut else 1)

    def _known(self, key: str) -> _Bucket | None:
        """The bucket of a key, which becomes the one used last."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
        return bucket

    def _new(self, key: str, now: float) -> _Bucket:
        """One more bucket; the longest unused are forgotten when they are full, or if they must."""
        buckets, limit = self._buckets, self.limit
        for _ in range(min(FORGOTTEN_AT_ONCE, len(buckets))):
            oldest = next(iter(buckets))
            is_full = now - buckets[oldest].updated >= limit.seconds
            if not is_full and len(buckets) < limit.keys:
                break
            del buckets[oldest]
        bucket = buckets[key] = _Bucket(self._rate, limit.burst, now)
        return bucket
