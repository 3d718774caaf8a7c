"""Questions from node to node: this one's to others, and theirs to this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import msgspec
import trio

from stockstream.cluster.codec import decode_answer, decode_question, encode, kind
from stockstream.cluster.link import Arrived, Silence
from stockstream.cluster.prices import Page, PageWanted, page_after
from stockstream.cluster.states import StateWanted
from stockstream.cluster.wire import ProbeMessage, UnknownProtocol, Wants, WantsWanted
from stockstream.times import Moment

if TYPE_CHECKING:
    from stockstream.cluster.codec import Answer, Question
    from stockstream.cluster.counts import Counts
    from stockstream.cluster.link import Link
    from stockstream.cluster.states import TellingStates
    from stockstream.shards import NodeId
    from stockstream.tables import Tables

MOST_QUESTIONS = 100
"""Those that wait for an answer; whoever asks one more asks again."""


class Asker:
    """Asks other nodes of the `cluster`, each on a subject of its own."""

    def __init__(self, cluster: str, link: Link, counts: Counts) -> None:
        self._cluster = cluster
        self._link = link
        self._counts = counts

    async def ask(self, node: NodeId, question: Question, seconds: float) -> Answer | Silence:
        """What the node answers."""
        subject = subject_of(self._cluster, node)
        data = encode(question)
        self._counts.sent(kind(question), len(data))
        answer = await self._link.ask(subject, data, seconds)
        if isinstance(answer, Silence):
            return answer
        try:
            message = decode_answer(answer)
        except UnknownProtocol as error:
            self._counts.refuse(error)
        except msgspec.DecodeError as error:
            self._counts.cannot_read(subject, len(answer), error)
        else:
            self._counts.received(kind(message), len(answer))
            return message
        return Silence.NO_ANSWER


class Answerer:
    """Answers what other nodes ask, one question after another: beside the prices, not before."""

    def __init__(
        self, me: NodeId, tables: Tables, telling: TellingStates, link: Link, counts: Counts
    ) -> None:
        self._me = me
        self._tables = tables
        self._telling = telling
        self._link = link
        self._counts = counts
        self._put, self._questions = trio.open_memory_channel[Arrived](MOST_QUESTIONS)
        self.wants: Wants | None = None
        """What the clients of this node want, as it was last told."""

    def put(self, question: Arrived) -> None:
        """Answer it soon."""
        try:
            self._put.send_nowait(question)
        except trio.WouldBlock:
            self._counts.drop()

    async def run(self) -> NoReturn:
        """Answer."""
        while True:
            arrived = await self._questions.receive()
            try:
                question = decode_question(arrived.data)
            except UnknownProtocol as error:
                self._counts.refuse(error)
            except msgspec.DecodeError as error:
                self._counts.cannot_read(arrived.subject, len(arrived.data), error)
            else:
                self._counts.received(kind(question), len(arrived.data))
                answer = self._answer(question)
                if answer is not None:
                    data = encode(answer)
                    if self._link.say(arrived.reply, data):
                        self._counts.sent(kind(answer), len(data))
            await trio.lowlevel.checkpoint()

    def _answer(self, question: Question) -> Answer | None:
        name, boot = self._me
        if isinstance(question, PageWanted):
            rows, more = page_after(question.after, self._tables.quotes.rows)
            now = Moment.now().milliseconds
            return Page(name=name, boot=boot, now=now, rows=rows, more=more)
        if isinstance(question, StateWanted):
            return self._telling.whole(question.upstream)
        if isinstance(question, WantsWanted):
            return self.wants
        return ProbeMessage(name=name, boot=boot)


def subject_of(cluster: str, node: NodeId) -> str:
    """Where that node is asked. With no connection that listens there, NATS says so at once."""
    return f"{cluster}.to.{node.name}.{node.boot}"
