"""Questions from node to node: this one's to others, and theirs to this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import msgspec
import trio

from stockstream.cluster.codec import (
    decode_answer,
    decode_answer_or_piece,
    decode_question,
    encode,
    kind,
)
from stockstream.cluster.link import Arrived, Silence
from stockstream.cluster.pieces import Piece
from stockstream.cluster.prices import Page, PageWanted, page_after
from stockstream.cluster.states import StateWanted
from stockstream.cluster.wire import ProbeMessage, UnknownProtocol, Wants, WantsWanted
from stockstream.times import Moment

if TYPE_CHECKING:
    from stockstream.cluster.codec import Answer, Question
    from stockstream.cluster.counts import Counts
    from stockstream.cluster.link import Link
    from stockstream.cluster.pieces import Pieces
    from stockstream.cluster.saying import Saying
    from stockstream.cluster.states import TellingStates
    from stockstream.cluster.subjects import Subjects
    from stockstream.shards import NodeId
    from stockstream.tables import Tables

MOST_QUESTIONS = 100
"""Those that wait for an answer; whoever asks one more asks again."""


class _Rest:
    """What somebody waits for: an answer whose first piece has come."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.whole = b""


class Asker:
    """Asks other nodes, each on a subject of its own. What they answer may come in `pieces`."""

    def __init__(self, subjects: Subjects, link: Link, counts: Counts, pieces: Pieces) -> None:
        self._subjects = subjects
        self._link = link
        self._counts = counts
        self._pieces = pieces
        self._rests: dict[tuple[NodeId, int], _Rest] = {}

    async def ask(self, node: NodeId, question: Question, seconds: float) -> Answer | Silence:
        """What the node answers."""
        subject = self._subjects.to(node)
        data = encode(question)
        self._counts.sent(kind(question), len(data))
        give_up_at = trio.current_time() + seconds
        answer = await self._link.ask(subject, data, seconds)
        if isinstance(answer, Silence):
            return answer
        try:
            message = decode_answer_or_piece(answer)
            if isinstance(message, Piece):
                answer = await self._whole(message, give_up_at)
                message = decode_answer(answer)
        except TimeoutError:
            pass
        except UnknownProtocol as error:
            self._counts.refuse(error)
        except (msgspec.DecodeError, ValueError) as error:
            self._counts.cannot_read(subject, len(answer), error)
        else:
            self._counts.received(kind(message), len(answer))
            return message
        return Silence.NO_ANSWER

    def take(self, last: Piece, whole: bytes) -> None:
        """An answer is whole: `last` was the piece that it lacked."""
        rest = self._rests.get((last.sender, last.whole))
        if rest is None:
            self._counts.drop()  # it came too late
        else:
            rest.whole = whole
            rest.came.set()

    async def _whole(self, first: Piece, give_up_at: float) -> bytes:
        """The answer of which this piece came as the reply. The others come to the own subject,
        before it or after it.

        Raises:
            ValueError: it is no such piece.
            TimeoutError: the others did not come.
        """
        whole = self._pieces.put(first)
        if whole is not None:
            return whole
        key, rest = (first.sender, first.whole), _Rest()
        self._rests[key] = rest
        try:
            with trio.CancelScope(deadline=give_up_at):
                await rest.came.wait()
                return rest.whole
        finally:
            del self._rests[key]
        self._pieces.give_up(first)
        raise TimeoutError


class Answerer:
    """Answers what other nodes ask, one question after another: beside the prices, not before."""

    def __init__(
        self, me: NodeId, tables: Tables, telling: TellingStates, saying: Saying, counts: Counts
    ) -> None:
        self._me = me
        self._tables = tables
        self._telling = telling
        self._saying = saying
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
                    self._saying.answer(answer, arrived.reply, question.sender)
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
