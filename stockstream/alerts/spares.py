"""Which alerts are this node's to store and tell, and spares of the others'. No I/O, no clock.

Every node of a cluster judges every price, so that standings, windows and cool-downs are on all
nodes what they are where the price was fetched. The node that records a symbol's prices stores and
tells its alerts. The others keep theirs for a minute: whoever takes the symbol over stores what its
predecessor may have left undone. The database has each alert once, and a node tells each id once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.alerts.rules import Rule
    from stockstream.messages import Alert
    from stockstream.quotes import Symbol
    from stockstream.shards import Sharding
    from stockstream.statuses import Holding
    from supervision import Slot

SPARE_MS = 60_000
"""How long a spare is kept: a takeover is over within some seconds."""
MOST_SPARES = 10_000
"""Some 5 MB; beyond it the oldest are dropped."""


class Recording:
    """What of the cluster's alerts is this node's, by the row of its holding.

    Without a row there is no cluster, and all is. An alert belongs to who records the shard that
    its price came from: the shards of a symbol at other upstreams may be at other nodes.
    """

    def __init__(self, holding: Slot[Holding], sharding: Sharding) -> None:
        self._holding = holding
        self._sharding = sharding

    @property
    def in_cluster(self) -> bool:
        """Whether there are other nodes to be told."""
        return self._holding.value is not None

    @property
    def alone(self) -> bool:
        """Whether this node cannot reach the others: what it sees may be its own prices only."""
        holding = self._holding.value
        return holding is not None and holding.alone

    def __call__(self, symbol: Symbol, source: str | None) -> bool:
        """Whether this node records the symbol's prices that come from this upstream; None: from
        any that tells it.
        """
        holding = self._holding.value
        if holding is None:
            return True
        if source is None:
            return not holding.recording.isdisjoint(self._sharding.everywhere(symbol))
        return self._sharding.of(source, symbol) in holding.recording


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

    def take(self, records: Callable[[Symbol, str | None], bool], now: int) -> list[Spare]:
        """Those of what this node records now, the oldest first; old ones are dropped."""
        while self._kept and now - self._kept[0].since > SPARE_MS:
            self._kept.popleft()
        taken, others = list[Spare](), list[Spare]()
        for spare in self._kept:
            ours = records(spare.alert.symbol, spare.alert.source)
            (taken if ours else others).append(spare)
        if taken:
            self._kept = deque(others, maxlen=MOST_SPARES)
        return taken
