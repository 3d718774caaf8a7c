"""The actor `bus`: the gateway to NATS, and so to all other nodes.

It tells them what this node publishes, and hands what they tell to whom it concerns. It finds out
what it missed of their prices and asks for it, and answers what others ask. Its messages are those
of `stockstream/cluster/messages.py`. Nothing is kept for later: what cannot be sent now is dropped,
and its receivers find the gap.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import msgspec
import structlog
import trio

from stockstream import paths, spans
from stockstream.cluster.codec import decode_told, decode_told_or_piece, kind
from stockstream.cluster.counts import Counts
from stockstream.cluster.filling import Filling
from stockstream.cluster.gaps import first_number
from stockstream.cluster.link import Arrived, Down, Link, Silence, Up
from stockstream.cluster.messages import (
    AccessChanged,
    AskWants,
    BusDown,
    BusUp,
    BusWanted,
    Heard,
    NobodyThere,
    Probe,
    Say,
    SayLast,
    TableFull,
)
from stockstream.cluster.pieces import Piece, Pieces
from stockstream.cluster.prices import Page, Prices, parts, taken
from stockstream.cluster.questions import Answerer, Asker
from stockstream.cluster.revoking import heard_of, revoked
from stockstream.cluster.saying import Saying
from stockstream.cluster.speakers import Speakers
from stockstream.cluster.states import HearingStates, State, StateWanted, TellingStates
from stockstream.cluster.subjects import Subjects
from stockstream.cluster.wire import (
    AlertsTold,
    ClaimMessage,
    Heartbeat,
    ProbeMessage,
    Revoked,
    RulesTold,
    UnknownProtocol,
    Wants,
    WantsWanted,
)
from stockstream.messages import (
    AccountChanged,
    BatchesLost,
    BatchReceived,
    CredentialsEnded,
    QuotesPublished,
    RulesChanged,
    TellAlerts,
    UpstreamTold,
)
from stockstream.times import Moment, now_ms
from supervision import Actor, Caller, MailboxPolicy, correlation_id, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.asyncio_thread import AsyncioThread
    from stockstream.cluster.codec import Told
    from stockstream.cluster.nats_access import NatsAccess
    from stockstream.cluster.wire import Said
    from stockstream.shards import NodeId
    from stockstream.statuses import QuoteRow
    from stockstream.tables import Tables

PROBE_SECONDS = 0.2
ANSWER_SECONDS = 2.0
LAST_SECONDS = 1.0
STATE_PAUSE_SECONDS = 1.0
COUNT_SECONDS = 1.0
"""How often the row is written for the sake of its counts alone."""

_log: BoundLogger = structlog.get_logger("bus")


@dataclass(frozen=True, slots=True)
class BusSettings:
    """Who this node is, which `cluster` it belongs to, and where NATS is."""

    me: NodeId
    cluster: str
    access: NatsAccess


class _Count:
    """Time to write down the counts."""


class Bus(Actor):
    """See the module. It tells `State` messages to the feeds of these `upstreams` only."""

    owns_tasks: ClassVar[bool] = True
    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(bound=10_000)

    def __init__(
        self,
        settings: BusSettings,
        tables: Tables,
        asyncio_thread: AsyncioThread,
        upstreams: Sequence[str],
    ) -> None:
        self._me = settings.me
        self._subjects = Subjects(settings.cluster, settings.me)
        self._tables = tables
        self._asyncio_thread = asyncio_thread
        self._upstreams = frozenset(upstreams)
        self._counts = Counts(tables.bus.value)
        self._link = Link(
            settings.access,
            f"stockstream {settings.me.name}",
            self._subjects.answers,
            self._subjects.heard,
            self._counts.drop,
        )
        self._up = self._knows = False  # whether there is a connection; whether that is known
        self._server = ""
        self._reason = "not connected yet"
        self._downs: set[Down] = set()
        self._pieces = Pieces(self._counts.drop)
        self._asker = Asker(self._subjects, self._link, self._counts, self._pieces)
        self._filling = Filling(settings.me, tables, self._asker)
        self._gaps_before = self._counts.gaps
        self._speakers = Speakers()
        self._hearing = HearingStates()
        self._states_asked: set[tuple[NodeId, str]] = set()

    async def init(self) -> None:
        """Begin to connect. Until then, there is no connection."""
        self._membership = self.system.ref(paths.MEMBERSHIP)
        self._streamer = self.system.ref(paths.STREAMER)
        self._alerts = self.system.ref(paths.ALERTS)
        self._doorkeeper = self.system.ref(paths.DOORKEEPER)
        # What a bus had in hand when it died is lost: the numbers say so.
        self._number = first_number(self.generation)
        self._telling = TellingStates(self._me, self._number)
        self._saying = Saying(self._me, self._subjects, self._link, self._counts, self._number)
        self._answerer = Answerer(self._me, self._tables, self._telling, self._saying, self._counts)
        self._knows = self.generation > 1  # that of the last life is gone
        self._write_row()
        self._tell_state()
        self.send_every(COUNT_SECONDS, _Count())
        self.tasks.start_soon(self._run)

    @handles(_Count)
    def _on_count(self, _message: _Count) -> None:
        self._write_row()
        if self._speakers.tick():
            self._listen()

    @handles(BusWanted)
    def _on_wanted(self, _message: BusWanted) -> None:
        self._tell_state()

    @handles(AccessChanged)
    def _on_access(self, message: AccessChanged) -> None:
        self._link.renew(message.access)

    @handles(Say)
    def _on_say(self, message: Say) -> None:
        self._saying.say(self._whole(message.message))

    @replies_later(SayLast)
    def _on_say_last(self, request: SayLast, caller: Caller[bool]) -> None:
        self.tasks.start_soon(self._say_last, self._whole(request.message), caller)

    @handles(Probe)
    def _on_probe(self, message: Probe) -> None:
        self.tasks.start_soon(self._probe, message.node)

    @handles(AskWants)
    def _on_ask_wants(self, message: AskWants) -> None:
        self.tasks.start_soon(self._ask_wants, message.node)

    @handles(QuotesPublished)
    def _on_published(self, message: QuotesPublished) -> None:
        if message.own:
            for rows in parts(message.rows):
                self._publish(rows)

    @handles(UpstreamTold)
    def _on_upstream(self, message: UpstreamTold) -> None:
        self._saying.say(self._telling.state(message))

    @handles(TellAlerts)
    def _on_alerts(self, message: TellAlerts) -> None:
        name, boot = self._me
        self._saying.say(AlertsTold(name=name, boot=boot, alerts=message.alerts))

    @handles(BatchesLost)
    def _on_lost(self, _message: BatchesLost) -> None:
        self._filling.lost()

    @handles(RulesChanged)
    def _on_rules(self, message: RulesChanged) -> None:
        name, boot = self._me
        self._saying.say(RulesTold(name=name, boot=boot, owner=message.owner))

    @handles(CredentialsEnded)
    def _on_ended(self, message: CredentialsEnded) -> None:
        for told in revoked(self._me, message):
            self._saying.say(told)

    @handles(AccountChanged)
    def _on_account(self, message: AccountChanged) -> None:
        name, boot = self._me
        self._saying.say(Revoked(name=name, boot=boot, accounts=(message.account_id,)))

    def _whole(self, message: Said) -> Said:
        if isinstance(message, Wants):
            self._answerer.wants = message
        elif isinstance(message, Heartbeat):
            return msgspec.structs.replace(message, batch=self._number)
        return message

    def _publish(self, rows: tuple[QuoteRow, ...]) -> None:
        self._number += 1
        now = Moment.now().milliseconds
        me, traced = self._me, spans.current()
        self._saying.say(
            Prices(
                name=me.name,
                boot=me.boot,
                number=self._number,
                now=now,
                rows=rows,
                traceparent="" if traced is None else traced.traceparent,
            )
        )

    def _listen(self) -> None:
        self._link.listen_to(map(self._subjects.prices_of, self._speakers.nodes))

    async def _run(self) -> None:
        with self._asyncio_thread.use() as loop:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(loop.watch)
                nursery.start_soon(self._link.run, loop)
                nursery.start_soon(self._take)
                nursery.start_soon(self._answerer.run)
                full = partial(self._membership.cast, TableFull())
                # Not kept by it: a bus that is killed is gone at once, with all that it held.
                nursery.start_soon(self._filling.run, self._take_page, full)

    async def _take(self) -> None:
        while True:
            happened = await self._link.next()
            if isinstance(happened, Arrived):
                self._on_arrived(happened)
            elif isinstance(happened, Up):
                self._on_up(happened)
            else:
                self._on_down(happened)
            await trio.lowlevel.checkpoint()

    def _on_up(self, happened: Up) -> None:
        self._up, self._knows, self._server, self._reason = True, True, happened.server, ""
        self._saying.most_bytes = happened.most_bytes
        self._downs.clear()
        self._counts.connections += 1
        _log.info("NATS is there", server=happened.server)
        self._write_row()
        self._tell_state()

    def _on_down(self, happened: Down) -> None:
        # Each attempt at each server that fails tells it again: people are told once of the same.
        if happened not in self._downs:
            self._downs.add(happened)
            _log.warning("NATS is away", server=happened.server, reason=happened.reason)
        is_news = self._up or not self._knows
        self._up, self._knows = False, True
        self._server, self._reason = happened.server, happened.reason
        self._saying.most_bytes = None
        self._pieces.clear()
        self._write_row()
        if is_news:
            self._tell_state()

    def _tell_state(self) -> None:
        if self._knows:
            self._membership.cast(BusUp() if self._up else BusDown(self._reason))

    def _write_row(self) -> None:
        slot = self._tables.bus
        self._counts.gaps = self._gaps_before + self._filling.gaps.count
        slot.put(
            self._counts.row(slot.value, up=self._up, server=self._server, reason=self._reason)
        )

    def _on_arrived(self, arrived: Arrived) -> None:
        if arrived.reply:
            self._answerer.put(arrived)
            return
        try:
            message = decode_told_or_piece(arrived.data)
            if isinstance(message, Piece):
                self._on_piece(message)
            else:
                self._counts.received(kind(message), len(arrived.data))
                self._hear(message)
        except UnknownProtocol as error:
            self._counts.refuse(error)
        except (msgspec.DecodeError, ValueError) as error:
            self._counts.cannot_read(arrived.subject, len(arrived.data), error)

    def _on_piece(self, piece: Piece) -> None:
        whole = self._pieces.put(piece)
        if whole is None:
            return
        if piece.is_answer:
            self._asker.take(piece, whole)
        else:
            message = decode_told(whole)
            self._counts.received(kind(message), len(whole))
            self._hear(message)

    def _hear(self, message: Told) -> None:
        node = message.sender
        if isinstance(message, (Heartbeat, ClaimMessage)):
            self._membership.cast(Heard(message))
            if isinstance(message, Heartbeat):
                self._on_heartbeat(node, message)
        elif node == self._me:
            return
        elif isinstance(message, Wants):
            self._membership.cast(Heard(message))
        elif isinstance(message, Prices):
            self._filling.heard(node, message.number)
            traced = message.traceparent and spans.taken_over(message.traceparent, node.name)
            before = correlation_id.set(traced or None)
            self._pass_on(message)
            correlation_id.reset(before)
        elif isinstance(message, State):
            self._on_state(node, message)
        elif isinstance(message, AlertsTold):
            self._alerts.cast(TellAlerts(message.alerts))
        elif isinstance(message, Revoked):
            for told in heard_of(message):
                self._doorkeeper.cast(told)
        else:
            self._alerts.cast(RulesChanged(heard=True, owner=message.owner))

    def _on_heartbeat(self, node: NodeId, message: Heartbeat) -> None:
        if node == self._me:
            self._filling.echoed()
        elif message.kind == "bye":
            self._forget(node)
        else:
            if self._speakers.heard(node):
                self._listen()
            self._filling.told(node, message.batch)

    def _pass_on(self, message: Prices | Page) -> None:
        now = Moment.now().milliseconds
        members = self._tables.members.value
        wall = now_ms() - (0 if members is None else members.clock_off)
        rows, ahead = taken(message, now=now, wall=wall, known=self._tables.quotes)
        if ahead is not None:
            self._counts.refuse_ahead(message.sender, ahead)
        if rows:
            self._streamer.cast(BatchReceived(message.sender, rows))

    def _take_page(self, page: Page) -> bool:
        self._counts.pages += 1
        try:
            self._pass_on(page)
        except ValueError as error:
            self._counts.cannot_read("a page", len(page.rows), error)
            return False
        return True

    def _on_state(self, node: NodeId, message: State) -> None:
        if message.upstream not in self._upstreams:
            return
        told, lacks = self._hearing.told(message, Moment.now().milliseconds)
        self.system.ref(paths.feed(message.upstream)).cast(told)
        asked = node, message.upstream
        if lacks and asked not in self._states_asked:
            self._states_asked.add(asked)
            self.tasks.start_soon(self._ask_state, node, message.upstream)

    def _forget(self, node: NodeId) -> None:
        self._filling.gaps.forget(node)
        self._hearing.forget(node)
        self._pieces.forget(node)
        if self._speakers.left(node):
            self._listen()

    async def _say_last(self, message: Said, caller: Caller[bool]) -> None:
        done = False
        with trio.move_on_after(LAST_SECONDS):
            done = await self._saying.say_last(message)
        caller.reply(done)

    async def _probe(self, node: NodeId) -> None:
        question = ProbeMessage(name=self._me.name, boot=self._me.boot)
        if await self._asker.ask(node, question, PROBE_SECONDS) is Silence.NOBODY:
            self._forget(node)
            self._membership.cast(NobodyThere(node))

    async def _ask_wants(self, node: NodeId) -> None:
        question = WantsWanted(name=self._me.name, boot=self._me.boot)
        answer = await self._asker.ask(node, question, ANSWER_SECONDS)
        if isinstance(answer, Wants):
            self._membership.cast(Heard(answer))

    async def _ask_state(self, node: NodeId, upstream: str) -> None:
        try:
            question = StateWanted(name=self._me.name, boot=self._me.boot, upstream=upstream)
            answer = await self._asker.ask(node, question, ANSWER_SECONDS)
            if isinstance(answer, State) and answer.sender == node:
                try:
                    self._on_state(node, answer)
                except ValueError as error:
                    self._counts.cannot_read("a state", 0, error)
            await trio.sleep(STATE_PAUSE_SECONDS)
        finally:
            self._states_asked.discard((node, upstream))
