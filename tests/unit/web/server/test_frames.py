"""Server frames against an independent parser."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import Ping, TextMessage

from web.server import encode_ping, encode_text_frame


def parse(data: bytes) -> list[object]:
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(data)
    return list(client.events())


@given(st.text(max_size=300))
def test_a_text_frame_is_read_back_as_its_payload(text: str) -> None:
    """wsproto, as a client, finds exactly one finished message."""
    (message,) = parse(encode_text_frame(text.encode()))
    assert isinstance(message, TextMessage)
    assert (message.data, message.message_finished) == (text, True)


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, "8100"),
        (125, "817d"),
        (126, "817e007e"),
        (65_535, "817effff"),
        (65_536, "817f0000000000010000"),
    ],
)
def test_the_length_takes_the_fewest_bytes(size: int, head: str) -> None:
    """RFC 6455, section 5.2: 7, 16 or 64 bits, whichever is the smallest that fits."""
    frame = encode_text_frame(b"x" * size)
    assert frame == bytes.fromhex(head) + b"x" * size


@given(st.binary(max_size=125))
def test_a_ping_carries_its_payload(payload: bytes) -> None:
    (ping,) = parse(encode_ping(payload))
    assert isinstance(ping, Ping)
    assert ping.payload == payload


def test_a_ping_of_126_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="125 bytes, not 126"):
        encode_ping(bytes(126))
