"""An answer in pieces: the first is the reply, and the others come another way, before or after."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from stockstream.cluster.codec import decode_told_or_piece, encode
from stockstream.cluster.counts import Counts
from stockstream.cluster.link import Silence
from stockstream.cluster.pieces import Piece, Pieces, cut
from stockstream.cluster.questions import Asker
from stockstream.cluster.subjects import Subjects
from stockstream.cluster.wire import Wants, WantsWanted
from stockstream.quotes import Symbol
from stockstream.shards import NodeId

if TYPE_CHECKING:
    from stockstream.cluster.codec import Answer
    from stockstream.cluster.link import Link

ME, OTHER = NodeId("me", 1), NodeId("other", 1)
WANTS = Wants(name="other", boot=1, number=1, symbols={Symbol(f"S{n}"): n for n in range(500)})
REPLY, *REST = cut(encode(WANTS), 1_000, OTHER, 7, is_answer=True)


class Replying:
    """What a link does when it is asked: the reply comes at once."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply

    async def ask(self, _subject: str, _data: bytes, _seconds: float) -> bytes:
        """The reply."""
        await trio.lowlevel.checkpoint()
        return self._reply


class Asking:
    """A node that asks the other one what its clients want."""

    def __init__(self, reply: bytes) -> None:
        self.counts = Counts(None)
        self._pieces = Pieces(self.counts.drop)
        link = cast("Link", Replying(reply))
        self._asker = Asker(Subjects("test", ME), link, self.counts, self._pieces)
        self.got: Answer | Silence | None = None

    async def ask(self) -> None:
        question = WantsWanted(name=ME.name, boot=ME.boot)
        self.got = await self._asker.ask(OTHER, question, 2.0)

    def hear(self, *data: bytes) -> None:
        """As the bus does."""
        for piece in map(decode_told_or_piece, data):
            assert isinstance(piece, Piece)
            whole = self._pieces.put(piece)
            if whole is not None:
                self._asker.take(piece, whole)


@pytest.mark.parametrize("before", [0, 2, len(REST)])
async def test_an_answer_is_there_with_its_last_piece(before: int) -> None:
    """Whichever way that comes."""
    asking = Asking(REPLY)
    asking.hear(*REST[:before])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking.ask)
        await wait_all_tasks_blocked()
        asking.hear(*REST[before:])
    assert asking.got == WANTS
    assert asking.counts.dropped == 0


async def test_an_answer_that_does_not_come_whole_is_none(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """After as long as any other; what comes then is dropped, and counted."""
    asking = Asking(REPLY)
    asking.hear(*REST[:-1])
    await asking.ask()
    assert (asking.got, trio.current_time()) == (Silence.NO_ANSWER, 2.0)
    assert asking.counts.dropped == 1
    asking.hear(REST[-1])
    assert asking.got is Silence.NO_ANSWER


async def test_a_reply_that_is_no_piece_of_an_answer_is_none() -> None:
    """It is counted as what cannot be read, and nobody waits for the rest."""
    asking = Asking(REST[0])
    asking.hear(*REST)
    await asking.ask()
    assert asking.got is Silence.NO_ANSWER
