"""Which claims a node knows, the highest of each shard. Pure: no clock, no I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from stockstream.shards import MOST_BROUGHT_AHEAD_MS, Claim
from stockstream.times import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stockstream.shards import NodeId, Shard

NOBODY = Claim(0, "", 0)
MOST_AHEAD_MS = DAY_MS
"""An epoch further ahead of the clock is refused: what it says would hold for days."""
REMEMBERED_ECHOES = 6
"""Who does not tell a claim that was known and told here so long ago does not believe it."""


def is_too_far_ahead(epoch: int, now_ms: int) -> bool:
    """Whether an epoch that somebody tells is to be refused, and all that is of it."""
    return epoch > now_ms + MOST_AHEAD_MS


class ClaimBook:
    """The claims of `shards`. `highest` is the highest epoch of any shard, also of one not here:
    there may be fewer than there were.
    """

    def __init__(
        self, shards: Iterable[Shard], claims: Mapping[Shard, Claim], highest: int
    ) -> None:
        self._claims = {shard: claims.get(shard, NOBODY) for shard in shards}
        self.highest = highest
        self._known: deque[dict[Shard, Claim]] = deque(maxlen=REMEMBERED_ECHOES)

    def __contains__(self, shard: Shard) -> bool:
        return shard in self._claims

    def __getitem__(self, shard: Shard) -> Claim:
        return self._claims[shard]

    def all(self) -> dict[Shard, Claim]:
        """The claim of each shard."""
        return dict(self._claims)

    def of(self, node: NodeId) -> frozenset[Shard]:
        """The shards whose claim is the node's."""
        return frozenset(shard for shard, claim in self._claims.items() if claim.node == node)

    def take(self, claims: Mapping[Shard, Claim], now_ms: int) -> int | None:
        """Take in what is told. The answer is the highest epoch that was refused."""
        refused = None
        for shard, claim in claims.items():
            if is_too_far_ahead(claim.epoch, now_ms):
                refused = max(claim.epoch, refused or 0)
            else:
                self.add(shard, claim)
        return refused

    def bring(self, shard: Shard, epoch: int, now_ms: int) -> None:
        """A version of that epoch exists, and nobody tells who has given it."""
        if epoch <= now_ms + MOST_BROUGHT_AHEAD_MS:
            self.add(shard, NOBODY._replace(epoch=epoch))

    def add(self, shard: Shard, claim: Claim) -> None:
        """The higher one holds."""
        self.highest = max(self.highest, claim.epoch)
        if shard in self._claims:
            self._claims[shard] = max(self._claims[shard], claim)

    def note(self) -> None:
        """An echo: what is known now, everybody has been told."""
        self._known.append(self.all())

    def begin_again(self) -> None:
        """What was told meanwhile may not have been heard."""
        self._known.clear()

    def agrees(self, told: Mapping[Shard, Claim]) -> bool:
        """Whether who tells these claims follows those that have long been told here."""
        if len(self._known) < REMEMBERED_ECHOES:
            return True
        return all(told.get(shard, NOBODY) >= claim for shard, claim in self._known[0].items())
