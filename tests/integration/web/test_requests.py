"""Requests at the edge of RFC 9110, 9112 and 6455: what is served, what is refused with a word."""

import base64
import json
from http import HTTPStatus

import pytest
import trio
from quart import Response
from quart import request as asked

from tests.integration.web.support import (
    CLOSE,
    SOON,
    TEXT,
    client_frame,
    echo,
    make_app,
    running,
    upgrade_request,
)
from web.server import ServerConfig, ServerSocket

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
OWN_HEADERS = ((b"x-content-type-options", b"nosniff"),)


BODY = b"POST / HTTP/1.1\r\nHost: t\r\n"
SMUGGLED = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: t\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status", "named"),
    [
        (
            BODY + b"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED,
            400,
            "both",
        ),
        (BODY + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + SMUGGLED, 400, "both"),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n" + SMUGGLED, 400, "HTTP/1.0"),
        (BODY + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + SMUGGLED, 501, "chunked"),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "'a b'"),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "'a, b'"),
        (b"GET / HTTP/1.1\r\nHost: a@b/c?d\r\n\r\n", 400, "'a@b/c?d'"),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "'a/b'"),
        (b"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400, "'a:b'"),
        (b"GET / HTTP/1.1\r\nHost: a..\r\n\r\n", 400, "'a..'"),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 64 + b"\r\n\r\n", 400, "a" * 64),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, "''"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
        (b"GET / HTTP/1.1\r\nHost: t\r\nHost: t\r\n\r\n", 400, "Host"),
        (b"GET http://t@u/ HTTP/1.1\r\nHost: t\r\n\r\n", 400, "http://t@u/"),
        (b"GET t/ HTTP/1.1\r\nHost: t\r\n\r\n", 400, "'t/'"),
        (b"GET /a%00b HTTP/1.1\r\nHost: t\r\n\r\n", 400, "null byte"),
        (b"CONNECT t:443 HTTP/1.1\r\nHost: t\r\n\r\n", 400, "'t:443'"),
        (b"GET * HTTP/1.1\r\nHost: t\r\n\r\n", 400, "'*'"),
        (b"get / HTTP/1.1\r\nHost: t\r\n\r\n", 501, "'get'"),
        (b"GET / HTTP/2.0\r\nHost: t\r\n\r\n", 505, "HTTP/2.0"),
        (b"GET / HTTP/0.9\r\nHost: t\r\n\r\n", 505, "HTTP/0.9"),
        (b"GET / HTTP/1.1\r\nHost: t\r\nno colon\r\n\r\n", 400, "no colon"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "request line"),
    ],
)
async def test_a_request_that_is_none_is_refused_with_a_word_and_an_end(
    sent: bytes, status: int, named: str
) -> None:
    """The answer says what was wrong, has the headers of all answers, and nothing is read after."""
    async with running(config=ServerConfig(own_headers=OWN_HEADERS)) as run:
        client = await run.connect()
        await client.send(sent)
        head, body = await client.answer()
        assert head.startswith(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()), head
        assert b"connection: close" in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
        assert named in json.loads(body)["error"]["reason"]
        await client.ended()
        assert not client.buffer
        statistics = run.server.statistics()
        assert (statistics.crashed, statistics.handler_errors) == (0, 0)


async def test_an_answer_before_the_end_of_a_body_says_that_it_is_the_last() -> None:
    """The client, or a proxy's pool, would send its next request into a closed connection."""
    async with running() as run:
        client = await run.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n12")
        head, _ = await client.answer()
        assert head.startswith(b"HTTP/1.1 405 ")
        assert b"connection: close" in head.lower()
        assert b"keep-alive" not in head.lower()
        await client.ended()


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (upgrade_request(path="/elsewhere"), 404),
        (upgrade_request() + client_frame(TEXT, b"too early"), 400),
        (b"GET /broken HTTP/1.1\r\nHost: t\r\n\r\n", 500),
    ],
)
async def test_an_answer_that_the_app_does_not_give_has_the_headers_of_all(
    sent: bytes, status: int
) -> None:
    """A WebSocket where none is, a frame before the handshake, and a response that h11 refuses."""
    app = make_app()

    @app.get("/broken")
    async def broken() -> Response:
        return Response("", headers={"no name": ""})

    async with running({"/ws": echo}, ServerConfig(own_headers=OWN_HEADERS), app=app) as run:
        client = await run.connect()
        await client.send(sent)
        head = await client.read_head()
        assert head.startswith(b"HTTP/1.1 %d " % status), head
        assert head.lower().count(b"x-content-type-options: nosniff") == 1


@pytest.mark.parametrize(
    "host", ["t", "t:80", "T.example.", "a_b.example", "127.0.0.1:1", "[::1]", "[::1]:8080", "t:"]
)
async def test_a_host_and_a_port_are_a_host(host: str) -> None:
    async with running() as run:
        client = await run.connect()
        await client.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (await client.read_head()).startswith(b"HTTP/1.1 200 ")


async def test_empty_lines_before_a_request_are_ignored() -> None:
    """Before the first one, and behind a body, where old clients send one that is not counted."""
    post = b"POST /echo HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nab"
    app = make_app()

    @app.post("/echo")
    async def echo_body() -> bytes:
        return await asked.get_data()

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(b"\r\n" + post + b"\r\n" + post + b"\r\n\r\n" + GET)
        assert [(await client.answer())[1] for _ in range(3)] == [b"ab", b"ab", b"hello"]
        await client.send(b"\r")
        await client.send(b"\n" + GET)
        assert (await client.answer())[1] == b"hello"
        last = await run.connect()
        await last.send(post.replace(b"Host", b"Connection: close\r\nHost") + b"\r\n")
        assert (await last.answer())[1] == b"ab"
        await last.ended()


async def test_empty_lines_alone_do_not_keep_a_connection() -> None:
    async with running(config=ServerConfig(keep_alive_timeout=0.3)) as run:
        client = await run.connect()
        await client.send(GET)
        await client.answer()
        with trio.move_on_after(SOON) as limit:
            try:
                while run.server.statistics().open:
                    await client.send(b"\r\n")
                    await trio.sleep(0.02)
            except trio.BrokenResourceError:
                pass  # it has ended
        assert not limit.cancelled_caught


@pytest.mark.parametrize(("room", "status"), [(0, 200), (-1, 431)])
async def test_a_head_may_be_as_long_as_its_limit_and_no_longer(room: int, status: int) -> None:
    """To the byte, however many bytes come in one read."""
    limit = 2000
    frame = b"GET / HTTP/1.1\r\nHost: t\r\nX: \r\n\r\n"
    padded = frame.replace(b"X: ", b"X: " + b"x" * (limit - len(frame) - room))
    async with running(config=ServerConfig(max_head_size=limit)) as run:
        client = await run.connect()
        await client.send(padded + GET)
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 %d " % status)
        if status == 431:
            assert "2000 bytes" in json.loads(body)["error"]["reason"]


async def test_a_head_that_is_too_long_is_refused_before_it_ends() -> None:
    async with running(config=ServerConfig(max_head_size=2000)) as run:
        client = await run.connect()
        await client.send(b"GET / HTTP/1.1\r\nX: " + b"x" * 2000)
        assert (await client.answer())[0].startswith(b"HTTP/1.1 431 ")
        await client.ended()


async def test_a_chunk_extension_without_end_is_answered() -> None:
    app = make_app()

    @app.post("/")
    async def post() -> bytes:
        return await asked.get_data()

    async with running(app=app) as run:
        client = await run.connect()
        chunk = b"1;" + b"x" * 70_000 + b"\r\na\r\n0\r\n\r\n"
        await client.send(BODY + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 431 "), head
        assert json.loads(body)["error"]["code"] == "head_too_large"
        await client.ended()


async def test_options_of_the_server_itself_are_answered() -> None:
    """What proxies ask to see whether it lives (RFC 9110, section 9.3.7)."""
    async with running() as run:
        client = await run.connect()
        await client.send(b"OPTIONS * HTTP/1.1\r\nHost: t\r\n\r\n")
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 200 ")
        assert not body


async def test_a_whole_url_is_a_target_and_its_host_the_host() -> None:
    """RFC 9112, section 3.2.2: whatever the Host beside it says."""
    app = make_app()

    @app.get("/where")
    async def where() -> str:
        return f"{asked.host} {asked.full_path}"

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(b"GET HTTP://real:81/where?a=b HTTP/1.1\r\nHost: other\r\n\r\n")
        assert (await client.answer())[1] == b"real:81 /where?a=b"
        await client.send(b"GET http://real HTTP/1.1\r\nHost: other\r\n\r\n")
        assert (await client.answer())[1] == b"hello"


async def test_nothing_is_said_in_the_body_of_an_answer_to_head() -> None:
    async with running() as run:
        client = await run.connect()
        await client.send(b"HEAD / HTTP/1.1\r\nHost: a b\r\n\r\n")
        assert (await client.read_head()).startswith(b"HTTP/1.1 400 ")
        await client.ended()
        assert not client.buffer


# Handshakes


def key(size: int) -> str:
    return base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize(
    ("told", "instead"),
    [
        ("", "Sec-WebSocket-Key: x"),
        ("", f"Sec-WebSocket-Key: {key(15)}"),
        ("", f"Sec-WebSocket-Key: {key(17)}"),
        ("", "Sec-WebSocket-Key: " + key(16).replace("=", "")),
        ("", "Sec-WebSocket-Key: " + "*" + key(16)),
        ("", "Sec-WebSocket-Key:"),
        ("", "X-Other: x"),
        ("Host", f"Sec-WebSocket-Key: {key(16)}\r\nHost"),
    ],
)
async def test_a_key_is_sixteen_bytes_and_there_once(told: str, instead: str) -> None:
    """RFC 6455, section 4.2.1."""
    request = upgrade_request().decode()
    line = next(line for line in request.split("\r\n") if line.startswith("Sec-WebSocket-Key"))
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        await client.send(request.replace(told or line, instead).encode())
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert "Sec-WebSocket-Key" in json.loads(body)["error"]["reason"]
        await client.ended()


@pytest.mark.parametrize("version", ["8", "12", "13, 8", ""])
async def test_another_version_is_told_which_one_is_spoken(version: str) -> None:
    """RFC 6455, section 4.2.2."""
    request = upgrade_request().replace(b"Version: 13", b"Version: " + version.encode())
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        await client.send(request)
        head, body = await client.answer()
        assert head.startswith(b"HTTP/1.1 426 ")
        lines = head.lower().split(b"\r\n")
        assert b"sec-websocket-version: 13" in lines
        assert b"upgrade: websocket" in lines
        assert b"upgrade" in b", ".join(line for line in lines if line.startswith(b"connection"))
        assert "13" in json.loads(body)["error"]["reason"]
        await client.ended()


@pytest.mark.parametrize(
    ("told", "instead"),
    [
        (b"Upgrade: websocket", b"Upgrade: h2c, websocket"),
        (b"Upgrade: websocket", b"Upgrade: websocket, h2c"),
        (b"Upgrade: websocket", b"Upgrade: WebSocket\r\nUpgrade: h2c"),
        (b"Connection: Upgrade", b"Connection: keep-alive\r\nConnection: Upgrade"),
        (b"Connection: Upgrade", b"Connection: Upgrade\r\nConnection: \xfd"),
        (b"Host:", b"Sec-WebSocket-Extensions: \xfe\r\nHost:"),
        (b"/ws", b"http://test/ws"),
        (b"/ws", b"http://test/ws?protocol=1"),
        (b"GET", b"\r\nGET"),
    ],
)
async def test_a_handshake_may_say_more_than_it_must(told: bytes, instead: bytes) -> None:
    """Other protocols beside ours, extensions that we do not speak, a whole URL."""
    async with running({"/ws": echo}) as run:
        client = await run.connect()
        await client.send(upgrade_request().replace(told, instead, 1))
        head = await client.read_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        await client.text("hello")
        assert await client.frame() == (TEXT, b"hello")


async def test_subprotocols_may_stand_on_several_lines() -> None:
    async def handler(sock: ServerSocket) -> None:
        await sock.accept("one")

    async with running({"/ws": handler}) as run:
        lines = "Sec-WebSocket-Protocol: one\r\nSec-WebSocket-Protocol: two, three\r\n"
        client = await run.upgrade(headers=lines)
        assert b"sec-websocket-protocol: one" in client.head.lower()


@pytest.mark.parametrize("code", [1000, 1012, 1013, 1014, 3000, 4999])
async def test_every_registered_close_code_is_one(code: int) -> None:
    """1014 (bad gateway) came after RFC 6455; it is echoed, with its reason, as the others are."""
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        await client.send(client_frame(CLOSE, code.to_bytes(2) + b"why"))
        assert await client.frame() == (CLOSE, code.to_bytes(2) + b"why")


@pytest.mark.parametrize("payload", [b"\x03\xf6\xff\xfe", b"\x03\xf7", b"\x03\xed", b"\x07\xd0"])
async def test_what_is_no_close_code_is_a_protocol_error(payload: bytes) -> None:
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        await client.send(client_frame(CLOSE, payload))
        assert await client.close_code() in {1002, 1007}
