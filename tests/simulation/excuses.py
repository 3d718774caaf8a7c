"""What troubles excuse, and for how long: by when prices must come again, and who must be served.

Nothing else is excused. Times are trio's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

LONGEST_OPEN_SECONDS = 70.0
"""The breaker's longest wait, with its jitter."""


@dataclass(slots=True)
class OfClient:
    """Of one client: it need not be `served` before, nor see prices in time while it is `slow`; and
    a node may end its connection until `drop`.
    """

    served: float = -math.inf
    slow: float = -math.inf
    drop: float = -math.inf


@dataclass(slots=True)
class Excuses:
    """Of all.

    Until `late` prices may be missing, and an interval may pass after it. What holds prices up
    until `held` loses none: they come at once after it, or at their time. The `upstream` fails
    until then, and its breaker waits some more; replicas of it are `old`.
    """

    late: float = -math.inf
    held: float = -math.inf
    upstream: float = -math.inf
    old: float = -math.inf
    _disturbed: float = -math.inf

    def disturbed(self, now: float, seconds: float) -> None:
        """The cluster has to find a fetcher: so long, once what was before it is over."""
        self._disturbed = max(self._disturbed, now) + seconds
        self.late = max(self.late, self._disturbed)

    def by(self, fresh: float, interval: float) -> float:
        """By when a price must follow one of `fresh`; the way to the client aside."""
        return max(max(fresh, self.late) + interval, self.held)
