"""serve(): connections that cannot hurt each other, limits, drain and kill."""

import gc
import logging
import resource
import socket
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from tests.integration.web.support import (
    CLOSE,
    SOON,
    TEXT,
    RawClient,
    client_frame,
    echo,
    make_app,
    running,
    upgrade_request,
)
from tests.support.selfsigned import client_context, server_context
from web.server import (
    Disconnected,
    PortTaken,
    Sent,
    ServerConfig,
    ServerSocket,
    StartupFailed,
    Wire,
    encode_text_frame,
    open_sockets,
    serve,
    wire_of,
)
from web.server.connection import Connection
from web.server.http1 import Http1Protocol

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


# HTTP


async def test_a_quart_app_is_served() -> None:
    """Requests on one kept-alive connection, bodies both ways, without a server header."""
    app = make_app()

    @app.post("/double")
    async def double() -> bytes:
        from quart import request  # noqa: PLC0415 - the request is a context-local of Quart's

        return (await request.get_data()) * 2

    async with running(app=app) as run, httpx.AsyncClient() as client:
        base = f"http://127.0.0.1:{run.port}"
        first = await client.get(f"{base}/")
        assert (first.status_code, first.text) == (200, "hello")
        assert "server" not in first.headers
        posted = await client.post(f"{base}/double", content=b"x" * 300_000)
        assert posted.content == b"x" * 600_000
        assert (await client.get(f"{base}/nothing")).status_code == 404
        assert run.server.statistics().accepted == 1


async def test_an_app_that_never_receives_its_request_holds_nothing() -> None:
    """A plain ASGI app may answer without reading; with a queue of one Hypercorn would wait."""

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 204, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    async with running(app=app) as run:
        client = await run.connect()
        body = b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n0123456789"
        for _ in range(3):
            await client.send(body)
            assert (await client.read_head()).startswith(b"HTTP/1.1 204 ")
        await client.aclose()
        await run.until(open_connections=0)


async def test_a_request_that_asks_to_close_is_not_held_by_what_follows_it() -> None:
    """An answer with `Connection: close` ends the connection, pipelined bytes or not."""
    app = make_app()

    @app.get("/last")
    async def last() -> tuple[str, dict[str, str]]:
        return "bye", {"connection": "close"}

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(GET.replace(b"/ ", b"/last ") + GET)
        assert (await client.read_head()).startswith(b"HTTP/1.1 200 ")
        await client.ended()
        await client.aclose()
        await run.until(open_connections=0)


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running() as run:
        client = await run.connect()
        await client.send(GET * 5)
        for _ in range(5):
            assert (await client.read_head()).startswith(b"HTTP/1.1 200 ")
            while len(client.buffer) < 5:
                await client.more()
            assert client.buffer[:5] == b"hello"
            del client.buffer[:5]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET ?x HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET /%00 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"CONNECT t:443 HTTP/1.1\r\nHost: t\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: t\r\nX: " + b"x" * 20_000,
    ],
)
@pytest.mark.proves("D7")
async def test_a_request_nobody_can_read_gets_a_4xx_and_an_end(request_bytes: bytes) -> None:
    async with running() as run:
        client = await run.connect()
        await client.send(request_bytes)
        assert (await client.read_head()).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
        await client.ended()
        statistics = run.server.statistics()
        assert (statistics.crashed, statistics.handler_errors) == (0, 0)


async def test_http2_is_never_spoken() -> None:
    """Neither the upgrade to h2c nor its preface: ready frames would corrupt HTTP/2."""
    async with running() as run:
        client = await run.connect()
        await client.send(
            b"GET / HTTP/1.1\r\nHost: t\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert (await client.read_head()).startswith(b"HTTP/1.1 200 ")
        preface = await run.connect()
        await preface.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert (await preface.read_head()).startswith(b"HTTP/1.1 505 ")


async def test_a_handler_can_misbehave_on_the_wire() -> None:
    """Raw bytes, a plain end and a reset from an HTTP handler, below ASGI."""
    app = make_app()

    async def faulty() -> str:
        from quart import request  # noqa: PLC0415 - the request is a context-local of Quart's

        wire = wire_of(request.scope)
        match request.args["fault"]:
            case "garbage":
                await wire.write(b"\x00garbage")
                wire.close()
            case "empty":
                wire.close()
            case "reset":
                wire.abort()
        return "never seen"

    app.get("/fault")(faulty)
    async with running(app=app) as run:
        for fault, expected in (("garbage", b"\x00garbage"), ("empty", b"")):
            client = await run.connect()
            await client.send(GET.replace(b"/ ", b"/fault?fault=%s " % fault.encode()))
            await client.ended()
            assert bytes(client.buffer) == expected
        client = await run.connect()
        await client.send(GET.replace(b"/ ", b"/fault?fault=reset "))
        with pytest.raises(trio.BrokenResourceError):
            await client.ended()
        await run.until(open_connections=0)
        statistics = run.server.statistics()
        assert (statistics.crashed, statistics.handler_errors) == (0, 0)


# The guard


@pytest.mark.proves("D7")
async def test_a_bug_in_the_protocol_code_ends_one_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged with its traceback and counted; other clients notice nothing."""
    create_stream = Http1Protocol._create_stream

    async def with_a_bug(self: Http1Protocol, request: object) -> None:
        if request.target == b"/bug":
            raise ZeroDivisionError("a bug in the protocol code")
        await create_stream(self, request)

    monkeypatch.setattr(Http1Protocol, "_create_stream", with_a_bug)
    async with running({"/ws": echo}) as run:
        witness = await run.upgrade()
        client = await run.connect()
        await client.send(GET.replace(b"/ ", b"/bug "))
        await client.ended()
        await run.until(open_connections=1)  # it has ended for its peer a little earlier
        assert run.server.statistics().crashed == 1
        assert "a bug in the protocol code" in caplog.text
        await witness.text("undisturbed")
        assert await witness.frame() == (TEXT, b"undisturbed")


# Limits


async def test_an_app_that_is_slow_to_read_a_body_does_not_end_the_request() -> None:
    """While the app holds the reader up, no limit on the client runs."""

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] != "http":
            return
        await trio.sleep(0.5)
        size = 0
        while (message := await receive())["more_body"]:
            size += len(message["body"])
            await trio.sleep(0.005)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % size})

    async with running(app=app, config=ServerConfig(body_timeout=0.2)) as run:
        client = await run.connect()
        await client.send(b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 200000\r\n\r\n")
        await client.send(bytes(200_000))
        assert (await client.read_head()).startswith(b"HTTP/1.1 200 ")


ASGI_START = {"type": "http.response.start", "status": 200}


async def test_an_app_that_fails_before_its_body_is_answered_500() -> None:
    """The head of an answer with a length waits for the body, so it can still be another one."""

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http":
            await send({**ASGI_START, "headers": [(b"content-length", b"5")]})
            raise RuntimeError("no body today")

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(GET)
        assert (await client.read_head()).startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
        await client.ended()
        assert run.server.statistics().handler_errors == 1
        assert run.server.statistics().crashed == 0


@pytest.mark.parametrize("body", [b"12", b"1234567"])
async def test_a_body_of_another_length_than_its_head_says_ends_the_connection(
    body: bytes,
) -> None:
    """The client must not take it for a whole answer, nor for two."""

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http":
            await send({**ASGI_START, "headers": [(b"content-length", b"5")]})
            await send({"type": "http.response.body", "body": body})

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(GET + GET)
        answer = b""
        with trio.fail_after(SOON):
            while data := await client.stream.receive_some():
                answer += data
        assert answer.count(b"HTTP/1.1 ") <= 1
        assert not answer.endswith((b"12345", b"1234567"))
        await run.until(open_connections=0)
        assert run.server.statistics().crashed == 0


async def test_the_head_of_a_stream_does_not_wait_for_its_first_piece() -> None:
    """A browser's fetch resolves with the head; the first event may come much later."""
    go_on = trio.Event()

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http":
            await send({**ASGI_START, "headers": [(b"date", b"then")]})
            await go_on.wait()
            await send({"type": "http.response.body", "body": b"first", "more_body": True})
            await send({"type": "http.response.body", "body": b"last"})

    async with running(app=app) as run:
        client = await run.connect()
        await client.send(GET)
        head = await client.read_head()
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert head.lower().count(b"date:") == 1  # the app's own goes before the server's
        go_on.set()
        assert await client.stream.receive_some()


async def test_a_small_answer_costs_two_passes_of_the_loop() -> None:
    """One that reads the request and one in which the app answers; each costs a system call."""

    class Passes(trio.abc.Instrument):
        number = 0

        def after_io_wait(self, timeout: float) -> None:
            self.number += 1

    async def app(scope: dict, receive: object, send: object) -> None:
        if scope["type"] == "http":
            asked.append(passes.number)
            await receive()
            await send({**ASGI_START, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            answered.append(passes.number)

    passes = Passes()
    asked: list[int] = []
    answered: list[int] = []
    trio.lowlevel.add_instrument(passes)
    async with running(app=app) as run:
        client = await run.connect()
        for _ in range(3):
            await client.send(GET)
            assert (await client.answer())[1] == b"ok"
    trio.lowlevel.remove_instrument(passes)
    assert answered == asked


@pytest.mark.proves("W10")
async def test_one_connection_too_many_gets_503_and_when_to_come_back() -> None:
    """Over `max_connections`: Retry-After, then the end; a place that is freed is given again."""
    async with running({"/ws": echo}, ServerConfig(max_connections=2)) as run:
        first, _second = await run.upgrade(), await run.upgrade()
        third = await run.connect()
        await third.send(upgrade_request())
        head = await third.read_head()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in head.lower()
        await third.ended()
        await third.aclose()
        assert run.server.statistics().refused == 1
        await first.aclose()
        await run.until(open_connections=1)
        await run.upgrade()


@pytest.mark.proves("D7", "D12")
async def test_running_out_of_descriptors_stops_accepting_for_a_while_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What is connected goes on; the others wait in the backlog and are served afterwards."""
    async with running({"/ws": echo}) as run:
        witness = await run.upgrade()
        clients = [trio.socket.socket() for _ in range(20)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (clients[-1].fileno() + 4, hard))
        try:
            for client in clients:
                await client.connect(("127.0.0.1", run.port))
                await client.send(upgrade_request())
            with trio.fail_after(SOON):
                while "cannot accept" not in caplog.text:  # noqa: ASYNC110 - it is only logged
                    await trio.sleep(0.01)
            await witness.text("undisturbed")
            assert await witness.frame() == (TEXT, b"undisturbed")
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        with trio.fail_after(SOON):
            for client in clients:
                assert (await client.recv(4096)).startswith(b"HTTP/1.1 101 ")
                client.close()
        assert caplog.text.count("cannot accept") <= 2


@pytest.mark.parametrize("drip", [b"", b"GET / HTTP/1.1\r\n"])
async def test_a_head_that_does_not_come_ends_the_connection(drip: bytes) -> None:
    """Slowloris: the whole head has `head_timeout`, whatever drips in meanwhile."""
    async with running(config=ServerConfig(head_timeout=0.3)) as run:
        started = trio.current_time()
        client = await run.connect()
        if drip:
            await client.send(drip)

        async def drip_on() -> None:
            while True:
                await client.send(b"X: y\r\n")
                await trio.sleep(0.02)

        async with trio.open_nursery() as nursery:
            if drip:
                nursery.start_soon(suppress_broken, drip_on)
            await suppress_broken(client.ended)
            nursery.cancel_scope.cancel()
        assert 0.3 <= trio.current_time() - started < SOON
        await run.until(open_connections=0)


async def suppress_broken(func: object) -> None:
    """A client that is cut off while it sends may see a reset instead of an end."""
    try:
        await func()
    except trio.BrokenResourceError as error:
        logging.getLogger(__name__).debug("cut off: %s", error)


async def test_an_idle_connection_is_closed_but_a_websocket_is_not() -> None:
    config = ServerConfig(keep_alive_timeout=0.2, head_timeout=0.3, body_timeout=0.3)
    async with running({"/ws": echo}, config) as run:
        quiet = await run.upgrade()
        client = await run.connect()
        started = trio.current_time()
        await client.send(GET)
        await client.read_head()
        await client.ended()
        assert 0.2 <= trio.current_time() - started < SOON
        await quiet.text("still open")
        assert await quiet.frame() == (TEXT, b"still open")


async def test_a_body_that_stops_ends_the_request_but_a_slow_app_does_not() -> None:
    """`body_timeout` counts the client's pauses only."""
    app = make_app()

    async def slow() -> bytes:
        from quart import request  # noqa: PLC0415 - the request is a context-local of Quart's

        await trio.sleep(0.6)
        return await request.get_data()

    app.route("/slow", methods=["GET", "POST"])(slow)
    async with running(app=app, config=ServerConfig(body_timeout=0.2)) as run:
        patient = await run.connect()
        await patient.send(GET.replace(b"/ ", b"/slow "))
        stalled = await run.connect()
        started = trio.current_time()
        await stalled.send(b"POST /slow HTTP/1.1\r\nHost: t\r\nContent-Length: 10\r\n\r\n01")
        await stalled.ended()
        assert not stalled.buffer
        assert 0.2 <= trio.current_time() - started < SOON
        assert (await patient.read_head()).startswith(b"HTTP/1.1 200 ")


# Sockets


async def test_a_port_that_is_taken_is_named() -> None:
    first = open_sockets("127.0.0.1", 0)
    port = first[0].getsockname()[1]
    with pytest.raises(PortTaken, match=str(port)) as taken:
        open_sockets("127.0.0.1", port)
    assert (taken.value.host, taken.value.port) == ("127.0.0.1", port)
    for sock in first:
        sock.close()


async def test_a_host_that_is_not_ours_is_named() -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        open_sockets("192.0.2.1", 0)
    with pytest.raises(OSError, match=r"no\.such\.host\.invalid"):
        open_sockets("no.such.host.invalid", 0)


@pytest.mark.proves("D12")
async def test_a_storm_waits_in_the_backlog() -> None:
    """500 connections before anyone accepts: none is refused, all are served."""
    listeners = open_sockets("127.0.0.1", 0)
    port = listeners[0].getsockname()[1]
    clients = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(500)]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, make_app(), [listeners[0].dup()]))
        for client in clients:
            await client.send_all(GET)
        with trio.fail_after(SOON):
            for client in clients:
                assert (await client.receive_some()).startswith(b"HTTP/1.1 200 ")
                await client.aclose()
        nursery.cancel_scope.cancel()
    listeners[0].close()


@pytest.mark.proves("D13")
async def test_connections_made_while_the_server_is_dead_wait_for_its_next_life() -> None:
    """Each life gets a dup() of the listening socket; the socket itself stays open."""
    listeners = open_sockets("127.0.0.1", 0)
    port = listeners[0].getsockname()[1]

    async def live_once(meanwhile: object) -> None:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, make_app(), [listeners[0].dup()]))
            await meanwhile()
            nursery.cancel_scope.cancel()

    streams: list[trio.SocketStream] = []

    async def ask() -> None:
        streams.append(await trio.open_tcp_stream("127.0.0.1", port))
        await streams[-1].send_all(GET)

    async def answered() -> None:
        with trio.fail_after(SOON):
            assert (await streams[-1].receive_some()).startswith(b"HTTP/1.1 200 ")

    async def ask_and_wait() -> None:
        await ask()
        await answered()

    await live_once(ask_and_wait)
    await ask()
    await live_once(answered)
    for stream in streams:
        await stream.aclose()
    listeners[0].close()


# The end


@pytest.mark.proves("D6")
async def test_a_kill_ends_at_once_with_every_kind_of_stuck_client() -> None:
    """Cancelling serve() closes all sockets and waits for none of them.

    Half an HTTP head, a writer nobody reads from, a begun frame, a handler that is busy.
    """
    sockets: list[ServerSocket] = []

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        sockets.append(sock)
        if sock.path == "/writer":
            await sock.send("x" * 10_000_000)
        await trio.sleep_forever()

    listeners = open_sockets("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        app = make_app({"/ws": handler, "/writer": handler})
        started = trio.lowlevel.current_statistics().tasks_living
        with trio.CancelScope() as life:
            async with trio.open_nursery() as lives:
                await lives.start(partial(serve, app, listeners))
                port = listeners[0].getsockname()[1]
                clients = []
                for opening in (
                    b"GET / HT",
                    b"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\n1",
                    upgrade_request("/writer"),
                    upgrade_request("/ws"),
                    upgrade_request("/ws"),
                ):
                    clients.append(await trio.open_tcp_stream("127.0.0.1", port))
                    await clients[-1].send_all(opening)
                with trio.fail_after(SOON):
                    while len(sockets) < 3 or not any(s.wire.pending for s in sockets):  # noqa: ASYNC110
                        await trio.sleep(0.01)
                while sockets[-1].wire.try_send(encode_text_frame(b"y" * 60_000)) is Sent.SENT:
                    pass
                life.cancel()
                killed = trio.current_time()
        assert trio.current_time() - killed < 5
        assert trio.lowlevel.current_statistics().tasks_living == started
        for client in clients:
            with trio.fail_after(SOON):
                await suppress_broken(partial(drain_stream, client))
            await client.aclose()
        nursery.cancel_scope.cancel()


@pytest.mark.proves("D6")
async def test_a_kill_ends_at_once_with_a_stuck_writer_under_tls(tmp_path: Path) -> None:
    """A TLS record may not be cut, so its writer is shielded: only its socket's end frees it."""
    sockets: list[ServerSocket] = []

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        sockets.append(sock)
        await sock.send("x" * 20_000_000)

    config = ServerConfig(tls=server_context(tmp_path), progress_timeout=1000)
    listeners = open_sockets("127.0.0.1", 0)
    plain = await trio.open_tcp_stream(*listeners[0].getsockname())
    tls = trio.SSLStream(plain, client_context(), server_hostname="localhost")
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            app = make_app({"/ws": handler})
            await nursery.start(partial(serve, app, listeners, config=config))
            await RawClient(tls).upgrade()
            while not (sockets and sockets[0].wire.pending):  # noqa: ASYNC110 - no event tells
                await trio.sleep(0.01)
            await trio.testing.wait_all_tasks_blocked(0.1)
            nursery.cancel_scope.cancel()
            killed = trio.current_time()
    assert trio.current_time() - killed < 5
    await trio.aclose_forcefully(tls)


async def drain_stream(stream: trio.SocketStream) -> None:
    while await stream.receive_some():
        pass


@pytest.mark.proves("D11")
async def test_a_drain_lets_the_app_say_goodbye_and_then_returns() -> None:
    """No new connections; idle ones end; a request under way is answered; handlers close 1012."""
    going = trio.Event()
    slow_asked = trio.Event()
    app_release = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        await going.wait()
        assert sock.wire.try_send(encode_text_frame(b"going away")) is Sent.SENT
        await sock.close(1012, "restart")

    app = make_app({"/ws": handler})

    async def slow() -> str:
        slow_asked.set()
        await app_release.wait()
        return "finished"

    app.get("/slow")(slow)
    shut_down: list[str] = []

    @app.after_serving
    async def after_serving() -> None:
        shut_down.append("after_serving")

    listeners = open_sockets("127.0.0.1", 0)
    port = listeners[0].getsockname()[1]
    listener = listeners.pop()
    async with running({}) as helper, trio.open_nursery() as nursery:
        returned = trio.Event()

        async def life(task_status: trio.TaskStatus = trio.TASK_STATUS_IGNORED) -> None:
            await serve(app, [listener], task_status=task_status)
            returned.set()

        server = await nursery.start(life)
        helper.port = port
        idle = await helper.connect()
        await idle.send(GET)
        await idle.read_head()
        silent = await helper.connect()
        ws = await helper.upgrade()
        busy = await helper.connect()
        await busy.send(GET.replace(b"/ ", b"/slow "))
        with trio.fail_after(SOON):
            await slow_asked.wait()
        await trio.testing.wait_all_tasks_blocked()

        server.drain(30)
        assert server.draining
        await idle.ended()
        await silent.ended()
        with pytest.raises(OSError, match="connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        assert len(server.connections()) >= 2
        going.set()
        assert await ws.frame() == (TEXT, b"going away")
        assert await ws.close_code() == 1012
        await ws.send(client_frame(CLOSE))
        await ws.ended()
        assert not returned.is_set()
        app_release.set()
        assert (await busy.read_head()).startswith(b"HTTP/1.1 200 ")
        await busy.ended()
        for client in (idle, silent, ws, busy):
            await client.aclose()
        with trio.fail_after(SOON):
            await returned.wait()
        assert shut_down == ["after_serving"]


@pytest.mark.proves("D11")
async def test_a_drain_is_not_held_by_pipelined_requests() -> None:
    """The request under way is answered; those behind it are not, and hold nothing up."""
    asked, release = trio.Event(), trio.Event()
    app = make_app()

    async def slow() -> str:
        asked.set()
        await release.wait()
        return "finished"

    app.get("/slow")(slow)
    listeners = open_sockets("127.0.0.1", 0)
    stream = await trio.open_tcp_stream(*listeners[0].getsockname())
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, app, listeners))
            await stream.send_all(GET.replace(b"/ ", b"/slow ") + GET * 3)
            await asked.wait()
            server.drain(1000)
            release.set()
            answer = b""
            while data := await stream.receive_some():
                answer += data
            await stream.aclose()
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.endswith(b"finished")


@pytest.mark.proves("D11")
async def test_a_drain_is_bounded() -> None:
    """A handler that ignores it is cut after the time given."""

    async def deaf(sock: ServerSocket) -> None:
        await sock.accept()
        await trio.sleep_forever()

    listeners = open_sockets("127.0.0.1", 0)
    stream = await trio.open_tcp_stream(*listeners[0].getsockname())
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, make_app({"/ws": deaf}), listeners))
            await stream.send_all(upgrade_request())
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 101 ")
            started = trio.current_time()
            server.drain(0.4)
            assert await server.wait_drained() == 1
    assert 0.3 < trio.current_time() - started < 5
    await suppress_broken(partial(drain_stream, stream))
    await stream.aclose()


@pytest.mark.proves("D11")
async def test_a_drain_is_not_held_by_a_handshake_of_tls(tmp_path: Path) -> None:
    """A connection that has asked for nothing by its end is closed then."""
    listeners = open_sockets("127.0.0.1", 0)
    plain = await trio.open_tcp_stream(*listeners[0].getsockname())
    tls = trio.SSLStream(plain, client_context(), server_hostname="localhost")
    config = ServerConfig(tls=server_context(tmp_path), head_timeout=1000)
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, make_app(), listeners, config=config))
            while server.statistics().open == 0:  # noqa: ASYNC110 - a plain count
                await trio.sleep(0.005)
            server.drain(1000)
            await tls.do_handshake()
            assert await server.wait_drained() == 0
    await trio.aclose_forcefully(tls)


async def test_a_drain_without_connections_returns_at_once() -> None:
    listeners = open_sockets("127.0.0.1", 0)
    with trio.fail_after(SOON):
        async with trio.open_nursery() as nursery:
            server = await nursery.start(partial(serve, make_app(), listeners))
            server.drain(1000)


# Lifespan


async def test_the_apps_nursery_lives_as_long_as_the_server() -> None:
    """`app.nursery` and Quart's hooks work; a task in it ends with the server."""
    app = make_app()
    ran = trio.Event()
    ended = trio.Event()

    async def background() -> None:
        ran.set()
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    @app.before_serving
    async def start() -> None:
        app.nursery.start_soon(background)

    async with running(app=app):
        with trio.fail_after(SOON):
            await ran.wait()
        assert not ended.is_set()
    assert ended.is_set()


async def test_an_app_that_cannot_start_says_why_and_nothing_is_served() -> None:
    app = make_app()

    @app.before_serving
    async def start() -> None:
        raise RuntimeError("no database")

    listeners = open_sockets("127.0.0.1", 0)
    with pytest.raises(StartupFailed, match="no database"):
        await serve(app, listeners)
    assert listeners[0].fileno() == -1


async def test_an_app_that_is_not_ready_in_time_says_so() -> None:
    app = make_app()
    app.before_serving(trio.sleep_forever)
    with pytest.raises(StartupFailed, match=r"0\.1 s"):
        await serve(app, open_sockets("127.0.0.1", 0), config=ServerConfig(startup_timeout=0.1))


async def test_a_crash_in_the_apps_nursery_ends_the_server() -> None:
    """Serving on with a dead nursery would hide it; who supervises the server restarts it."""
    app = make_app()

    async def crash() -> None:
        raise LookupError("a background task failed")

    with pytest.RaisesGroup(LookupError, flatten_subgroups=True):
        async with running(app=app):
            app.nursery.start_soon(crash)
            await trio.sleep_forever()


# Leaks


async def test_two_hundred_connections_leave_nothing_behind() -> None:
    """No task and no connection object is left, however they ended."""
    async with running({"/ws": echo}) as run:
        async with trio.open_nursery() as nursery:  # what is imported lazily, is now
            nursery.start_soon(one_of_many, run, 0)
        await run.until(open_connections=0)
        tasks = trio.lowlevel.current_statistics().tasks_living
        for number in range(200):
            await one_of_many(run, number)
        run.clients.clear()
        await run.until(open_connections=0)
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        assert run.server.statistics().accepted == 201
        gc.collect()
        left = [thing for thing in gc.get_objects() if isinstance(thing, Connection | Wire)]
        assert left == []


async def one_of_many(run: object, number: int) -> None:
    """A connection that ends in one of five ways."""
    if number % 5 == 0:
        client = await run.connect()
        await client.send(GET)
        await client.read_head()
        await client.aclose()
        return
    client = await run.upgrade()
    await client.text("x")
    assert await client.frame() == (TEXT, b"x")
    match number % 5:
        case 1:
            await client.aclose()
        case 2:
            client.reset()
        case 3:
            await client.send(client_frame(CLOSE))
            await client.ended()
            await client.aclose()
        case 4:
            await client.send(b"\xff\xff")
            await client.close_code()
            await client.aclose()


async def test_a_disconnected_handler_is_no_error() -> None:
    async with running({"/ws": echo}) as run:
        client = await run.upgrade()
        await client.aclose()
        await run.until(open_connections=0)
        assert run.server.statistics().handler_errors == 0


def test_disconnected_says_how() -> None:
    assert "4008 too slow" in str(Disconnected(4008, "too slow"))


def test_a_duplicate_of_a_listener_keeps_the_port() -> None:
    """What D13 rests on: closing a dup() leaves the listening socket listening."""
    listener = open_sockets("127.0.0.1", 0)[0]
    listener.dup().close()
    with socket.create_connection(listener.getsockname(), timeout=SOON):
        pass
    listener.close()
