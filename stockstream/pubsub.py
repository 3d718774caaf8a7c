"""Topics: `stock:all` for every batch, `stock:<SYMBOL>` for one symbol's part of it.

Subscribers are names in the spec, so they survive a restart of this actor. What it carries is
a hint that comes quickly: the truth stands in the `Quotes` table, where a subscriber that
missed a batch, because this actor or it was down, finds the newest of each symbol.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from stockstream.messages import QuotesPublished
from supervision import Actor, MailboxPolicy, handles

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervision import ActorRef

ALL = "stock:all"


def topic_of(symbol: str) -> str:
    """The topic of one symbol."""
    return f"stock:{symbol}"


class PubSub(Actor):
    """Hands each published batch to the subscribers of its topics, in order."""

    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(bound=10_000)

    def __init__(self, subscribers: Mapping[str, Sequence[str]]) -> None:
        """`subscribers` are names of actors by topic."""
        self._names = {topic: tuple(names) for topic, names in subscribers.items()}
        self._refs: dict[str, tuple[ActorRef, ...]] = {}
        self.published = 0

    async def init(self) -> None:
        """Resolve names to refs; a name is still looked up at each send."""
        for topic, names in self._names.items():
            if not topic.startswith("stock:"):
                raise ValueError(f"no topic is called {topic!r}: stock:all or stock:<SYMBOL>")
            self._refs[topic] = tuple(self.system.ref(name) for name in names)

    @handles(QuotesPublished)
    def publish(self, message: QuotesPublished) -> None:
        """Hand the batch on: whole to `stock:all`, in parts to the topics of its symbols."""
        self.published += 1
        for ref in self._refs.get(ALL, ()):
            ref.cast(message)
        if len(self._refs) <= (ALL in self._refs):
            return
        for row in message.rows:
            for ref in self._refs.get(topic_of(row.quote.symbol), ()):
                ref.cast(QuotesPublished(message.number, (row,)))
