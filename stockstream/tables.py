"""The tables: state that survives the death of any actor. `application.py` makes and passes them.

Each has one writer, by path, or each row of it has; anyone reads. Values are immutable. See
`supervision.Table`. A table of one row is a `supervision.Slot`.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stockstream import paths, spans
from stockstream.audit_inbox import AuditInbox
from stockstream.times import Moment
from supervision import Ownership, Slot, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockstream.histogram import Histogram
    from stockstream.quotes import Symbol
    from stockstream.spans import Traced
    from stockstream.statuses import (
        AlertStatus,
        BusStatus,
        CircuitFigures,
        CircuitStatus,
        ClusterPresence,
        Confirmations,
        DatabaseStatus,
        DrainStatus,
        FeedFigures,
        FeedStatus,
        FetchFigures,
        Holding,
        JobStatus,
        LogArchiveStatus,
        MailStatus,
        MemberFigures,
        Members,
        NoticeFigures,
        PoolFigures,
        PushStatus,
        QuoteRow,
        ReceivedFigures,
        RecorderStatus,
        Routing,
        SocketFacts,
        TokenLevel,
        UpstreamClock,
        WebhookStatus,
    )
    from stockstream.users.credentials import Held, Known


OUTBOX_ROWS = 200_000
"""Quotes that may wait for a recorder: some 60 MB, 40 s of 5,000 a second."""

ALERT_INBOX_ROWS = 50_000
"""Quotes that may wait to be judged by the alerts, which takes microseconds each."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Quotes published together at a moment. `number` rises by one with each of this process.

    Those that are not `own` came from another node of the cluster, or are shown here only. `traced`
    is who published it, where that is traced.
    """

    number: int
    rows: tuple[QuoteRow, ...]
    published: Moment
    own: bool = True
    traced: Traced | None = None


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """`waiting` batches are published and not acknowledged; `last_number` is the newest one's.

    They hold `rows`, the oldest received at `oldest`, in ms since 1970, and published at the moment
    `since`; None when none waits.
    `dropped` rows were replaced by newer ones because the reader did not take them in time.
    """

    waiting: int
    last_number: int
    acknowledged: int
    dropped: int
    rows: int
    oldest: int | None
    since: Moment | None


class Outbox:
    """Published batches until they are acknowledged.

    The streamer appends, the recorder acknowledges. Without a recorder (`reader=None`) nobody
    ever would, so batches are numbered and counted, and not kept. Memory has an end: when more
    than `limit` rows wait, the oldest batches are dropped and counted.
    """

    def __init__(self, *, writer: str, reader: str | None, limit: int = OUTBOX_ROWS) -> None:
        self._appends = Ownership("outbox", writer)
        self._acknowledges = None if reader is None else Ownership("outbox", reader)
        self._waiting: deque[Batch] = deque()
        self._limit = limit
        self._rows = 0
        self._last_number = 0
        self._acknowledged = 0
        self._dropped = 0

    def append(self, rows: Sequence[QuoteRow], *, own: bool = True) -> Batch:
        """Publish: from here on, these rows are not lost by the death of an actor."""
        self._appends.check()
        self._last_number += 1
        batch = Batch(self._last_number, tuple(rows), Moment.now(), own, traced=spans.current())
        if self._acknowledges is not None:
            self._waiting.append(batch)
            self._rows += len(batch.rows)
            while self._rows > self._limit and len(self._waiting) > 1:
                self._dropped += self._forget_oldest()
        return batch

    def waiting(self, limit: int) -> list[Batch]:
        """The oldest batches that wait, at most `limit`."""
        return [self._waiting[index] for index in range(min(limit, len(self._waiting)))]

    def acknowledge(self, number: int) -> None:
        """Forget the batches up to and including `number`: they are safe elsewhere."""
        if self._acknowledges is None:
            raise ValueError("this outbox has no reader, so nothing waits to be acknowledged")
        self._acknowledges.check()
        while self._waiting and self._waiting[0].number <= number:
            self._acknowledged = self._waiting[0].number
            self._forget_oldest()

    def _forget_oldest(self) -> int:
        rows = len(self._waiting.popleft().rows)
        self._rows -= rows
        return rows

    def statistics(self) -> OutboxStatistics:
        """Counts, for operators."""
        first = self._waiting[0].rows if self._waiting else ()
        return OutboxStatistics(
            waiting=len(self._waiting),
            last_number=self._last_number,
            acknowledged=self._acknowledged,
            dropped=self._dropped,
            rows=self._rows,
            oldest=first[0].quote.received if first else None,
            since=self._waiting[0].published if self._waiting else None,
        )


@dataclass(frozen=True, slots=True)
class Subscription:
    """The subscription of one connection. `everything` is the `*` flag; `symbols` is empty then."""

    symbols: frozenset[Symbol] = frozenset()
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """All tables that cross between the product's parts.

    `quotes`: the last quote of each symbol, and the seq its next one counts from. `feeds`,
    `feed_figures`, `fetches`, `quote_ages`, `confirmations`, `upstream_clocks`, `circuits` and
    `circuit_figures`: a row for each upstream, by its name, and so in `refusals`, which are live
    counts of how often each symbol was refused; `stockstream.upstreams` and
    `stockstream.symbol_states` tell what they come to together. `pushes` has a row for each
    upstream that pushes, `allowances` for each that is polled within limits; `routing` is empty
    where there are no providers to choose from. In a cluster, `told_circuits` has the circuit of
    the node that fetches, for each upstream that this node does not fetch from; `bus`, `holding`,
    `members`, `presence` and `received` are slots, which a single node leaves empty. `database`,
    `pools`, `recorder`, `backed_up`, `log_archive`, `alerts`, `webhooks`, `mail`, `notices` and
    `drain` are slots, too: they have one row each, without a key. `jobs` has a row for each job on
    a schedule; `backed_up` is when the last backup was made that is noted here, in ms since 1970;
    `log_archive` says whether the log for restores to a moment is kept. `credentials` are those
    that the database confirmed lately, by the SHA-256 of their secret; `socket_credentials` is what
    each open WebSocket and stream of events was let in by, by its number. `subscriptions` and
    `sockets`: by connection number. `outbox` is for the recorder, `alert_inbox` the same batches
    for the alerts: neither waits for the other. `audit_inbox`: what operators did, until it is
    stored.
    """

    quotes: Table[Symbol, QuoteRow] = field(
        default_factory=lambda: Table("quotes", writer=paths.STREAMER)
    )
    feeds: Table[str, FeedStatus] = field(default_factory=lambda: Table("feeds", writer=paths.feed))
    feed_figures: Table[str, FeedFigures] = field(
        default_factory=lambda: Table("feed_figures", writer=paths.feed)
    )
    fetches: Table[str, FetchFigures] = field(
        default_factory=lambda: Table("fetches", writer=paths.feed)
    )
    quote_ages: Table[str, Histogram] = field(
        default_factory=lambda: Table("quote_ages", writer=paths.STREAMER)
    )
    confirmations: Table[str, Confirmations] = field(
        default_factory=lambda: Table("confirmations", writer=paths.feed)
    )
    refusals: Table[str, Counter[Symbol]] = field(
        default_factory=lambda: Table("refusals", writer=paths.feed)
    )
    upstream_clocks: Table[str, UpstreamClock] = field(
        default_factory=lambda: Table("upstream_clocks", writer=paths.feed)
    )
    circuits: Table[str, CircuitStatus] = field(
        default_factory=lambda: Table("circuits", writer=paths.circuit_breaker)
    )
    circuit_figures: Table[str, CircuitFigures] = field(
        default_factory=lambda: Table("circuit_figures", writer=paths.circuit_breaker)
    )
    pushes: Table[str, PushStatus] = field(
        default_factory=lambda: Table("pushes", writer=paths.feed)
    )
    allowances: Table[str, tuple[TokenLevel, ...]] = field(
        default_factory=lambda: Table("allowances", writer=paths.feed)
    )
    routing: Slot[Routing] = field(default_factory=lambda: Slot("routing", writer=paths.ROUTER))
    told_circuits: Table[str, CircuitStatus] = field(
        default_factory=lambda: Table("told_circuits", writer=paths.feed)
    )
    holding: Slot[Holding] = field(default_factory=lambda: Slot("holding", writer=paths.MEMBERSHIP))
    bus: Slot[BusStatus] = field(default_factory=lambda: Slot("bus", writer=paths.BUS))
    members: Slot[Members] = field(default_factory=lambda: Slot("members", writer=paths.MEMBERSHIP))
    member_figures: Slot[MemberFigures] = field(
        default_factory=lambda: Slot("member_figures", writer=paths.MEMBERSHIP)
    )
    presence: Slot[ClusterPresence] = field(
        default_factory=lambda: Slot("presence", writer=paths.MEMBERSHIP)
    )
    received: Slot[ReceivedFigures] = field(
        default_factory=lambda: Slot("received", writer=paths.STREAMER)
    )
    sockets: Table[int, SocketFacts] = field(
        default_factory=lambda: Table("sockets", writer=paths.WEB)
    )
    subscriptions: Table[int, Subscription] = field(
        default_factory=lambda: Table("subscriptions", writer=paths.SUBSCRIPTION_MANAGER)
    )
    database: Slot[DatabaseStatus] = field(
        default_factory=lambda: Slot("database", writer=paths.DATABASE)
    )
    pools: Slot[PoolFigures] = field(default_factory=lambda: Slot("pools", writer=paths.DATABASE))
    recorder: Slot[RecorderStatus] = field(
        default_factory=lambda: Slot("recorder", writer=paths.RECORDER)
    )
    jobs: Table[str, JobStatus] = field(default_factory=lambda: Table("jobs", writer=paths.job))
    backed_up: Slot[int] = field(
        default_factory=lambda: Slot("backed_up", writer=paths.BACKUP_NOTES)
    )
    log_archive: Slot[LogArchiveStatus] = field(
        default_factory=lambda: Slot("log_archive", writer=paths.LOG_ARCHIVE)
    )
    alerts: Slot[AlertStatus] = field(default_factory=lambda: Slot("alerts", writer=paths.ALERTS))
    mail: Slot[MailStatus] = field(default_factory=lambda: Slot("mail", writer=paths.MAILER))
    webhooks: Slot[WebhookStatus] = field(
        default_factory=lambda: Slot("webhooks", writer=paths.WEBHOOKS)
    )
    credentials: Table[bytes, Known] = field(
        default_factory=lambda: Table("credentials", writer=paths.DOORKEEPER)
    )
    socket_credentials: Table[int, Held] = field(
        default_factory=lambda: Table("socket_credentials", writer=paths.WEB)
    )
    notices: Slot[NoticeFigures] = field(
        default_factory=lambda: Slot("notices", writer=paths.NOTICES)
    )
    drain: Slot[DrainStatus] = field(default_factory=lambda: Slot("drain", writer=paths.WEB))
    outbox: Outbox = field(
        default_factory=lambda: Outbox(writer=paths.STREAMER, reader=paths.RECORDER)
    )
    alert_inbox: Outbox = field(
        default_factory=lambda: Outbox(
            writer=paths.STREAMER, reader=paths.ALERTS, limit=ALERT_INBOX_ROWS
        )
    )
    audit_inbox: AuditInbox = field(
        default_factory=lambda: AuditInbox(writer=paths.WEB, reader=paths.AUDIT)
    )
