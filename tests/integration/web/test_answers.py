"""Answers that an app does not give whole, or gives wrongly: no client takes them for another."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from tests.integration.web.support import SOON, RawClient, echo, running
from web.server.known_heads import _kept

Send = Callable[[dict], Awaitable[None]]

TWO_REQUESTS = b"GET / HTTP/1.1\r\nHost: test\r\n\r\nGET /second HTTP/1.1\r\nHost: test\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict:
    return {"type": "http.response.start", "status": status, "headers": headers}


def length(size: int) -> tuple[bytes, bytes]:
    return b"content-length", b"%d" % size


def body(piece: bytes, *, more: bool = False) -> dict:
    return {"type": "http.response.body", "body": piece, "more_body": more}


def app_of(answer: Callable[[Send], Awaitable[None]]) -> object:
    """An app that gives this answer, but on `/second` one that says so."""

    async def app(scope: dict, receive: object, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/second":
            await send(start(length(6)))
            await send(body(b"second"))
        else:
            await answer(send)

    return app


async def to_the_end(client: RawClient) -> bytes:
    client.buffer.clear()
    await client.ended()
    return bytes(client.buffer)


async def cancelled_before_it_began(send: Send) -> None:
    with trio.move_on_after(0):
        await send(start(length(5)))
        await send(body(b"first"))


async def test_an_answer_cancelled_before_it_began_is_a_500() -> None:
    """The next answer on the connection would be taken for it."""
    async with running(app=app_of(cancelled_before_it_began)) as run:
        client = await run.connect()
        await client.send(TWO_REQUESTS)
        answer = await to_the_end(client)
        assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("headers", [[length(15)], []], ids=["length", "chunks"])
@pytest.mark.parametrize("lost", [1, 2], ids=["middle", "end"])
async def test_nothing_follows_an_answer_with_a_cancelled_piece(
    headers: list[tuple[bytes, bytes]], lost: int
) -> None:
    """Neither the rest of it, nor the next answer."""
    refused: list[ValueError] = []

    async def answer(send: Send) -> None:
        await send(start(*headers))
        for index, piece in enumerate((b"piece", b"-two-", b"three")):
            with trio.CancelScope() as scope:
                if index == lost:
                    scope.cancel()
                try:
                    await send(body(piece, more=index < 2))
                except ValueError as error:
                    refused.append(error)

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        await client.send(TWO_REQUESTS)
        got = await to_the_end(client)
        assert got.count(b"HTTP/1.1 ") == 1
        assert b"three" not in got
        assert not got.endswith(b"0\r\n\r\n")
        assert len(refused) == 2 - lost


async def test_an_answer_cut_in_the_middle_of_a_write_is_the_last_of_its_connection() -> None:
    """Its rest could still come, but the app has given it up: a client must see that it ended."""
    size = 8_000_000
    cut = trio.Event()

    async def answer(send: Send) -> None:
        with trio.move_on_after(0.2):
            await send(start(length(size)))
            await send(body(bytes(size)))
        cut.set()

    async with running(app=app_of(answer)) as run:
        client = await run.connect(receive_buffer=4096)
        await client.send(TWO_REQUESTS)
        with trio.fail_after(SOON):
            await cut.wait()
        with pytest.raises(trio.BrokenResourceError):
            await client.ended()
        assert len(client.buffer) < size
        await run.until(open_connections=0)


@pytest.mark.parametrize("given", [b"12", b"1234567"])
@pytest.mark.parametrize("more", [False, True])
async def test_a_body_of_another_length_is_a_500_while_its_head_has_not_left(
    given: bytes, *, more: bool
) -> None:
    """A proxy that gets no answer at all takes the whole server for dead."""

    async def answer(send: Send) -> None:
        await send(start(length(5)))
        await send(body(given, more=more))
        await send(body(b""))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        await client.send(TWO_REQUESTS)
        got = await to_the_end(client)
        sent_before_it_was_known = more and len(given) < 5
        assert got.startswith(b"HTTP/1.1 200 " if sent_before_it_was_known else b"HTTP/1.1 500 ")
        assert got.count(b"HTTP/1.1 ") == 1
        assert run.server.statistics().handler_errors == 1
        assert run.server.statistics().crashed == 0


@pytest.mark.parametrize(
    "header",
    [
        (b"x-text", b"one\r\nset-cookie: stolen=1"),
        (b"x-text", b"one\n\n<script>"),
        (b"x-text", b"null\0"),
        (b"x text", b"name"),
        (b"content-length", b"4"),  # a second one
        (b"content-length", b"-5"),
        (b"transfer-encoding", b"gzip"),
    ],
)
async def test_a_header_that_would_split_an_answer_is_a_500(header: tuple[bytes, bytes]) -> None:
    async def answer(send: Send) -> None:
        await send(start(length(5), header))
        await send(body(b"first"))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        await client.send(TWO_REQUESTS)
        got = await to_the_end(client)
        assert got.startswith(b"HTTP/1.1 500 ")
        assert got.count(b"HTTP/1.1 ") == 1
        assert b"stolen" not in got
        assert b"script" not in got


async def test_an_answer_without_content_has_no_length() -> None:
    """RFC 9110, section 8.6; a client could wait for so many bytes, or take the next answer's."""

    async def answer(send: Send) -> None:
        await send(start(length(5), status=204))
        await send(body(b"first"))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        await client.send(TWO_REQUESTS)
        head = await client.read_head()
        assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
        assert b"content-length" not in head.lower()
        assert (await client.answer())[1] == b"second"


@pytest.mark.parametrize(
    "request_line", [b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nConnection: close"]
)
@pytest.mark.parametrize("path", ["app", "client"])
async def test_an_answer_that_ends_its_connection_does_not_say_how_long_it_is_kept(
    request_line: bytes, path: str
) -> None:
    async def answer(send: Send) -> None:
        await send(start(length(5), *([(b"connection", b"close")] if path == "app" else [])))
        await send(body(b"first"))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        await client.send(request_line + b"\r\nHost: test\r\n\r\n")
        got = (await to_the_end(client)).lower()
        assert got.endswith(b"\r\n\r\nfirst")
        assert b"connection: close\r\n" in got
        assert b"keep-alive" not in got


async def test_large_heads_are_not_kept() -> None:
    """A stub's header can be as large as a body, and another one with each request."""
    number = 0

    async def answer(send: Send) -> None:
        nonlocal number
        number += 1
        await send(start(length(5), (b"x-large", b"%d" % number + bytes([120]) * 5_000)))
        await send(body(b"first"))

    _kept.clear()
    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        for _ in range(3):
            await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert (await client.answer())[1] == b"first"
        assert number == 3
        assert not _kept


async def test_no_head_with_a_cookie_is_kept() -> None:
    """It is one client's secret."""

    async def answer(send: Send) -> None:
        await send(start(length(5), (b"Set-Cookie", b"session=secret")))
        await send(body(b"first"))

    _kept.clear()
    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        for _ in range(2):
            await client.send(PLAIN)
            assert b"session=secret" in (await client.answer())[0]
        assert not _kept


async def test_requests_that_come_again_are_answered_as_the_first_one() -> None:
    """Byte for byte, also where one that differs stands between them."""
    number = 0

    async def answer(send: Send) -> None:
        nonlocal number
        number += 1
        await send(start(length(5), (b"date", b"Mon, 30 Nov 2026 09:00:00 GMT")))
        await send(body(b"%05d" % number))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        heads = set()
        for count in range(1, 5):
            await client.send(PLAIN)
            head, got = await client.answer()
            heads.add(head)
            assert got == b"%05d" % count
        assert len(heads) == 1
        await client.send(PLAIN.replace(b"GET", b"HEAD"))
        assert await client.read_head() in heads
        await client.send(PLAIN + PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert (await client.answer())[1] == b"00006"
        last = await to_the_end(client)
        assert last.endswith(b"\r\n\r\n00007")
        assert b"connection: close\r\n" in last.lower()


@pytest.mark.parametrize("headers", [(length(5),), (length(5), length(4)), ()])
async def test_a_known_request_may_be_answered_in_any_way(
    headers: tuple[tuple[bytes, bytes], ...],
) -> None:
    """In pieces, in chunks, or wrongly: then it is a 500, as it is the first time."""
    asked = 0

    async def answer(send: Send) -> None:
        nonlocal asked
        asked += 1
        if asked < 3:
            await send(start(length(5)))
            await send(body(b"first"))
        else:
            await send(start(*headers))
            await send(body(b"fi", more=True))
            await send(body(b"rst"))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        for _ in range(2):
            await client.send(PLAIN)
            assert (await client.answer())[1] == b"first"
        await client.send(PLAIN)
        if len(headers) == 2:
            assert (await client.read_head()).startswith(b"HTTP/1.1 500 ")
        elif headers:
            assert (await client.answer())[1] == b"first"
        else:
            head = (await client.read_head()).lower()
            assert b"transfer-encoding: chunked" in head


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 304), (b"GET", 204)])
async def test_a_head_that_no_body_follows_leaves_at_once(method: bytes, status: int) -> None:
    """Its app may be a stream whose first piece comes much later."""
    seen = trio.Event()

    async def answer(send: Send) -> None:
        await send(start(length(5), status=status))
        await seen.wait()
        await send(body(b"first"))

    async with running(app=app_of(answer)) as run:
        client = await run.connect()
        await client.send(PLAIN.replace(b"GET", method))
        assert (await client.read_head()).startswith(b"HTTP/1.1 %d " % status)
        seen.set()
        await client.send(b"GET /second HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (await client.answer())[1] == b"second"


async def test_every_answer_has_its_reason_phrase() -> None:
    """Of the app, of the server, in between, and of a handshake; some programs look for it."""
    request = b"POST / HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        await client.send(request)
        assert (await client.read_head()).startswith(b"HTTP/1.1 100 Continue\r\n")
        await client.send(b"x")
        assert (await client.answer())[0].startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
        assert (await run.upgrade()).head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        client = await run.connect()
        await client.send(request.replace(b" HTTP/1.1", b"<script> x HTTP/1.1"))
        assert (await client.answer())[0].startswith(b"HTTP/1.1 400 Bad Request\r\n")
