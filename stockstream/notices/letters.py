"""The notices that wait to be posted to the operators' address: one after another, in order.

No I/O and no clock of its own. A notice stays until it was taken, was refused for good, or was
tried for an hour. It outlives the actor that posts: one that was under way is posted again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from stockstream.alerts.posting import Letter
from stockstream.alerts.shares import Pauses

if TYPE_CHECKING:
    from stockstream.alerts.posting import Outcome
    from stockstream.notices.notice import Notice

MOST_WAITING = 100
RETRY_FOR_SECONDS = 3_600.0
PAUSES = Pauses(first=1.0, longest=60.0)


OPERATORS = "the operators of a node"
"""The owner whose secret the posts are signed with. No user is called so."""


def letter_of(notice: Notice, address: str) -> Letter:
    """What is posted, and where."""
    body = msgspec.json.encode(notice)
    return Letter(address, body, OPERATORS, ("StockStream-Notice", notice.id))


@dataclass(slots=True)
class _Letter:
    notice: Notice
    since: float


class Letters:
    """See the module. Counts are of the process."""

    def __init__(self, pauses: Pauses = PAUSES, retry_for: float = RETRY_FOR_SECONDS) -> None:
        self.delivered = self.failed = self.given_up = self.dropped = 0
        self._pauses = pauses
        self._retry_for = retry_for
        self._waiting: deque[_Letter] = deque()
        self._failures = 0
        self._rests_until = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, notice: Notice, now: float) -> None:
        """Have it posted. When too many wait, the oldest one that is not under way gives way."""
        self._waiting.append(_Letter(notice, now))
        if len(self._waiting) > MOST_WAITING:
            del self._waiting[1]
            self.dropped += 1

    def clear(self) -> None:
        """Nobody is to get what waits: there is no address any more."""
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._failures, self._rests_until = 0, 0.0

    @property
    def first(self) -> Notice | None:
        """The one to be posted next; None when none waits."""
        return self._waiting[0].notice if self._waiting else None

    def due(self, now: float) -> float:
        """In how many seconds the first one may be posted."""
        return max(self._rests_until - now, 0.0)

    def ended(self, notice: Notice, outcome: Outcome, now: float) -> bool:
        """A try has ended so. Whether the notice is given up by that."""
        if outcome.reason is None:
            self.delivered += 1
            self._failures, self._rests_until = 0, 0.0
            self._remove(notice)
            return False
        self.failed += 1
        letter = next((one for one in self._waiting if one.notice is notice), None)
        if outcome.final or (letter is not None and now - letter.since >= self._retry_for):
            self.given_up += 1
            self._remove(notice)
            given_up = True
        else:
            given_up = False
        self._failures += 1
        self._rests_until = now + max(self._pauses.after(self._failures), outcome.asked or 0.0)
        return given_up

    def _remove(self, notice: Notice) -> None:
        self._waiting = deque(one for one in self._waiting if one.notice is not notice)
