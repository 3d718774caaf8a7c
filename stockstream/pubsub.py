"""The topic `stock:all`: every batch of prices, for its subscribers.

Subscribers are names in the spec, so they survive a restart of this actor. What it carries is
a hint that comes quickly: the truth stands in the `Quotes` table, where a subscriber that
missed a batch, because this actor or it was down, finds the newest of each symbol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stockstream.messages import QuotesPublished
from supervision import Actor, MailboxPolicy, handles

if TYPE_CHECKING:
    from collections.abc import Sequence


class PubSub(Actor):
    """Hands each published batch to all subscribers, in order."""

    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(bound=10_000)

    def __init__(self, subscribers: Sequence[str]) -> None:
        """`subscribers` are names of actors."""
        self._names = tuple(subscribers)

    async def init(self) -> None:
        """Make refs of the names; a name is still looked up at each send."""
        self._refs = tuple(self.system.ref(name) for name in self._names)

    @handles(QuotesPublished)
    def publish(self, message: QuotesPublished) -> None:
        """Hand a batch on."""
        for ref in self._refs:
            ref.cast(message)
