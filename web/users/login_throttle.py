"""How often a login may be tried. No I/O, and no clock of its own.

A guess is counted before the password is looked at: who sends many at once gets no more than who
waits for each answer. So each `check` that lets one in is followed by one of the three other
methods. Where none follows, as the client went away, it stays counted as a failure.

Failures of a user's unknown devices are counted together, and the pauses between them grow. A
device that the user has logged in from before is counted by itself alone, so nobody else can lock
it out, from whatever address and however often. What is proven of guesses per day stands in the
test.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.limits import Buckets, Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

FIVE_MINUTES = 300.0
MOST_USERS = 16_384
"""More than can fail in the time that failures are remembered: all of them share a limit, too."""

BY_USER = Limit("login_user", burst=10, seconds=FIVE_MINUTES, keys=MOST_USERS)
BY_DEVICE = Limit("login_device", burst=10, seconds=FIVE_MINUTES, keys=2_048)
BY_HOLDER = Limit("login_address", burst=10, seconds=FIVE_MINUTES, keys=8_192)
IN_ALL = Limit("login_all", burst=1_000, seconds=FIVE_MINUTES, keys=1)
ALL = "all"
PAUSE = "login_pause"

FREE_FAILURES = 5
"""So many failures of a user come without a pause after them."""
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
FORGET_SECONDS = 3_600.0
"""Without a failure for so long, a user's failures are forgotten. Shorter than 11 of the longest
pauses, and it would be worth an attacker's while to wait."""

GUESSES_PER_DAY = 1_449
"""So often at most an unknown device may guess one user's password in 24 hours: 11 times in the
first 63 s, then once a minute."""


@dataclass(slots=True)
class _Streak:
    """A user's failures on unknown devices, and when the last of them was."""

    failures: int
    last: float

    def pause(self) -> float:
        """Seconds between the last failure and the next attempt."""
        beyond = self.failures - FREE_FAILURES
        if beyond < 0:
            return 0.0
        # Bounded: a float ends at 2 ** 1024.
        return min(LONGEST_PAUSE_SECONDS, math.ldexp(FIRST_PAUSE_SECONDS, min(beyond, 10)))


class LoginThrottle:
    """Counts failed logins. Made once; outlives every life of `web`.

    `user` is the name that was typed, as accounts compare names, whether there is such an account
    or not. `holder` is that of the `Caller`. `device` is from a cookie that an earlier good login
    of this very user has left, and None for any other; times are seconds.
    """

    def __init__(self) -> None:
        self.by_user, self.by_device = Buckets(BY_USER), Buckets(BY_DEVICE)
        self.by_holder, self.in_all = Buckets(BY_HOLDER), Buckets(IN_ALL)
        self._streaks: OrderedDict[str, _Streak] = OrderedDict()
        # All are there from the begin: what appears with a 1 is no rise to a Prometheus.
        self._refused = Counter(
            dict.fromkeys((BY_USER.name, PAUSE, BY_HOLDER.name, IN_ALL.name), 0)
        )
        self._outcomes: Counter[str] = Counter()

    def check(self, user: str, holder: str, device: str | None, now: float) -> float | None:
        """Let a login be tried, and count it: None; or the seconds to wait before the next try."""
        if device is not None:
            return self.by_device.take(_of(user, device), now) or None
        waits = {
            BY_USER.name: self.by_user.wait(user, now),
            PAUSE: self._pause(user, now),
            BY_HOLDER.name: self.by_holder.wait(holder, now),
            IN_ALL.name: self.in_all.wait(ALL, now),
        }
        reason = max(waits, key=lambda name: waits[name])
        if waits[reason] > 0:
            self._refused[reason] += 1
            return waits[reason]
        self.by_user.take(user, now)
        self._count(user, now)
        return None

    def failed(self, user: str, holder: str, device: str | None, now: float) -> None:
        """The password was wrong, or there is no such user."""
        self._outcomes["wrong"] += 1
        if device is not None:
            return
        # These two are shared with others' logins, so only what has failed counts.
        self.by_holder.take(holder, now)
        self.in_all.take(ALL, now)
        streak = self._streaks.get(user)
        if streak is not None:
            streak.last = max(streak.last, now)

    def succeeded(self, user: str, device: str | None, now: float) -> None:
        """It was right. That forgives no failure: an attacker is to gain nothing from it."""
        self._outcomes["right"] += 1
        self._forgive(user, device, now)

    def not_judged(self, user: str, device: str | None, now: float) -> None:
        """Nobody looked at the password: the database was away, say."""
        self._outcomes["not_looked_at"] += 1
        self._forgive(user, device, now)

    def _forgive(self, user: str, device: str | None, now: float) -> None:
        if device is not None:
            self.by_device.give_back(_of(user, device), now)
            return
        self.by_user.give_back(user, now)
        streak = self._streaks.get(user)
        if streak is None:
            return
        streak.failures -= 1
        if streak.failures <= 0:
            del self._streaks[user]

    def refused(self) -> Mapping[str, int]:
        """How many attempts were told to wait, by the limit that they had met."""
        return {**self._refused, BY_DEVICE.name: self.by_device.statistics().refused}

    def outcomes(self) -> Mapping[str, int]:
        """How many attempts were right, wrong, told to wait, or not looked at."""
        known = ("right", "wrong", "not_looked_at")
        counts = {name: self._outcomes[name] for name in known}
        return counts | {"told_to_wait": sum(self.refused().values())}

    def _pause(self, user: str, now: float) -> float:
        streak = self._streaks.get(user)
        if streak is None or now - streak.last >= FORGET_SECONDS:
            return 0.0
        return max(0.0, streak.last + streak.pause() - now)

    def _count(self, user: str, now: float) -> None:
        streaks = self._streaks
        streak = streaks.pop(user, None)
        while streaks:
            oldest = next(iter(streaks))
            if len(streaks) < MOST_USERS and now - streaks[oldest].last < FORGET_SECONDS:
                break
            del streaks[oldest]
        if streak is None or now - streak.last >= FORGET_SECONDS:
            streak = _Streak(0, now)
        streak.failures += 1
        streak.last = now
        streaks[user] = streak


def _of(user: str, device: str) -> str:
    return f"{len(user)}:{user}:{device}"
