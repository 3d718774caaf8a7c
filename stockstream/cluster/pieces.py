"""Messages that are larger than the server takes go in pieces of their bytes. Pure.

What is told as a whole is heard as a whole: nothing of it is read before its last piece is there,
and where one is missing, nothing is. Who told it tells by a number that there was something, as for
any message that got lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from stockstream.cluster.wire import Count, Said

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockstream.shards import NodeId

MOST_PIECES = 1_000
MOST_WHOLE_BYTES = 6_000_000
"""Of one message: what is known of 100,000 symbols, and less than may wait for a connection."""
MOST_HELD_BYTES = 16_000_000
"""Of all messages that have begun to come."""
MOST_BEGUN = 100
"""So many of them."""
_LENGTH_BYTES = 4
"""By which the length of a piece may be longer than that of an empty one."""


class Piece(Said, frozen=True, kw_only=True, tag="piece"):
    """One of the `count` pieces of a message, which has the number `whole` in its sender's boot.

    With `is_answer` it is what somebody asked, and for nobody else.
    """

    whole: Count
    index: Annotated[int, msgspec.Meta(ge=0, lt=MOST_PIECES)]
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST_PIECES)]
    data: bytes
    is_answer: bool = False


class TooLarge(ValueError):
    """A message cannot be sent in pieces either; the text says how large it is."""


def cut(
    data: bytes, most_bytes: int, sender: NodeId, whole: int, *, is_answer: bool = False
) -> list[bytes]:
    """The message as the server takes it: as it is, or in pieces of `most_bytes` at most.

    Raises:
        TooLarge: it would be too many of them, or too much for those who hear it.
    """
    if len(data) <= most_bytes:
        return [data]
    empty = Piece(
        name=sender.name,
        boot=sender.boot,
        whole=whole,
        index=MOST_PIECES - 1,
        count=MOST_PIECES,
        data=b"",
        is_answer=is_answer,
    )
    room = most_bytes - len(msgspec.msgpack.encode(empty)) - _LENGTH_BYTES
    count = -(-len(data) // room) if room > 0 else MOST_PIECES + 1
    if count > MOST_PIECES or len(data) > MOST_WHOLE_BYTES:
        raise TooLarge(f"{len(data):,} bytes, in pieces of {most_bytes:,}")
    replace = msgspec.structs.replace
    return [
        msgspec.msgpack.encode(
            replace(empty, index=n, count=count, data=data[n * room : (n + 1) * room])
        )
        for n in range(count)
    ]


class _Begun:
    def __init__(self, count: int, *, is_answer: bool) -> None:
        self.count = count
        self.is_answer = is_answer
        self.pieces: dict[int, bytes] = {}
        self.bytes = 0


class Pieces:
    """Puts together what others say in pieces. `lost` is called for each message that does not
    become whole: its pieces are too many, or it is too old, or the connection has gone.
    """

    def __init__(self, lost: Callable[[], None]) -> None:
        self._lost = lost
        self._begun: dict[tuple[NodeId, int], _Begun] = {}
        self._bytes = 0

    def put(self, piece: Piece) -> bytes | None:
        """The message that this was the last missing piece of; None where it was not.

        Raises:
            ValueError: there is no such piece of that message.
        """
        key = piece.sender, piece.whole
        begun = self._begun.get(key)
        if begun is None:
            if not piece.is_answer:
                self._give_up_older(piece)
            begun = self._begun[key] = _Begun(piece.count, is_answer=piece.is_answer)
        size = begun.bytes + len(piece.data)
        if (
            piece.count != begun.count
            or piece.index >= piece.count
            or piece.index in begun.pieces
            or size > MOST_WHOLE_BYTES
        ):
            self._give_up(key)
            raise ValueError(f"piece {piece.index} of {piece.count} is none of a message")
        begun.pieces[piece.index] = piece.data
        begun.bytes = size
        self._bytes += len(piece.data)
        if len(begun.pieces) == begun.count:
            self._take_out(key)
            return b"".join(begun.pieces[index] for index in range(begun.count))
        while self._bytes > MOST_HELD_BYTES or len(self._begun) > MOST_BEGUN:
            self._give_up(next(iter(self._begun)))
        return None

    def give_up(self, piece: Piece) -> None:
        """Its message is not waited for any more."""
        key = piece.sender, piece.whole
        if key in self._begun:
            self._give_up(key)

    def forget(self, node: NodeId) -> None:
        """It has gone for good."""
        for key in [key for key in self._begun if key[0] == node]:
            self._give_up(key)

    def clear(self) -> None:
        """What has not come yet does not come any more."""
        for key in list(self._begun):
            self._give_up(key)

    def _give_up_older(self, piece: Piece) -> None:
        # A node tells one message after another, and its connection keeps their order. An answer's
        # first piece comes another way than the rest.
        sender = piece.sender
        for key, begun in list(self._begun.items()):
            if key[0] == sender and not begun.is_answer:
                self._give_up(key)

    def _give_up(self, key: tuple[NodeId, int]) -> None:
        self._take_out(key)
        self._lost()

    def _take_out(self, key: tuple[NodeId, int]) -> None:
        self._bytes -= self._begun.pop(key).bytes
