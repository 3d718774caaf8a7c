"""All that this node says on the bus: encoded, cut to what the server takes, sent and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stockstream.cluster.codec import encode, kind
from stockstream.cluster.pieces import TooLarge, cut

if TYPE_CHECKING:
    from stockstream.cluster.counts import Counts
    from stockstream.cluster.link import Link
    from stockstream.cluster.subjects import Subjects
    from stockstream.cluster.wire import Said
    from stockstream.shards import NodeId


class Saying:
    """See the module. `most_bytes` is what the server takes in one message; None without one."""

    def __init__(
        self, me: NodeId, subjects: Subjects, link: Link, counts: Counts, first: int
    ) -> None:
        """Messages in pieces have numbers from `first` on."""
        self._me = me
        self._subjects = subjects
        self._link = link
        self._counts = counts
        self._whole = first
        self.most_bytes: int | None = None

    def say(self, message: Said) -> None:
        """Tell all nodes, now or never."""
        subject = self._subjects.of(message)
        self._send(message, [(subject, data) for data in self._cut(message)])

    def answer(self, message: Said, reply: str, asker: NodeId) -> None:
        """Answer to `reply`, with one message; what does not fit into it goes to the `asker`."""
        pieces = self._cut(message, is_answer=True)
        subjects = [reply, *(self._subjects.to(asker) for _ in pieces[1:])]
        self._send(message, list(zip(subjects, pieces, strict=False)))

    async def say_last(self, message: Said) -> bool:
        """Tell all nodes; whether the server has it."""
        subject, pieces = self._subjects.of(message), self._cut(message)
        if not pieces or not all(self._link.say(subject, data) for data in pieces[:-1]):
            return False
        done = await self._link.say_and_wait(subject, pieces[-1])
        if done:
            self._counts.sent(kind(message), sum(map(len, pieces)))
        return done

    def _cut(self, message: Said, *, is_answer: bool = False) -> list[bytes]:
        """What to send; nothing where that cannot be, which is counted."""
        if self.most_bytes is None:
            self._counts.drop()
            return []
        data = encode(message)
        self._whole += 1
        try:
            return cut(data, self.most_bytes, self._me, self._whole, is_answer=is_answer)
        except TooLarge as error:
            self._counts.too_large(kind(message), error)
            return []

    def _send(self, message: Said, pieces: list[tuple[str, bytes]]) -> None:
        if not all(self._link.say(subject, data) for subject, data in pieces):
            self._counts.drop()
        elif pieces:
            self._counts.sent(kind(message), sum(len(data) for _, data in pieces))
