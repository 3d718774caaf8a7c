"""The frames of a server, however the stream is cut, beside wsproto's."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

from stockstream.market.feeds.web_socket_frames import (
    NO_STATUS,
    NOT_UTF8,
    PROTOCOL_ERROR,
    TOO_LARGE,
    Arrived,
    Close,
    FrameReader,
    masked,
)

LARGEST = 100_000
SIZES = st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536])
TEXTS = st.text(max_size=200) | SIZES.map(lambda size: "x" * size)
MESSAGES = st.lists(TEXTS | st.binary(max_size=200), max_size=8)


def read(data: bytes, *cuts: int) -> Arrived:
    """What comes of a stream that is cut at these places."""
    reader, whole = FrameReader(LARGEST), Arrived()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(places):
        arrived = reader.take(data[start:end])
        whole.messages += arrived.messages
        whole.pings += arrived.pings
        whole.pongs += arrived.pongs
        whole.close = whole.close or arrived.close
        whole.fault = whole.fault or arrived.fault
        if whole.fault or whole.close:
            break
    return whole


def fault(data: bytes) -> int | None:
    """The code that the other side is told."""
    found = read(data).fault
    return None if found is None else found.code


@given(MESSAGES, st.lists(st.integers(min_value=0), max_size=6), st.data())
def test_messages_come_whole_and_in_order(
    messages: list[str | bytes], cuts: list[int], chance: st.DataObject
) -> None:
    """However wsproto's server parts them, with pings in between, and the stream is cut."""
    server = Connection(ConnectionType.SERVER)
    data, pings = b"", []
    for number, message in enumerate(messages):
        kind = TextMessage if isinstance(message, str) else BytesMessage
        at = chance.draw(st.integers(0, len(message)))
        if chance.draw(st.booleans()):
            data += server.send(kind(data=message[:at], message_finished=False))
            data += server.send(Ping(payload=b"%d" % number))
            pings.append(b"%d" % number)
            data += server.send(kind(data=message[at:]))
        else:
            data += server.send(kind(data=message))
    data += server.send(CloseConnection(code=CloseReason.GOING_AWAY, reason="bye"))
    arrived = read(data, *cuts)
    assert arrived.fault is None
    assert arrived.messages == messages
    assert arrived.pings == pings
    assert arrived.close == Close(1001, "bye")


@given(st.binary(max_size=300), st.lists(st.integers(min_value=0), max_size=4))
def test_nothing_that_comes_breaks_it(data: bytes, cuts: list[int]) -> None:
    """Garbage ends the connection, or waits for more, and it does not matter how it is cut."""
    one, other = read(data), read(data, *cuts)
    assert one.messages == other.messages
    assert one.close == other.close
    assert (one.fault and one.fault.code) == (other.fault and other.fault.code)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x80\x00\x00\x00\x00", PROTOCOL_ERROR),  # masked
        (b"\xc1\x00", PROTOCOL_ERROR),  # compressed, which nobody agreed to
        (b"\x83\x00", PROTOCOL_ERROR),
        (b"\x8b\x00", PROTOCOL_ERROR),
        (b"\x80\x00", PROTOCOL_ERROR),  # goes on from nothing
        (b"\x01\x01a\x81\x01b", PROTOCOL_ERROR),  # a message within another
        (b"\x09\x00", PROTOCOL_ERROR),  # a ping in parts
        (b"\x89\x7e\x00\x7e" + bytes(126), PROTOCOL_ERROR),  # a long ping
        (b"\x81\x7e\x00\x05hello", PROTOCOL_ERROR),  # a length that could be shorter
        (b"\x88\x01\x03", PROTOCOL_ERROR),  # half a code
        (b"\x88\x02\x00\x00", PROTOCOL_ERROR),  # a code that there is not
        (b"\x88\x02\x03\xee", PROTOCOL_ERROR),  # 1006, which is never sent, nor said back
        (b"\x88\x02\x13\x88", PROTOCOL_ERROR),  # 5000
        (b"\x88\x02\x13\x87", None),
        (b"\x81\x02\xc3\x28", NOT_UTF8),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), TOO_LARGE),
        (b"\x01\x7f" + LARGEST.to_bytes(8, "big") + bytes(LARGEST) + b"\x80\x01x", TOO_LARGE),
        (b"\x88\x00", None),
    ],
)
def test_what_is_no_frame_of_a_server_ends_the_connection(data: bytes, code: int | None) -> None:
    """With the code that RFC 6455 has for it."""
    assert fault(data) == code


def test_what_came_before_the_fault_counts() -> None:
    """Prices that are whole are not lost for what comes after them."""
    arrived = read(b"\x81\x02hi\x82\x01\xff\xc1\x00\x81\x02no")
    assert arrived.messages == ["hi", b"\xff"]
    assert arrived.fault is not None


def test_a_close_without_a_code_is_told_as_such() -> None:
    """And nothing counts after it."""
    arrived = read(b"\x88\x00\x81\x02no")
    assert arrived.close == Close(NO_STATUS, "")
    assert arrived.messages == []


@given(TEXTS, st.binary(min_size=4, max_size=4))
def test_a_server_reads_what_we_send(text: str, mask: bytes) -> None:
    """The server of wsproto takes the frames that are made here."""
    server = Connection(ConnectionType.SERVER)
    server.receive_data(masked(1, text.encode(), mask))
    received = "".join(event.data for event in server.events() if isinstance(event, TextMessage))
    assert received == text
