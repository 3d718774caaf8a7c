"""Who gets a socket when there are few: limits per address, the idle make room, health answers."""

import json
import os
import resource
import socket

import pytest
import trio
from quart import request

from tests.integration.web.support import (
    SOON,
    TEXT,
    RawClient,
    Running,
    echo,
    make_app,
    running,
    upgrade_request,
)
from web.server import ServerConfig

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
UNFINISHED = b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n1"
STRANGER = "127.0.0.66"


async def idle(run: Running, *, local: str = STRANGER) -> RawClient:
    """A connection that had its answer and has nothing to say now."""
    client = await run.connect(local=local)
    await client.send(GET)
    assert (await client.answer())[1] == b"hello"
    await trio.testing.wait_all_tasks_blocked()  # the answer is there before its task has ended
    return client


async def is_served(client: RawClient) -> bool:
    await client.send(GET)
    return (await client.answer())[1] == b"hello"


@pytest.mark.proves("D7")
async def test_an_address_may_hold_so_many_sockets_and_others_still_get_theirs() -> None:
    """Also before an upgrade, and whatever is unfinished on them."""
    config = ServerConfig(max_connections_per_address=3)
    async with running({"/ws": echo}, config) as run:
        for _ in range(3):
            await (await run.connect(local=STRANGER)).send(UNFINISHED)
        await run.until(open_connections=3)
        await trio.testing.wait_all_tasks_blocked(0.01)
        over = await run.connect(local=STRANGER)
        await over.send(upgrade_request())
        head, body = await over.answer()
        assert head.startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 5" in head.lower()
        assert json.loads(body)["error"]["code"] == "too_many_connections"
        await over.ended()
        await run.upgrade(local="127.0.0.2")
        assert run.server.statistics().refused == 1


async def test_the_longest_idle_of_an_address_makes_room_for_its_next() -> None:
    """An office behind one address has many browsers, each with connections that do nothing."""
    config = ServerConfig(max_connections_per_address=3)
    async with running({"/ws": echo}, config) as run:
        first, second, third = [await idle(run) for _ in range(3)]
        assert await is_served(first)  # which now is not the longest idle any more
        assert await is_served(await run.connect(local=STRANGER))
        await second.ended()
        assert await is_served(third)
        assert await is_served(first)
        assert run.server.statistics().evicted == 1


@pytest.mark.proves("D7")
async def test_behind_a_proxy_a_client_has_so_many_requests_and_others_still_get_theirs() -> None:
    """The proxy may have any number of sockets; one client that ends nothing may not."""
    config = ServerConfig(
        max_connections_per_address=3,
        holder=lambda _: None,
        request_holder=lambda _, headers: dict(headers)[b"client"].decode(),
        vital_paths=frozenset({b"/health/live"}),
    )

    def of(client: bytes, sent: bytes) -> bytes:
        return sent.replace(b"\r\n", b"\r\nClient: %s\r\n" % client, 1)

    async def ask(sent: bytes, client: bytes) -> RawClient:
        connection = await run.connect()
        await connection.send(of(client, sent))
        return connection

    app = make_app({"/ws": echo})

    @app.post("/body")
    async def body_of() -> bytes:
        return await request.get_data()

    async with running(config=config, app=app) as run:
        held = [await ask(UNFINISHED.replace(b"/ ", b"/body "), b"a") for _ in range(2)]
        held.append(await ask(upgrade_request(), b"a"))
        assert (await held[-1].read_head()).startswith(b"HTTP/1.1 101 ")
        await trio.testing.wait_all_tasks_blocked(0.01)
        over = await ask(GET, b"a")
        head, body = await over.answer()
        assert head.startswith(b"HTTP/1.1 429 ")
        assert json.loads(body)["error"]["code"] == "too_many_connections"
        assert run.server.statistics().refused == 1
        vital = await ask(GET.replace(b"/ ", b"/health/live "), b"a")
        assert not (await vital.answer())[0].startswith(b"HTTP/1.1 429 ")
        shared = await ask(GET, b"b")
        assert (await shared.answer())[1] == b"hello"
        # An answer gives the place back, and so does the end of a connection.
        await held[0].send(b"2" * 9)
        assert (await held[0].answer())[1] == b"1" + b"2" * 9
        await trio.testing.wait_all_tasks_blocked()  # the answer is there before its task has ended
        held[0] = await ask(UNFINISHED.replace(b"/ ", b"/body "), b"a")
        await trio.testing.wait_all_tasks_blocked(0.01)
        await shared.send(of(b"a", GET))
        assert (await shared.answer())[0].startswith(b"HTTP/1.1 429 ")
        before = run.server.statistics().open
        for gone in (held[1], shared):
            await gone.stream.aclose()
        await run.until(open_connections=before - 2)
        assert (await (await ask(GET, b"a")).answer())[1] == b"hello"


async def test_a_connection_that_never_said_anything_is_idle() -> None:
    async with running(config=ServerConfig(max_connections_per_address=2)) as run:
        silent = await run.connect(local=STRANGER)
        await run.until(open_connections=1)
        assert await is_served(await run.connect(local=STRANGER))
        assert await is_served(await run.connect(local=STRANGER))
        await silent.ended()


@pytest.mark.proves("W10")
async def test_a_full_node_closes_idle_http_and_never_a_websocket() -> None:
    async with running({"/ws": echo}, ServerConfig(max_connections=2)) as run:
        quiet = await run.upgrade()
        bystander = await idle(run)
        other = await run.upgrade(local="127.0.0.2")
        await bystander.ended()
        over = await run.connect(local="127.0.0.3")
        await over.send(GET)
        head, body = await over.answer()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert json.loads(body)["error"]["code"] == "full"
        for client in (quiet, other):
            await client.text("still here")
            assert await client.frame() == (TEXT, b"still here")


@pytest.mark.parametrize("local", [STRANGER, "127.0.0.2"])
async def test_a_request_that_has_come_is_served_before_its_connection_makes_room(
    local: str,
) -> None:
    """It lies in the kernel while the next connection is accepted, in the same pass of the loop."""
    config = ServerConfig(max_connections=2, max_connections_per_address=2)
    for _ in range(10):  # who of the two comes first in a pass is chance
        async with running({"/ws": echo}, config) as run:
            longest, other = [await idle(run) for _ in range(2)]
            os.write(longest.stream.socket.fileno(), GET)
            with socket.socket() as late:
                late.bind((local, 0))
                late.connect(("127.0.0.1", run.port))
                late.send(GET)
                assert (await longest.answer())[1] == b"hello"
                await other.ended()
                assert await is_served(longest)


async def test_a_trusted_proxy_has_no_limit_of_its_own_and_its_idle_connections_leave_last() -> (
    None
):
    """They are those of many, and a request may be on its way. But they may not keep others out."""

    def holder(address: str) -> str | None:
        return None if address == STRANGER else address

    config = ServerConfig(max_connections=4, max_connections_per_address=1, holder=holder)
    async with running({"/ws": echo}, config) as run:
        pool = [await idle(run) for _ in range(3)]
        lone = await idle(run, local="127.0.0.2")
        assert await is_served(await run.connect(local="127.0.0.3"))
        await lone.ended()
        for client in pool:
            assert await is_served(client)
        websocket = await run.upgrade(local="127.0.0.3")
        assert await is_served(await run.connect(local="127.0.0.4"))
        await pool[0].ended()
        for client in pool[1:]:
            assert await is_served(client)
        await websocket.text("still here")
        assert await websocket.frame() == (TEXT, b"still here")


# The node is full


def healthy() -> object:
    app = make_app({"/ws": echo})

    @app.get("/health/live")
    async def live() -> str:
        return "live"

    return app


HEALTH = GET.replace(b"/ ", b"/health/live ")
VITAL = frozenset({b"/health/live"})


@pytest.mark.parametrize(
    "config",
    [
        ServerConfig(max_connections=2, vital_paths=VITAL),
        ServerConfig(max_connections_per_address=2, vital_paths=VITAL),
    ],
    ids=["full", "one address"],
)
async def test_whether_a_node_lives_is_answered_on_a_full_one(config: ServerConfig) -> None:
    """Also to the address that fills it; then the connection ends, and nothing else is answered."""
    async with running(app=healthy(), config=config) as run:
        for _ in range(2):
            await run.upgrade(local=STRANGER)
        probe = await run.connect(local=STRANGER)
        await probe.send(HEALTH)
        head, body = await probe.answer()
        assert (head[:12], body) == (b"HTTP/1.1 200", b"live")
        assert b"connection: close" in head.lower()
        await probe.ended()
        page = await run.connect(local=STRANGER)
        await page.send(GET)
        assert (await page.answer())[0].startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 429 "))


@pytest.mark.parametrize(
    "said",
    [b"", b"GET / HTT", GET, GET + b"x" * 100_000, HEALTH],
    ids=["nothing", "half", "all", "too much", "health"],
)
async def test_who_stands_in_a_full_node_gives_way_to_who_asks_for_its_health(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither silence nor half a request, nor an answer that is not read, keeps others out."""
    monkeypatch.setattr("web.server.places._STANDING", 4)
    config = ServerConfig(max_connections=1, vital_paths=VITAL)
    async with running(app=healthy(), config=config) as run:
        await run.upgrade()
        for _ in range(8):
            await (await run.connect(local=STRANGER)).send(said)
            await trio.testing.wait_all_tasks_blocked()
        assert run.server.statistics().open <= 5
        probe = await run.connect(local="127.0.0.2")
        await probe.send(HEALTH)
        assert (await probe.answer())[1] == b"live"


async def test_who_cannot_stand_either_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer costs a task; when all that stand are being answered, one more costs nothing."""
    monkeypatch.setattr("web.server.places._STANDING", 1)
    app = healthy()

    @app.get("/slow")
    async def slow() -> str:
        await trio.sleep_forever()
        raise AssertionError

    config = ServerConfig(max_connections=1, vital_paths=frozenset({b"/slow"}))
    async with running(app=app, config=config) as run:
        first = await run.upgrade()
        await (await run.connect()).send(GET.replace(b"/ ", b"/slow "))
        await run.until(open_connections=2)
        await trio.testing.wait_all_tasks_blocked(0.01)
        with pytest.raises((OSError, trio.BrokenResourceError)):  # the reset may come that early
            await (await run.connect()).ended()
        assert run.server.statistics().refused == 2
        await first.text("undisturbed")
        assert await first.frame() == (TEXT, b"undisturbed")


async def test_programs_of_this_machine_have_a_reserve() -> None:
    config = ServerConfig(max_connections=1, local_reserve=1)
    async with running({"/ws": echo}, config) as run:
        await run.upgrade()
        await run.upgrade()
        over = await run.connect()
        await over.send(upgrade_request())
        assert (await over.answer())[0].startswith(b"HTTP/1.1 503 ")


@pytest.mark.proves("D7")
async def test_idle_connections_make_room_where_too_many_files_are_open() -> None:
    """The limit of the system may be below ours: who comes is served nevertheless."""
    async with running() as run:
        bystanders = [await idle(run) for _ in range(3)]
        late = [trio.socket.socket() for _ in range(3)]
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (late[-1].fileno() + 1, hard))
        try:
            with trio.fail_after(SOON):
                for client in late:
                    await client.connect(("127.0.0.1", run.port))
                    await client.send(GET)
                    assert (await client.recv(4096)).startswith(b"HTTP/1.1 200 ")
                for client in bystanders:
                    await client.ended()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for client in late:
                client.close()
