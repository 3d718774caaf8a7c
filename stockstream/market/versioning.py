"""Which epoch the streamer gives: its process's, or in a cluster that of each shard. Pure.

A node that fetches a shard gives the epoch of its claim. One that is alone gives a new epoch with
each fetch, above all that it knows. So a client that goes from one such node to another is not
shown older prices, and whoever fetches for all again goes above them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from stockstream.shards import Shard, shard, shard_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.market.observed import Observed
    from stockstream.quotes import Observation
    from stockstream.statuses import Holding


class Part(NamedTuple):
    """Observations of one shard, which are given versions of this `epoch`.

    What is made of them counts for all nodes if it is `own`; else it is shown here only.
    """

    observed: Observed
    epoch: int
    own: bool


class Versioning:
    """See the module. `used` are the epochs given while alone."""

    def __init__(self, shards_per_upstream: int) -> None:
        self._count = shards_per_upstream
        self.used: dict[Shard, int] = {}

    def parts(self, observed: Observed, holding: Holding, now_ms: int) -> list[Part]:
        """What this node may give versions to; the rest was fetched for a shard that it has lost.

        `now_ms` is the wall clock.
        """
        parts = []
        for name, some in self._by_shard(observed).items():
            if name not in holding.epochs:
                continue
            part = observed if len(some) == len(observed.observations) else _only(observed, some)
            if holding.alone:
                known = max(holding.highest.get(name, 0), self.used.get(name, 0))
                epoch = self.used[name] = max(now_ms, known + 1)
                parts.append(Part(part, epoch, name in holding.recording))
            else:
                parts.append(Part(part, holding.epochs[name], own=True))
        return parts

    def _by_shard(self, observed: Observed) -> dict[Shard, Sequence[Observation]]:
        if self._count == 1:
            return {shard(observed.upstream, 0): observed.observations}
        found: dict[Shard, list[Observation]] = {}
        for seen in observed.observations:
            name = shard_of(observed.upstream, seen.symbol, self._count)
            found.setdefault(name, []).append(seen)
        return dict(found)


def _only(observed: Observed, some: Sequence[Observation]) -> Observed:
    return replace(observed, observations=tuple(some))
