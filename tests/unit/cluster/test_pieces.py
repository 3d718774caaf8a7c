"""Messages that are larger than the server takes: cut, and put together by who hears them."""

from __future__ import annotations

import random

import msgspec
import pytest
import trio
from structlog.testing import capture_logs

from stockstream.cluster.codec import decode_told, decode_told_or_piece, encode
from stockstream.cluster.counts import TELL_SECONDS, Counts
from stockstream.cluster.pieces import (
    MOST_BEGUN,
    MOST_HELD_BYTES,
    MOST_PIECES,
    MOST_WHOLE_BYTES,
    Piece,
    Pieces,
    TooLarge,
    cut,
)
from stockstream.cluster.wire import MOST, Wants
from stockstream.quotes import Symbol
from stockstream.shards import NodeId

A, B = NodeId("a", 1), NodeId("b" * 255, MOST)
ROOM = 1_000


class Heard:
    """What one node hears in pieces, and how often something was lost."""

    def __init__(self) -> None:
        self.lost = 0
        self.pieces = Pieces(self._on_lost)

    def _on_lost(self) -> None:
        self.lost += 1

    def take(self, data: bytes) -> bytes | None:
        """What a message on the bus completes."""
        message = decode_told_or_piece(data)
        assert isinstance(message, Piece)
        return self.pieces.put(message)


@pytest.mark.parametrize("sender", [A, B])
@pytest.mark.parametrize("size", [ROOM + 1, 10 * ROOM, 60 * ROOM, 60 * ROOM + 1])
def test_a_message_is_cut_into_pieces_that_the_server_takes(sender: NodeId, size: int) -> None:
    """None is too large, all but the last are as large as can be, and together they are it."""
    data = random.Random(size).randbytes(size)
    pieces = cut(data, ROOM, sender, MOST)
    assert all(len(piece) <= ROOM for piece in pieces)
    assert all(len(piece) > ROOM - 20 for piece in pieces[:-1])
    heard = Heard()
    assert [heard.take(piece) for piece in pieces] == [None] * (len(pieces) - 1) + [data]
    assert heard.lost == 0


@pytest.mark.parametrize("size", [0, 1, ROOM])
def test_what_the_server_takes_goes_as_it_is(size: int) -> None:
    """To the last byte."""
    assert cut(bytes(size), ROOM, A, 1) == [bytes(size)]


def test_what_is_too_large_in_pieces_too_is_refused_by_its_size() -> None:
    """Too many pieces, too many bytes for who hears them, or a server that takes hardly any."""
    most = MOST_PIECES * len(decode_piece(cut(bytes(2 * ROOM), ROOM, A, 1)[0]).data)
    assert len(cut(bytes(most), ROOM, A, 1)) == MOST_PIECES
    with pytest.raises(TooLarge, match=f"{most + 1:,} bytes, in pieces of {ROOM:,}"):
        cut(bytes(most + 1), ROOM, A, 1)
    assert len(cut(bytes(MOST_WHOLE_BYTES), 65_536, A, 1)) == 92
    with pytest.raises(TooLarge, match="6,000,001 bytes"):
        cut(bytes(MOST_WHOLE_BYTES + 1), 65_536, A, 1)
    with pytest.raises(TooLarge):
        cut(b"too long", 7, A, 1)


def decode_piece(data: bytes) -> Piece:
    piece = decode_told_or_piece(data)
    assert isinstance(piece, Piece)
    return piece


async def test_too_large_messages_are_counted_and_told_once_a_minute_by_their_kind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """There may be ten a second of them."""
    counts = Counts(None)
    with capture_logs() as told:
        for kind in ("wants", "wants", "state"):
            counts.too_large(kind, TooLarge("7,000,000 bytes, in pieces of 65,536"))
        await trio.sleep(TELL_SECONDS)
        counts.too_large("wants", TooLarge("again"))
    assert counts.dropped == 4
    assert [(line["kind"], line["reason"]) for line in told] == [
        ("wants", "7,000,000 bytes, in pieces of 65,536"),
        ("state", "7,000,000 bytes, in pieces of 65,536"),
        ("wants", "again"),
    ]
    assert {line["log_level"] for line in told} == {"error"}


@pytest.mark.parametrize("lost", [0, 3, -1])
def test_where_a_piece_is_missing_nothing_is_heard(lost: int) -> None:
    """The next message of its sender is, and says that the one before does not come."""
    first, second = (
        Wants(name="a", boot=1, number=n, symbols={Symbol(f"S{i}"): n for i in range(900)})
        for n in (1, 2)
    )
    pieces = cut(encode(first), ROOM, A, 1)
    assert len(pieces) > 4
    del pieces[lost]
    heard = Heard()
    assert [heard.take(piece) for piece in pieces] == [None] * len(pieces)
    assert heard.lost == 0
    *more, last = [heard.take(piece) for piece in cut(encode(second), ROOM, A, 2)]
    assert set(more) == {None}
    assert last is not None
    assert decode_told(last) == second
    assert heard.lost == 1


def test_answers_come_in_any_order_beside_what_is_told() -> None:
    """The first piece of an answer comes another way than the rest."""
    page, state = (bytes([n]) * 3_000 for n in (1, 2))
    (one, *others), (two, *more) = (
        cut(data, ROOM, A, n, is_answer=True) for n, data in enumerate((page, state), 1)
    )
    heard = Heard()
    told = cut(bytes(1_500), ROOM, A, 3)
    said = [*others, told[0], *more, told[1], two, one]
    assert [whole for whole in map(heard.take, said) if whole is not None] == [
        bytes(1_500),
        state,
        page,
    ]
    assert heard.lost == 0


@pytest.mark.parametrize(
    "changes",
    [{"index": 0}, {"count": 9}, {"index": 5, "count": 5}, {"data": bytes(MOST_WHOLE_BYTES)}],
)
def test_a_piece_that_cannot_be_makes_no_message(changes: dict[str, object]) -> None:
    """Whoever says it; its message is given up, and later ones come."""
    first, *others = map(decode_piece, cut(bytes(4_500), ROOM, A, 1))
    assert first.count == len(others) + 1 == 5
    heard = Heard()
    heard.pieces.put(first)
    with pytest.raises(ValueError, match="is none of a message"):
        heard.pieces.put(msgspec.structs.replace(others[0], **changes))
    assert heard.lost == 1
    assert [heard.take(piece) for piece in cut(bytes(1_500), ROOM, A, 2)][-1] == bytes(1_500)


def test_what_has_begun_to_come_has_a_bound() -> None:
    """Names are what senders say: a flood of beginnings holds so many bytes, and no more."""
    data = bytes(3_000_000)
    heard = Heard()
    for number in range(20):
        begin, *_ = map(decode_piece, cut(data, 2_000_000, NodeId(f"n{number}", 1), 1))
        heard.pieces.put(begin)
    kept = MOST_HELD_BYTES // len(begin.data)
    assert heard.lost == 20 - kept
    for number in range(2 * MOST_BEGUN):
        heard.take(cut(bytes(ROOM + 1), ROOM, NodeId(f"m{number}", 1), 1)[0])
    assert heard.lost == 20 + MOST_BEGUN


def test_what_does_not_come_any_more_is_given_up() -> None:
    """A connection that is gone brings no more of anything, nor does a node."""
    heard = Heard()
    for node in (A, B):
        heard.take(cut(bytes(2_000), ROOM, node, 1)[0])
    heard.pieces.forget(B)
    assert heard.lost == 1
    heard.pieces.clear()
    assert heard.lost == 2
    heard.pieces.give_up(decode_piece(cut(bytes(2_000), ROOM, A, 1)[0]))
    assert heard.lost == 2
