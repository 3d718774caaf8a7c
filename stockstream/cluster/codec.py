"""All messages on the bus, to bytes and back: what is told to all, questions, answers."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from stockstream.cluster.pieces import Piece
from stockstream.cluster.prices import Page, PageWanted, Prices
from stockstream.cluster.states import State, StateWanted, decode_moment, encode_moment
from stockstream.cluster.wire import (
    AlertsTold,
    ClaimMessage,
    Heartbeat,
    ProbeMessage,
    Revoked,
    RulesTold,
    Said,
    Wants,
    WantsWanted,
    decode,
)

Told: TypeAlias = (
    Heartbeat | ClaimMessage | Wants | Prices | State | AlertsTold | RulesTold | Revoked
)
Question: TypeAlias = ProbeMessage | PageWanted | StateWanted | WantsWanted
Answer: TypeAlias = ProbeMessage | Page | State | Wants

_encoder = msgspec.msgpack.Encoder(enc_hook=encode_moment)
_told: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told, dec_hook=decode_moment)
_told_or_piece: msgspec.msgpack.Decoder[Told | Piece] = msgspec.msgpack.Decoder(
    Told | Piece, dec_hook=decode_moment
)
_questions: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer, dec_hook=decode_moment)
_answer_or_piece: msgspec.msgpack.Decoder[Answer | Piece] = msgspec.msgpack.Decoder(
    Answer | Piece, dec_hook=decode_moment
)


def kind(message: Said) -> str:
    """What it is called on the bus, and in the counts."""
    return str(message.__struct_config__.tag)


def encode(message: Said) -> bytes:
    """As bytes for the bus."""
    return _encoder.encode(message)


def decode_told(data: bytes) -> Told:
    """What a node tells all others; raises as `wire.decode` does."""
    return decode(data, _told)


def decode_told_or_piece(data: bytes) -> Told | Piece:
    """The same, or a piece of it; raises as `wire.decode` does."""
    return decode(data, _told_or_piece)


def decode_question(data: bytes) -> Question:
    """What another node asks this one; raises as `wire.decode` does."""
    return decode(data, _questions)


def decode_answer(data: bytes) -> Answer:
    """What it is answered; raises as `wire.decode` does."""
    return decode(data, _answers)


def decode_answer_or_piece(data: bytes) -> Answer | Piece:
    """The same, or a piece of it; raises as `wire.decode` does."""
    return decode(data, _answer_or_piece)
