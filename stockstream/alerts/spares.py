"""Which alerts are this node's to store and tell, and spares of the others'. No I/O, no clock.

Every node of a cluster judges every price, so that standings, windows and cool-downs are on all
nodes what they are where the price was fetched. The node that records a symbol's prices stores and
tells its alerts. The others keep theirs for a minute: whoever takes the symbol over stores what its
predecessor may have left undone. The database has each alert once, and a node tells each id once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from stockstream.shards import index_of, part_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.alerts.rules import Rule
    from stockstream.messages import Alert
    from stockstream.quotes import Symbol
    from stockstream.statuses import Holding
    from supervision import Slot

SPARE_MS = 60_000
"""How long a spare is kept: a takeover is over within some seconds."""
MOST_SPARES = 10_000
"""Some 5 MB; beyond it the oldest are dropped."""


class Recording:
    """What of the cluster's alerts is this node's, by the row of its holding.

    Without a row there is no cluster, and all is. A symbol's part has the same name at each
    upstream; who records one of these parts records the symbol.
    """

    def __init__(self, holding: Slot[Holding], shards_per_upstream: int) -> None:
        self._holding = holding
        self._count = shards_per_upstream
        self._read: Holding | None = None
        self._parts: frozenset[str] = frozenset()

    @property
    def in_cluster(self) -> bool:
        """Whether there are other nodes to be told."""
        return self._holding.value is not None

    @property
    def alone(self) -> bool:
        """Whether this node cannot reach the others: what it sees may be its own prices only."""
        holding = self._holding.value
        return holding is not None and holding.alone

    def __call__(self, symbol: Symbol) -> bool:
        """Whether this node records the symbol's prices."""
        holding = self._holding.value
        if holding is None:
            return True
        if holding is not self._read:
            self._read = holding
            self._parts = frozenset(map(part_of, holding.recording))
        return str(index_of(symbol, self._count)) in self._parts


class Spare(NamedTuple):
    """An alert that another node is to store and tell, since a moment of the monotonic clock."""

    since: int
    rule: Rule
    alert: Alert


class Spares:
    """See the module. Times are in ms of the monotonic clock."""

    def __init__(self) -> None:
        self._kept: deque[Spare] = deque(maxlen=MOST_SPARES)

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, rule: Rule, alert: Alert, now: int) -> None:
        """Keep an alert for the case that this node takes its symbol over."""
        self._kept.append(Spare(now, rule, alert))

    def take(self, records: Callable[[Symbol], bool], now: int) -> list[Spare]:
        """Those of symbols that this node records now, the oldest first; old ones are dropped."""
        while self._kept and now - self._kept[0].since > SPARE_MS:
            self._kept.popleft()
        taken = [spare for spare in self._kept if records(spare.alert.symbol)]
        if taken:
            others = [spare for spare in self._kept if not records(spare.alert.symbol)]
            self._kept = deque(others, maxlen=MOST_SPARES)
        return taken
