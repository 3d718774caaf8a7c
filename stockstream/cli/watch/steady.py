"""The server's monotonic clock, read on ours: what the dashboard does in `steady.js`.

Each message says when it was made (`steady`). From that and from when it came follows what any
other time of that clock is here. The message that travelled fastest tells the difference best; one
that waited in a socket for ten seconds is seen to be old. What all of them waited for cannot be
seen in them, but the round trip of a ping bounds it: ages take the whole of it, so they are never
too young. All times are in ms.
"""

from __future__ import annotations

import math

FORGOTTEN = 0.001
"""Clocks drift apart, and a path may become longer for good: a least value is forgotten at this
rate, ms per ms. Ten times what two bad quartzes differ by."""

STOOD_STILL_MS = 1_000
"""Our clock standing still for less than this does no harm."""


class _Least:
    """The least of the values seen, as long as it was seen lately."""

    def __init__(self) -> None:
        self._value = math.inf
        self._seen_at = 0.0

    def at(self, now: float) -> float:
        return self._value + max(0.0, now - self._seen_at) * FORGOTTEN

    def see(self, value: float, now: float) -> None:
        if value <= self.at(now):
            self._value, self._seen_at = value, now


class SteadyClock:
    """The clock at the other end of one connection; `begin` with each new one."""

    def __init__(self) -> None:
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Forget what was known: at the other end may be another process."""
        self._difference = _Least()
        self._round_trip = _Least()
        self._asked_at: float | None = now

    def observe(self, steady: float, now: float) -> float:
        """Take a message made at `steady` that came `now`.

        Returns by how much our clock stood still before, as on a machine that slept: times that
        were kept are too young by that. 0 when it did not.
        """
        before, difference = self._difference.at(now), now - steady
        self._difference.see(difference, now)
        stood_still = before - difference
        return stood_still if math.isfinite(before) and stood_still > STOOD_STILL_MS else 0.0

    def answered(self, round_trip: float, now: float) -> None:
        """Take the answer to a ping."""
        self._round_trip.see(round_trip, now)
        self._asked_at = None

    def here(self, steady: float, now: float) -> float:
        """A time of the server's clock on ours, at the earliest that it can have been."""
        asked_at = self._asked_at
        waited = self._round_trip.at(now) if asked_at is None else now - asked_at
        return steady + self._difference.at(now) - waited
