"""Whatever bytes a client sends to the product, they end its own connection at most."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.web.support import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    RawClient,
    client_frame,
    upgrade_request,
)
from tests.support.client import connected
from tests.support.exposition import parse
from tests.support.tree import running_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.tree import Tree

COMMAND = b'{"action":"ping","id":"mine"}'
SUBSCRIBE = b'{"action":"subscribe","symbols":"*"}'
UNMASKED = bytes((0x80 | TEXT, len(COMMAND))) + COMMAND
CUT_UTF8 = "€".encode()[:2]


@dataclass(frozen=True)
class Case:
    """Bytes after the handshake, or with `early` all bytes; and how the connection ends.

    `code` is of the close frame; None for one that goes on, and answers `COMMAND`, 0 for any end.
    """

    name: str
    data: bytes
    code: int | None
    early: bool = False
    half_close: bool = False


def fragments(*parts: bytes, between: bytes = b"") -> bytes:
    """A text message in so many frames, with others in between."""
    frames = [
        client_frame(TEXT if n == 0 else CONTINUATION, part, fin=n == len(parts) - 1)
        for n, part in enumerate(parts)
    ]
    return between.join(frames)


CASES = [
    Case("an opcode nobody has", client_frame(0x3, b"x"), 1002),
    Case("a control opcode nobody has", client_frame(0xB, b"x"), 1002),
    Case("a reserved bit", client_frame(TEXT, COMMAND, rsv=4), 1002),
    Case("the other reserved bits", client_frame(TEXT, COMMAND, rsv=3), 1002),
    Case("an unmasked frame", UNMASKED, 1002),
    Case("a continuation of nothing", client_frame(CONTINUATION, b"x"), 1002),
    Case(
        "a message within a message", client_frame(TEXT, b"x", fin=False) + client_frame(TEXT), 1002
    ),
    Case("a ping in fragments", client_frame(PING, b"x", fin=False), 1002),
    Case("a ping of 126 bytes", client_frame(PING, b"x" * 126), 1002),
    Case("a length of 2**63", b"\x81\xff" + struct.pack("!Q", 1 << 63) + b"mask", 1002),
    Case("a close of one byte", client_frame(CLOSE, b"x"), 1002),
    Case("a close with 999", client_frame(CLOSE, struct.pack("!H", 999)), 1002),
    Case("a close with 1005", client_frame(CLOSE, struct.pack("!H", 1005)), 1002),
    Case("a close with a bad reason", client_frame(CLOSE, b"\x03\xe8" + CUT_UTF8), 1007),
    Case("bad UTF-8", client_frame(TEXT, b"\xc3\x28"), 1007),
    Case("UTF-8 that ends too early", client_frame(TEXT, CUT_UTF8), 1007),
    Case("a surrogate", client_frame(TEXT, b"\xed\xa0\x80"), 1007),
    Case("bad UTF-8 over two fragments", fragments(CUT_UTF8, b"x"), 1007),
    Case("a message that is too large", client_frame(TEXT, b"x" * 65_537), 1009),
    Case("fragments that are too large", fragments(b"x" * 40_000, b"x" * 40_000), 1009),
    Case("too many small fragments", fragments(*[b"x" * 100] * 700), 1009),
    Case("a command in fragments", fragments(*[bytes((byte,)) for byte in COMMAND]), None),
    Case(
        "control frames in between",
        fragments(
            COMMAND[:9],
            COMMAND[9:20],
            COMMAND[20:],
            between=client_frame(PING, b"?") + client_frame(PONG, b"!"),
        ),
        None,
    ),
    Case("UTF-8 cut in a character", fragments(b'"' + CUT_UTF8, b"\xac" + b'"'), None),
    Case("a hundred pings", client_frame(PING, b"x" * 125) * 100, None),
    Case("pongs nobody asked for", client_frame(PONG) * 100, None),
    Case("an empty message", client_frame(TEXT) + client_frame(BINARY), None),
    Case("half-closed", b"", 0, half_close=True),
    Case("half-closed after a command", client_frame(TEXT, SUBSCRIBE), 0, half_close=True),
    Case("half-closed in a frame", client_frame(TEXT, SUBSCRIBE)[:9], 0, half_close=True),
    Case("half-closed in a message", client_frame(TEXT, b"{", fin=False), 0, half_close=True),
    Case("a zero behind the handshake", upgrade_request() + b"\0", 0, early=True),
    Case(
        "a frame behind the handshake",
        upgrade_request() + client_frame(TEXT, COMMAND),
        0,
        early=True,
    ),
    Case("a request behind the handshake", upgrade_request() * 2, 0, early=True),
    Case("half a handshake", upgrade_request()[:60], 0, early=True, half_close=True),
    Case("a handshake and half-closed", upgrade_request(), 0, early=True, half_close=True),
    Case("no HTTP", bytes(range(256)) * 4, 0, early=True),
    Case(
        "a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 0, early=True
    ),
]


def port(tree: Tree) -> int:
    return int(tree.addresses.sockets[0].getsockname()[1])


async def end_of(client: RawClient) -> int:
    """Read to the end; the code of the close frame, 0 without one."""
    code = 0
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # we may have half-closed
        while True:
            while (frame := client.parse_frame()) is not None:
                if frame[0] == CLOSE:
                    code = int.from_bytes(frame[1][:2], "big")
                    await client.send(client_frame(CLOSE, frame[1]))
            if not await client.more():
                break
    return code


async def try_case(tree: Tree, case: Case) -> None:
    client = RawClient(await trio.open_tcp_stream("127.0.0.1", port(tree)))
    try:
        if not case.early:
            await client.upgrade()
        await client.send(case.data)
        if case.half_close:
            await client.stream.send_eof()
        if case.early:
            with suppress(trio.BrokenResourceError):
                await client.ended()
        elif case.code is None:
            await client.send(client_frame(TEXT, COMMAND))
            while b'"mine"' not in (await client.frame())[1]:
                pass
        else:
            code = await end_of(client)
            assert code == case.code or case.code == 0
    except trio.BrokenResourceError:
        assert case.code is not None, "it was cut off"
    finally:
        client.stream.socket.close()


async def check_nothing_else_ended(tree: Tree) -> None:
    """No actor but sessions, no handler, and nothing in the protocol code."""
    await tree.until(lambda: sum(a.actor == "Session" for a in tree.actors().values()) == 1)
    assert tree.crashes == []
    for path, actor in tree.actors().items():
        assert actor.generation == 1, f"{path} was restarted"
    client = RawClient(await trio.open_tcp_stream("127.0.0.1", port(tree)))
    await client.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head = await client.read_head()
    assert head.startswith(b"HTTP/1.1 200 ")
    while await client.more():
        pass
    told = parse(client.buffer.decode())
    await client.aclose()
    assert told["stockstream_connections_crashed_total"] == 0
    assert told["stockstream_handler_errors_total"] == 0


@pytest.mark.proves("D7", "D10", "W11", "W14")
async def test_each_kind_of_bad_bytes_ends_its_connection_as_it_should(
    nursery: trio.Nursery,
) -> None:
    """With the code the protocol has for it; a witness goes on getting its prices."""
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as witness:
        await witness.send(action="subscribe", symbols="*")
        for case in CASES:
            try:
                with trio.fail_after(10):
                    await try_case(tree, case)
            except (AssertionError, trio.TooSlowError, EOFError) as error:
                raise AssertionError(f"{case.name}: {error!r}") from error
        await witness.message("prices", witness.counts["prices"] + 3)
        assert witness.closed is None
        await check_nothing_else_ended(tree)


commands = st.one_of(
    st.sampled_from(
        [COMMAND, SUBSCRIBE, b'{"action":"unsubscribe","symbols":["AAPL"]}', b"{", b""]
    ),
    st.binary(max_size=60),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["action", "symbols", "id", "since", "max_rate"]), inner, max_size=4
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)
frames = st.builds(
    client_frame,
    st.sampled_from([TEXT, TEXT, TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG, 0x3]),
    commands,
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0, 0, 0, 0, 0, 1]),
)
conversations = st.lists(frames | st.binary(max_size=20), max_size=10).map(b"".join)


@pytest.mark.proves("D7", "W11")
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(st.lists(conversations, min_size=6, max_size=6), st.booleans())
def test_no_bytes_disturb_anybody_else(cases: Sequence[bytes], half_close: bool) -> None:
    """Frames good and bad, commands good and bad, raw bytes, to the whole product."""
    trio.run(_try_all, cases, half_close)


async def _try_all(cases: Sequence[bytes], half_close: bool) -> None:
    with trio.fail_after(30):
        async with (
            running_tree() as tree,
            trio.open_nursery() as nursery,
            connected(tree.websocket_url, nursery) as witness,
        ):
            await witness.send(action="subscribe", symbols="*")
            await witness.message("prices")
            async with trio.open_nursery() as senders:
                for data in cases:
                    case = Case("drawn", data, 0, half_close=half_close)
                    senders.start_soon(_send_and_leave, tree, case)
            await witness.message("prices", witness.counts["prices"] + 1)
            assert witness.closed is None
            await check_nothing_else_ended(tree)


async def _send_and_leave(tree: Tree, case: Case) -> None:
    client = RawClient(await trio.open_tcp_stream("127.0.0.1", port(tree)))
    try:
        await client.upgrade()
        await client.send(case.data)
        if case.half_close:
            await client.stream.send_eof()
        with trio.move_on_after(0.2):
            await end_of(client)
    except trio.BrokenResourceError:
        pass  # cut off while sending: an end like another
    finally:
        client.stream.socket.close()
