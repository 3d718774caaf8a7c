"""What the bus counts, over all its lives: the last row is where a new one goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from stockstream.statuses import BusStatus, Traffic
from stockstream.times import Moment

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from stockstream.cluster.pieces import TooLarge
    from stockstream.cluster.wire import UnknownProtocol
    from stockstream.shards import NodeId

TELL_SECONDS = 60.0
"""How often it is logged that messages cannot be read, or are too large: there may be thousands."""
MOST_SENDERS = 1_000
_NONE = Traffic(0, 0)

_log: BoundLogger = structlog.get_logger("bus")


class Counts:
    """See the module."""

    def __init__(self, before: BusStatus | None) -> None:
        self._sent = {} if before is None else dict(before.sent)
        self._received = {} if before is None else dict(before.received)
        self.connections = 0 if before is None else before.connections
        self.dropped = 0 if before is None else before.dropped
        self.gaps = 0 if before is None else before.gaps
        self.pages = 0 if before is None else before.pages
        self._refused = 0 if before is None else before.refused
        self._unreadable = 0 if before is None else before.unreadable
        self._strangers: set[tuple[NodeId, int]] = set()
        self._ahead: set[NodeId] = set()
        self._told_at = -TELL_SECONDS
        self._too_large_told_at: dict[str, float] = {}

    def sent(self, kind: str, size: int) -> None:
        """A message went out."""
        messages, total = self._sent.get(kind, _NONE)
        self._sent[kind] = Traffic(messages + 1, total + size)

    def received(self, kind: str, size: int) -> None:
        """A message came, and could be read."""
        messages, total = self._received.get(kind, _NONE)
        self._received[kind] = Traffic(messages + 1, total + size)

    def drop(self) -> None:
        """A message was not sent, not taken, or came in part only."""
        self.dropped += 1

    def too_large(self, kind: str, error: TooLarge) -> None:
        """A message cannot be sent, in pieces neither."""
        self.dropped += 1
        now = trio.current_time()
        if now >= self._too_large_told_at.get(kind, -TELL_SECONDS) + TELL_SECONDS:
            self._too_large_told_at[kind] = now
            _log.error("a message is too large for NATS", kind=kind, reason=str(error))

    def refuse(self, error: UnknownProtocol) -> None:
        """A message of another version came: one line for each sender."""
        self._refused += 1
        stranger = error.sender, error.protocol
        if stranger not in self._strangers and len(self._strangers) < MOST_SENDERS:
            self._strangers.add(stranger)
            _log.warning("a node of another version is not understood", reason=str(error))

    def refuse_ahead(self, sender: NodeId, epoch: int) -> None:
        """Prices came of an epoch that is too far ahead: one line for each sender."""
        self._refused += 1
        if sender not in self._ahead and len(self._ahead) < MOST_SENDERS:
            self._ahead.add(sender)
            _log.warning(
                "prices are refused: the clock of a node is far ahead",
                node=sender.name,
                epoch=epoch,
            )

    def cannot_read(self, subject: str, size: int, error: Exception) -> None:
        """Something came that is no message of ours."""
        self._unreadable += 1
        now = trio.current_time()
        if now >= self._told_at + TELL_SECONDS:
            self._told_at = now
            _log.warning(
                "messages on the bus cannot be read",
                subject=subject,
                bytes=size,
                reason=str(error),
                in_all=self._unreadable,
            )

    def row(self, before: BusStatus | None, *, up: bool, server: str, reason: str) -> BusStatus:
        """The row of the bus now."""
        same = before is not None and before.up == up
        return BusStatus(
            up=up,
            server=server,
            reason=reason,
            since=before.since if before is not None and same else Moment.now(),
            sent=dict(self._sent),
            received=dict(self._received),
            connections=self.connections,
            dropped=self.dropped,
            refused=self._refused,
            unreadable=self._unreadable,
            gaps=self.gaps,
            pages=self.pages,
        )
