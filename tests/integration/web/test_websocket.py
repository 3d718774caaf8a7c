"""WebSocket handlers on the server: the handshake, messages, and how it ends."""

import struct
import tracemalloc
from contextlib import suppress

import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from tests.integration.web.support import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    SOON,
    TEXT,
    client_frame,
    echo,
    running,
    upgrade_request,
)
from web.server import Disconnected, Sent, ServerConfig, ServerSocket, encode_text_frame


class Seen:
    """What a handler got, and when its client was gone."""

    def __init__(self) -> None:
        self.accepted = trio.Event()
        self.over = trio.Event()
        self.code: int | None = None
        self.messages: list[str | bytes] = []
        self.socket: ServerSocket | None = None

    async def __call__(self, sock: ServerSocket) -> None:
        self.socket = sock
        await sock.accept()
        self.accepted.set()
        try:
            while True:
                self.messages.append(await sock.receive())
        except Disconnected as left:
            self.code = left.code
            self.over.set()
            raise


# Handshake


async def test_a_handler_sees_its_request() -> None:
    """Path, query, headers in any case and the peer's address are there before `accept`."""
    told: dict[str, object] = {}

    async def handler(sock: ServerSocket) -> None:
        told.update(
            path=sock.path,
            protocol=sock.query.get("protocol"),
            empty=sock.query.get("x"),
            origin=sock.headers["ORIGIN"],
            client=sock.client,
        )
        await sock.accept()

    async with running({"/ws": handler}) as run:
        client = await run.upgrade("/ws?protocol=2&x=", headers="Origin: https://example.com\r\n")
        assert await client.close_code() == 1000
        assert told == {
            "path": "/ws",
            "protocol": "2",
            "empty": "",
            "origin": "https://example.com",
            "client": client.stream.socket.getsockname(),
        }


@pytest.mark.proves("W13")
async def test_no_compression_is_negotiated() -> None:
    """A browser's offer of permessage-deflate is not answered, and messages stay plain."""
    async with running({"/ws": echo}) as run:
        client = await run.upgrade(
            headers="Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        )
        assert b"extensions" not in client.head.lower()
        await client.text("plain " * 100)
        assert await client.frame() == (TEXT, b"plain " * 100)


@pytest.mark.parametrize(
    ("told", "instead", "status"),
    [(b"GET ", b"get ", 501), (b"websocket\r\n", b"websocket\xa0\r\n", 404)],
    ids=["method in lower case", "a byte that Hypercorn strips"],
)
async def test_what_only_hypercorn_calls_an_upgrade_is_none(
    told: bytes, instead: bytes, status: int
) -> None:
    """Its own WebSocket would have none of our limits, and no way for ready frames."""
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        await client.send(upgrade_request(headers=extension).replace(told, instead, 1))
        assert (await client.read_head()).startswith(b"HTTP/1.1 %d " % status)


async def test_an_unknown_path_gets_404() -> None:
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        await client.send(upgrade_request("/nowhere"))
        assert (await client.read_head()).startswith(b"HTTP/1.1 404 ")
        await client.ended()


async def test_a_handler_can_answer_with_http_instead() -> None:
    """`reject` sends status, headers and body, and closes the connection."""

    async def handler(sock: ServerSocket) -> None:
        await sock.reject(429, [("retry-after", "7")], b"too many\n")

    async with running({"/ws": handler}) as run:
        client = await run.connect()
        await client.send(upgrade_request())
        head = await client.read_head()
        await client.ended()
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 7" in head.lower()
        assert bytes(client.buffer) == b"too many\n"
        assert run.server.statistics().handler_errors == 0


async def test_a_subprotocol_that_was_not_offered_is_refused() -> None:
    problems: list[ValueError] = []

    async def handler(sock: ServerSocket) -> None:
        try:
            await sock.accept("prices.v9")
        except ValueError as error:
            problems.append(error)
            await sock.accept("prices.v1")

    async with running({"/ws": handler}) as run:
        client = await run.upgrade(headers="Sec-WebSocket-Protocol: prices.v1\r\n")
        assert b"sec-websocket-protocol: prices.v1" in client.head.lower()
        assert "prices.v9" in str(problems[0])


@pytest.mark.proves("D7")
async def test_a_handshake_that_is_not_ascii_gets_400() -> None:
    """Hypercorn decodes it as ASCII: stock, one such request ends the server."""
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        await client.send(upgrade_request(headers="Sec-WebSocket-Protocol: \xff\r\n"))
        assert (await client.read_head()).startswith(b"HTTP/1.1 400 ")
        await client.ended()
        assert run.server.statistics().crashed == 0


@pytest.mark.parametrize(
    "extra",
    [b"\x00", b"GET / HTTP/1.1\r\n\r\n", client_frame(TEXT, b"x")],
    ids=["a byte", "a request", "a frame"],  # a frame's mask is another each time
)
@pytest.mark.proves("D7")
async def test_bytes_right_after_the_upgrade_request_end_their_connection_only(
    extra: bytes,
) -> None:
    """One byte there kills a stock server; here others go on, and nothing is left behind."""

    async def slow_to_accept(sock: ServerSocket) -> None:
        with pytest.raises(Disconnected):
            await sock.receive()
        await sock.accept()

    async with running({"/ws": echo, "/slow": slow_to_accept}) as run:
        witness = await run.upgrade()
        client = await run.connect()
        await client.send(upgrade_request("/slow") + extra)
        assert (await client.read_head()).startswith(b"HTTP/1.1 400 ")
        await client.ended()
        await client.aclose()
        await run.until(open_connections=1)
        await witness.text("still here")
        assert await witness.frame() == (TEXT, b"still here")
        assert run.server.statistics().crashed == 0


# Messages


async def test_messages_come_whole_however_they_were_cut() -> None:
    """Fragments, with control frames in between, in pieces of one byte."""
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        wire = (
            client_frame(TEXT, "gr\u00fc".encode()[:3], fin=False)
            + client_frame(PING, b"between")
            + client_frame(CONTINUATION, "gr\u00fc".encode()[3:] + b"n", fin=False)
            + client_frame(CONTINUATION, b"")
            + client_frame(BINARY, b"\x00\xff")
        )
        for index in range(len(wire)):
            await client.send(wire[index : index + 1])
        assert await client.frame() == (PONG, b"between")
        assert await client.frame() == (TEXT, "gr\u00fcn".encode())
        assert await client.frame() == (BINARY, b"\x00\xff")


async def test_a_client_of_another_make_is_served() -> None:
    """trio-websocket talks to us, and sees our close code."""

    async def handler(sock: ServerSocket) -> None:
        await sock.accept("prices.v1")
        await sock.send(await sock.receive())
        await sock.close(4503, "forbidden")

    async with running({"/ws": handler}) as run, trio.open_nursery() as nursery:
        stream = (await run.connect()).stream
        client = await wrap_client_stream(
            nursery, stream, "localhost", "/ws", subprotocols=["prices.v1"]
        )
        assert client.subprotocol == "prices.v1"
        await client.send_message("hello")
        assert await client.get_message() == "hello"
        with pytest.raises(ConnectionClosed) as closed:
            await client.get_message()
        assert closed.value.reason.code == 4503
        assert closed.value.reason.reason == "forbidden"


# Close codes


INVALID_UTF8 = client_frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80")

BROKEN_FRAMES = {
    "unmasked": (b"\x81\x05hello", 1002),
    "reserved bit": (client_frame(TEXT, b"x", rsv=4), 1002),
    "reserved opcode": (client_frame(0x3, b"x"), 1002),
    "fragmented ping": (client_frame(PING, b"x", fin=False), 1002),
    "ping over 125 bytes": (client_frame(PING, b"x" * 126), 1002),
    "continuation of nothing": (client_frame(CONTINUATION, b"x"), 1002),
    "new message inside a message": (
        client_frame(TEXT, b"x", fin=False) + client_frame(TEXT, b"y"),
        1002,
    ),
    "length longer than needed": (b"\x81\xfe\x00\x05mask\x00\x00\x00\x00\x00", 1002),
    "length of 2**63": (b"\x82\xff" + struct.pack("!Q", 1 << 63) + b"mask", 1002),
    "close with one byte": (client_frame(CLOSE, b"\x03"), 1002),
    "close with 1005": (client_frame(CLOSE, struct.pack("!H", 1005)), 1002),
    "close reason not UTF-8": (client_frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    "text not UTF-8": (INVALID_UTF8, 1007),
    "too big": (client_frame(BINARY, bytes(65537)), 1009),
    "too big over fragments": (
        client_frame(BINARY, bytes(40000), fin=False) + client_frame(CONTINUATION, bytes(25537)),
        1009,
    ),
    "too big as UTF-8, not as characters": (
        client_frame(TEXT, "\U0001f600".encode() * 16385),
        1009,
    ),
}


@pytest.mark.parametrize("name", BROKEN_FRAMES)
@pytest.mark.proves("D10", "D7")
async def test_the_client_gets_the_code_for_what_it_did_wrong(name: str) -> None:
    """1002, 1007 or 1009 arrive whole, and the stream ends after them, not before."""
    data, code = BROKEN_FRAMES[name]
    seen = Seen()
    async with running({"/ws": seen, "/echo": echo}) as run:
        witness = await run.upgrade("/echo")
        client = await run.upgrade()
        await client.send(data)
        assert await client.close_code() == code
        await client.send(client_frame(CLOSE, struct.pack("!H", code)))
        await client.ended()
        with trio.fail_after(SOON):
            await seen.over.wait()
        assert seen.code == code
        assert seen.messages == []
        await witness.text("undisturbed")
        assert await witness.frame() == (TEXT, b"undisturbed")
        assert run.server.statistics().crashed == 0


@pytest.mark.proves("D10")
async def test_a_message_of_exactly_the_limit_is_served() -> None:
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        await client.send(client_frame(BINARY, bytes(65536)))
        assert await client.frame() == (BINARY, bytes(65536))


@pytest.mark.proves("D10")
async def test_a_client_that_keeps_sending_still_gets_its_code() -> None:
    """The code for a 2 MB message arrives though the client sends all of it first.

    A socket closed with unread input is reset, and a reset destroys what is on its way.
    """
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        await client.send(client_frame(BINARY, bytes(2_000_000)))
        assert await client.close_code() == 1009


@pytest.mark.proves("D10")
async def test_a_handler_that_raises_gives_1011(caplog: pytest.LogCaptureFixture) -> None:
    """The client gets 1011, the error is logged and counted, and the server goes on."""

    async def broken(sock: ServerSocket) -> None:
        await sock.accept()
        raise LookupError("a bug in the handler")

    async with running({"/ws": broken, "/echo": echo}) as run:
        client = await run.upgrade()
        assert await client.close_code() == 1011
        await client.send(client_frame(CLOSE, struct.pack("!H", 1011)))
        await client.ended()
        assert run.server.statistics().handler_errors == 1
        other = await run.upgrade("/echo")
        await other.text("on")
        assert await other.frame() == (TEXT, b"on")
    assert "a bug in the handler" in caplog.text


async def test_a_handler_that_raises_before_accepting_gives_500() -> None:
    async def broken(sock: ServerSocket) -> None:
        raise LookupError("a bug in the handler")

    async with running({"/ws": broken}) as run:
        client = await run.connect()
        await client.send(upgrade_request())
        assert (await client.read_head()).startswith(b"HTTP/1.1 500 ")
        await client.ended()


async def test_a_handler_that_returns_gives_1000() -> None:
    async def brief(sock: ServerSocket) -> None:
        await sock.accept()

    async with running({"/ws": brief}) as run:
        client = await run.upgrade()
        assert await client.close_code() == 1000
        assert run.server.statistics().handler_errors == 0


async def test_a_handlers_nursery_may_let_the_disconnect_pass() -> None:
    """Disconnected out of a nursery, so in a group, is no error either."""

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sock.receive)
            nursery.start_soon(trio.sleep_forever)

    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        await client.aclose()
        await run.until(open_connections=0)
        assert run.server.statistics().handler_errors == 0


@pytest.mark.proves("D10")
async def test_the_peers_close_is_answered_with_its_code() -> None:
    seen = Seen()
    async with running({"/ws": seen}) as run:
        client = await run.upgrade()
        await client.send(client_frame(CLOSE, struct.pack("!H", 4123) + b"because"))
        assert await client.close_code() == 4123
        await client.ended()
        with trio.fail_after(SOON):
            await seen.over.wait()
        assert seen.code == 4123


@pytest.mark.proves("D10")
async def test_the_connection_waits_for_the_peers_answer_to_a_close() -> None:
    """After our close frame the TCP connection stays until the client has answered."""
    closed = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        await sock.close(1012, "restart")
        closed.set()

    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        assert await client.close_code() == 1012
        await closed.wait()
        with trio.move_on_after(0.2) as waited:
            await client.stream.receive_some(1)
        assert waited.cancelled_caught, "the server did not wait for our close frame"
        await client.send(client_frame(CLOSE, struct.pack("!H", 1012)))
        await client.ended()
        await client.aclose()
        await run.until(open_connections=0)


@pytest.mark.proves("D10")
async def test_a_peer_that_never_answers_a_close_is_dropped_after_the_limit() -> None:
    """`close_timeout` bounds the handshake also when the client goes on sending messages."""

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        await sock.close()

    async with running({"/ws": handler}, ServerConfig(close_timeout=0.4)) as run:
        started = trio.current_time()
        client = await run.upgrade()
        assert await client.close_code() == 1000
        try:
            while trio.current_time() < started + SOON:
                await client.text("are you there?")
                await trio.sleep(0.01)  # the flood, at 100 messages a second
        except trio.BrokenResourceError:
            pass
        assert 0.4 <= trio.current_time() - started < SOON


@pytest.mark.parametrize("code", [999, 1004, 1005, 1006, 1015, 2999, 5000])
async def test_a_code_that_may_not_be_sent_is_refused(code: int) -> None:
    problems: list[ValueError] = []

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        try:
            await sock.close(code)
        except ValueError as error:
            problems.append(error)

    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        assert await client.close_code() == 1000
        assert str(code) in str(problems[0])


# Disconnects


@pytest.mark.proves("D8")
async def test_a_handler_that_never_receives_sees_its_client_leave() -> None:
    """`wire.wait_closed` fires and the handler is free to end."""
    noticed = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        await sock.wire.wait_closed()
        noticed.set()

    async with running({"/ws": handler}) as run:
        for leave in ("fin", "rst", "close frame"):
            noticed = trio.Event()
            client = await run.upgrade()
            if leave == "fin":
                await client.aclose()
            elif leave == "rst":
                client.reset()
            else:
                await client.send(client_frame(CLOSE))
            with trio.fail_after(SOON):
                await noticed.wait()
        await client.aclose()
        await run.until(open_connections=0)


@pytest.mark.proves("D8")
async def test_a_client_that_leaves_behind_unread_messages_is_seen_to_leave() -> None:
    """The reader is held by a message nobody receives; the end behind it is noticed all the same.

    What was handed over before is not lost: the unread message, then the end.
    """
    got: list[object] = []
    done = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        await sock.wire.wait_closed()
        got.append(await sock.receive())
        try:
            await sock.receive()
        except Disconnected as left:
            got.append(left.code)
        done.set()

    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        for number in range(2000):
            await client.text(f"message {number}")
        client.reset()
        with trio.fail_after(SOON):
            await done.wait()
        assert got == ["message 0", 1006]
        await run.until(open_connections=0)


@pytest.mark.proves("D8")
async def test_a_handler_that_will_not_end_is_cancelled_after_its_grace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A handler that goes on without its client holds its connection for a bounded time."""
    cancelled = trio.Event()

    async def stubborn(sock: ServerSocket) -> None:
        await sock.accept()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with running({"/ws": stubborn}, ServerConfig(handler_grace=0.2)) as run:
        client = await run.upgrade()
        await client.aclose()
        with trio.fail_after(SOON):
            await cancelled.wait()
        await run.until(open_connections=0)
    assert "went on for 0.2 s" in caplog.text


@pytest.mark.proves("D9")
async def test_a_send_after_close_is_noticed() -> None:
    """By both ways of sending, whoever closed."""
    results: list[object] = []
    done = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        with suppress(Disconnected):
            await sock.receive()
        results.append(sock.wire.try_send(encode_text_frame(b"late")))
        try:
            await sock.send("late")
        except Disconnected as left:
            results.append(type(left))
        done.set()

    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        await client.send(client_frame(CLOSE, struct.pack("!H", 1000)))
        with trio.fail_after(SOON):
            await done.wait()
        assert results == [Sent.CLOSED, Disconnected]


# Memory


@pytest.mark.proves("D5")
async def test_a_client_that_floods_an_app_that_does_not_receive_is_held_back() -> None:
    """64 KiB messages without pause: the server keeps one, and then reads no more."""

    async def deaf(sock: ServerSocket) -> None:
        await sock.accept()
        await trio.sleep_forever()

    async with running({"/ws": deaf}) as run:
        client = await run.upgrade()
        frame = client_frame(TEXT, ("\U0001f600" + "x" * 65532).encode())
        await client.send(frame)
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            with trio.move_on_after(1) as stuck:
                while True:
                    await client.stream.send_all(frame)
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert stuck.cancelled_caught
        assert held < 160 * 1024


@pytest.mark.proves("D5", "D6")
async def test_a_client_that_pings_without_reading_is_reset() -> None:
    """Pongs nobody reads fill the socket; without progress the connection is reset."""
    async with running({"/ws": echo}, ServerConfig(progress_timeout=0.5)) as run:
        client = await run.upgrade(receive_buffer=4096)
        pings = client_frame(PING, b"x" * 125) * 500
        with pytest.raises(trio.BrokenResourceError):
            await client.send(pings * 200)
        await run.until(open_connections=0)


@pytest.mark.proves("D5")
async def test_input_after_a_parse_error_is_not_kept() -> None:
    """What a client sends after its protocol error is read and thrown away."""
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        await client.send(b"\x81\x05hello")
        assert await client.close_code() == 1002
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            chunk = bytes(1 << 16)
            for _ in range(160):
                await client.send(chunk)
            held = tracemalloc.get_traced_memory()[0] - before
        finally:
            tracemalloc.stop()
        assert held < 256 * 1024
