"""How HTTP connections end: no request is lost that has come, and nobody dawdles for ever."""

import os
import time
from collections.abc import AsyncIterator

import pytest
import trio
from quart import request as asked

from tests.integration.web.support import SOON, RawClient, make_app, running
from web.server import ServerConfig

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def make_echo() -> object:
    app = make_app()

    @app.post("/echo")
    async def echo() -> bytes:
        return await asked.get_data()

    @app.post("/slow")
    async def slow() -> bytes:
        await trio.sleep(0.2)
        return await asked.get_data()

    @app.post("/never")
    async def never() -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    return app


# Keep-alive


async def test_a_request_in_the_moment_of_the_end_is_served() -> None:
    """It has come when the time is up, and nobody has looked at it: a proxy would answer 502."""
    async with running(app=make_echo(), config=ServerConfig(keep_alive_timeout=0.2)) as run:
        client = await run.connect()
        await client.send(GET)
        await client.answer()
        ends = trio.current_time() + 0.2
        os.write(client.stream.socket.fileno(), post("/echo", b"in time"))
        while trio.current_time() < ends + 0.05:
            time.sleep(0.01)  # noqa: ASYNC251 - the loop has no turn until the time is up
        assert (await client.answer())[1] == b"in time"
        await client.send(GET)
        assert (await client.answer())[1] == b"hello"
        await client.ended()


async def test_the_first_request_of_a_connection_may_be_as_late() -> None:
    """A browser opens connections before it needs them."""
    async with running(config=ServerConfig(head_timeout=0.2)) as run:
        client = await run.connect()
        await run.until(open_connections=1)
        os.write(client.stream.socket.fileno(), GET)
        time.sleep(0.3)  # noqa: ASYNC251 - as above
        assert (await client.answer())[1] == b"hello"


async def test_a_drain_serves_what_has_come_and_says_that_it_ends() -> None:
    async with running(app=make_echo()) as run:
        client, quiet = await run.connect(), await run.connect()
        for each in (client, quiet):
            await each.send(GET)
            assert b"connection: close" not in (await each.answer())[0].lower()
        os.write(client.stream.socket.fileno(), post("/echo", b"in time"))
        run.server.drain(SOON)
        head, body = await client.answer()
        assert body == b"in time"
        assert b"connection: close" in head.lower()
        await client.ended()
        await quiet.ended()


async def test_an_answer_tells_how_long_its_connection_is_kept() -> None:
    """Somewhat less than it is: who goes by it never sends into an end."""
    async with running(config=ServerConfig(keep_alive_timeout=100)) as run:
        client = await run.connect()
        await client.send(GET)
        assert b"keep-alive: timeout=90" in (await client.answer())[0].lower()


async def test_the_last_answer_of_a_connection_says_so() -> None:
    """After 1,000 requests a connection ends: a client that was not told would lose one."""
    async with running() as run:
        client = await run.connect()
        for number in range(1, 1001):
            await client.send(GET)
            head, _ = await client.answer()
            assert (b"connection: close" in head.lower()) is (number == 1000), number
        await client.ended()


# A client that ends its side


async def half_close(client: RawClient, data: bytes) -> None:
    await client.send(data)
    await client.stream.send_eof()


@pytest.mark.parametrize("path", ["/echo", "/slow"])
async def test_a_client_that_ends_its_side_behind_a_request_gets_its_answer(path: str) -> None:
    async with running(app=make_echo()) as run:
        client = await run.connect()
        await half_close(client, post(path, b"first") + post(path, b"second"))
        assert (await client.answer())[1] == b"first"
        assert (await client.answer())[1] == b"second"
        await client.ended()
        await run.until(open_connections=0)


async def test_an_answer_that_does_not_come_ends_with_a_client_that_has() -> None:
    async with running(app=make_echo(), config=ServerConfig(close_timeout=0.2)) as run:
        client = await run.connect()
        await half_close(client, post("/never", b""))
        await client.ended()
        await run.until(open_connections=0)


async def test_a_stream_ends_with_the_client_that_ends_its_side() -> None:
    """A page that is closed looks the same, and its stream would be held for nobody."""
    app = make_app()

    @app.get("/events")
    async def events() -> object:
        async def lines() -> AsyncIterator[bytes]:
            yield b"begun\n"
            await trio.sleep_forever()

        return lines()

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(GET.replace(b"/ ", b"/events "))
        while b"begun" not in client.buffer:
            await client.more()
        started = trio.current_time()
        await client.stream.send_eof()
        await client.ended()
        assert trio.current_time() - started < ServerConfig().close_timeout


async def test_half_a_request_before_the_end_is_none() -> None:
    async with running(app=make_echo()) as run:
        client = await run.connect()
        await half_close(client, post("/echo", b"whole")[:-1])
        await client.ended()
        assert not client.buffer
        await run.until(open_connections=0)


# Bodies


@pytest.mark.parametrize(("size", "served"), [(1, False), (400, True)])
async def test_a_body_has_a_least_rate_and_no_longest_time(size: int, served: bool) -> None:
    """Bytes now and then do not hold a connection for ever; a large body on a slow line may."""
    config = ServerConfig(body_timeout=0.4, body_rate=500)
    pieces = 20
    async with running(app=make_echo(), config=config) as run:
        client = await run.connect()
        whole = post("/echo", b"x" * size * pieces)
        await client.send(whole[: -size * pieces])
        try:
            for _ in range(pieces):  # for a second, which is longer than a pause may be
                await trio.sleep(0.05)
                await client.send(b"x" * size)
            answered = bool(await client.more())
        except trio.BrokenResourceError:
            answered = False
        assert answered is served
