"""Which epoch the streamer gives: its process's, or in a cluster that of each shard. Pure.

A node that fetches a shard gives the epoch of its claim. One that is alone gives a new epoch with
each fetch, above all that it knows. So a client that goes from one such node to another is not
shown older prices, and whoever fetches for all again goes above them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from stockstream.quotes import Version
from stockstream.shards import Shard, Sharding, next_epoch, shard, upstream_of
from stockstream.statuses import Holding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stockstream.market.observed import Observed
    from stockstream.quotes import Observation, Symbol
    from stockstream.statuses import QuoteRow

_ROUNDS = 2
"""Of a feed that does not say when it asked: after so many, one began after the claim."""


@dataclass(slots=True)
class _Contest:
    since: int
    rounds: int = _ROUNDS


class Portion(NamedTuple):
    """Observations of one shard, which are given versions of this `epoch`.

    What is made of them counts for all nodes if it is `own`; else it is shown here only.
    """

    observed: Observed
    epoch: int
    own: bool


class Versioning:
    """See the module. `used` are the epochs given while alone.

    A client, or another node that was alone, may have a price in an epoch above this node's. Where
    the price does not change any more, nothing newer would ever come, and word of its state would
    be taken for older. So when this node has claimed a shard above such an epoch, the shard is
    `contested`: what the next fetches confirm is given versions of the new epoch.
    """

    def __init__(self, sharding: Sharding, node: str) -> None:
        """`node` is the name of this one."""
        self._sharding = sharding
        self._node = node
        self.used: dict[Shard, int] = {}
        self._before = Holding()
        self._was_alone = False
        self._contested: dict[Shard, _Contest] = {}

    def begin(self, holding: Holding, steady: int, *, again: bool) -> None:
        """Begin with what is held. A later life does not know what was contested: all may be."""
        self._before = holding
        self._was_alone = holding.alone
        self._contested = {name: _Contest(steady) for name in holding.epochs} if again else {}

    def changed(self, holding: Holding, steady: int) -> None:
        """Take another holding, at that time of the steady clock."""
        before, self._before = self._before, holding
        if holding.alone:
            self._was_alone = True
            return
        for name, epoch in holding.epochs.items():
            known = before.epochs.get(name)
            above = known is not None or name in holding.contested
            if self._was_alone or (known != epoch and above):
                self._contested[name] = _Contest(steady)
        if holding.epochs:
            self._was_alone = False

    def settled(
        self, upstream: str, asked_at: int | None, *, whole: bool = True
    ) -> frozenset[Shard]:
        """Take a round of an upstream that was asked then; the contested shards whose rows are to
        be given new versions by now: it was asked after the claim. If that was not the `whole`, the
        next rounds tell the rest.
        """
        settled = set()
        for name, contest in list(self._contested.items()):
            if upstream_of(name) != upstream:
                continue
            contest.rounds -= 1
            if contest.rounds == 0 if asked_at is None else asked_at >= contest.since:
                settled.add(name)
                if whole:
                    del self._contested[name]
        return frozenset(settled)

    def reissued(
        self, names: frozenset[Shard], holding: Holding, rows: Iterable[QuoteRow]
    ) -> tuple[QuoteRow, ...]:
        """Of these rows those in the shards whose epoch is lower than the claim's, in its epoch."""
        made = []
        for row in rows:
            version = row.quote.version
            of = self._sharding.of(row.source, row.quote.symbol)
            epoch = holding.epochs.get(of, 0)
            if of in names and version.epoch < epoch:
                quote = msgspec.structs.replace(row.quote, version=Version(epoch, version.seq + 1))
                made.append(msgspec.structs.replace(row, quote=quote, traded=None))
        return tuple(made)

    def portions(self, observed: Observed, holding: Holding, now_ms: int) -> list[Portion]:
        """What this node may give versions to; the rest was fetched for a shard that it has lost.

        `now_ms` is the wall clock.
        """
        portions = []
        for name, some in self._by_shard(observed).items():
            if name not in holding.epochs:
                continue
            seen = observed if len(some) == len(observed.observations) else _only(observed, some)
            if holding.alone:
                known = max(holding.highest.get(name, 0), self.used.get(name, 0))
                epoch = self.used[name] = next_epoch(self._node, now_ms, known)
                portions.append(Portion(seen, epoch, name in holding.recording))
            else:
                portions.append(Portion(seen, holding.epochs[name], own=True))
        return portions

    def held(self, rows: Mapping[Symbol, QuoteRow], holding: Holding | None) -> Iterable[QuoteRow]:
        """The rows that this node may say more of; all without a cluster."""
        if holding is None:
            return rows.values()
        return (
            row
            for symbol, row in rows.items()
            if self._sharding.of(row.source, symbol) in holding.epochs
        )

    def _by_shard(self, observed: Observed) -> dict[Shard, Sequence[Observation]]:
        if self._sharding.counts.get(observed.upstream, 1) == 1:
            return {shard(observed.upstream, 0): observed.observations}
        found: dict[Shard, list[Observation]] = {}
        for seen in observed.observations:
            name = self._sharding.of(observed.upstream, seen.symbol)
            found.setdefault(name, []).append(seen)
        return dict(found)


def _only(observed: Observed, some: Sequence[Observation]) -> Observed:
    return replace(observed, observations=tuple(some))
