"""Whatever bytes come, they end their own connection and nothing else."""

import struct
from itertools import pairwise

import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.integration.web.support import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SOON,
    TEXT,
    RawClient,
    client_frame,
    echo,
    running,
    upgrade_request,
)
from web.server import ServerConfig

CONFIG = ServerConfig(max_message_size=2000)
SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)


async def try_all(cases: list[list[bytes]], *, upgraded: bool) -> None:
    """Send each case's pieces on a connection of its own, beside a witness that must not notice."""
    async with running({"/ws": echo}, CONFIG) as run:
        witness = await run.upgrade()
        async with trio.open_nursery() as nursery:
            for pieces in cases:
                client = await (run.upgrade() if upgraded else run.connect())
                nursery.start_soon(one_case, client, pieces)
        await witness.text("undisturbed")
        assert await witness.frame() == (TEXT, b"undisturbed")
        await run.until(open_connections=1)
        statistics = run.server.statistics()
        assert (statistics.crashed, statistics.handler_errors) == (0, 0)


async def one_case(client: RawClient, pieces: list[bytes]) -> None:
    try:
        for piece in pieces:
            await client.send(piece)
        await client.stream.send_eof()
        await client.ended()
    except trio.BrokenResourceError:
        await trio.lowlevel.checkpoint()  # cut off while sending: an end like another
    await client.aclose()


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut `data` at some places, as TCP may."""
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(bounds)]


frames = st.builds(
    client_frame,
    st.sampled_from([CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG, 0x3, 0xB]),
    st.one_of(
        st.binary(max_size=130),
        st.text(max_size=40).map(str.encode),
        st.integers(0, 6000).map(lambda code: struct.pack("!H", code)),
        st.sampled_from([b"x" * 1999, b"x" * 2001, b"\xce\xba\xed\xa0\x80"]),
    ),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 1, 2, 4, 7]),
)
cuts = st.lists(st.integers(0, 10_000), max_size=4)
conversations = st.tuples(
    st.lists(st.one_of(frames, frames, frames, st.binary(max_size=20)), max_size=8).map(b"".join),
    cuts,
).map(lambda drawn: pieces_of(*drawn))
early = st.tuples(st.binary(max_size=60), cuts).map(
    lambda drawn: pieces_of(upgrade_request() + drawn[0], drawn[1])
)
names = st.sampled_from(
    [
        "Connection",
        "Upgrade",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Host",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
        "HTTP2-Settings",
        "X",
    ]
)
values = st.one_of(
    st.sampled_from(["Upgrade", "websocket", "h2c", "13", "chunked", "5", "100-continue", ""]),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=12),
)
requests = st.tuples(
    st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "CONNECT", "PRI", "BREW"]),
    st.sampled_from(["/", "/ws", "*", "?", "/%00", "/%ff", "//", "http://x/ws", "/ws?a=%zz"]),
    st.sampled_from(["1.1", "1.1", "1.1", "1.0", "2.0", "0.9"]),
    st.lists(st.tuples(names, values), max_size=6),
    st.binary(max_size=40),
    cuts,
).map(
    lambda drawn: pieces_of(
        (
            f"{drawn[0]} {drawn[1]} HTTP/{drawn[2]}\r\nHost: t\r\n"
            + "".join(f"{name}: {value}\r\n" for name, value in drawn[3])
            + "\r\n"
        ).encode("latin-1")
        + drawn[4],
        drawn[5],
    )
)


@pytest.mark.proves("D7")
@SETTINGS
@given(st.lists(conversations, min_size=5, max_size=5))
@example([[client_frame(CLOSE) + client_frame(TEXT, b"after the close")]])
def test_no_sequence_of_frames_disturbs_another_connection(cases: list[list[bytes]]) -> None:
    """Bad frames, bad UTF-8, fragments, control frames between, reserved bits, in any pieces."""
    trio.run(with_a_limit, cases, True)


@pytest.mark.proves("D7")
@SETTINGS
@given(st.lists(early, min_size=5, max_size=5))
@example([[upgrade_request() + b"\x00"]])
def test_no_bytes_after_the_upgrade_request_disturb_another_connection(
    cases: list[list[bytes]],
) -> None:
    """Pipelined right behind the handshake, before the server has answered."""
    trio.run(with_a_limit, cases, False)


@pytest.mark.proves("D7")
@SETTINGS
@given(st.lists(requests, min_size=5, max_size=5))
@example([[upgrade_request(headers="Connection: \xff\r\n")]])
def test_no_request_disturbs_another_connection(cases: list[list[bytes]]) -> None:
    """Heads that mix HTTP/1.0, h2c, CONNECT, chunks, half-closes and headers of any bytes."""
    trio.run(with_a_limit, cases, False)


async def with_a_limit(cases: list[list[bytes]], upgraded: bool) -> None:
    with trio.fail_after(SOON):
        await try_all(cases, upgraded=upgraded)
