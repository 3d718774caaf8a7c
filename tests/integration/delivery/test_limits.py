"""What a client may ask of us, over real sockets: limits, floods, and messages that are none."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING

import pytest
import trio

from stockstream.delivery import session as session_module
from supervision import Actor, ChildSpec, Restart, inject_fault, start_child
from tests.integration.delivery.raw import raw_client
from tests.integration.web.support import BINARY, CLOSE, PING, TEXT, client_frame, upgrade_request
from tests.support.client import connected
from tests.support.tree import running_tree
from web.live import client, clients
from web.live.admission import ADMITTED_AT_ONCE
from web.server import ServerSocket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from supervision import ActorRef
    from tests.integration.web.support import RawClient
    from tests.support.client import Client
    from tests.support.tree import Tree


@pytest.fixture
async def tree() -> AsyncIterator[Tree]:
    """A running server; in the end no actor but sessions has ever been started twice."""
    async with running_tree() as running:
        yield running
        for path, actor in running.actors().items():
            assert actor.generation == 1, f"{path} was restarted"


@pytest.fixture
async def witness(tree: Tree, nursery: trio.Nursery) -> AsyncIterator[Client]:
    """A client that goes on getting prices, whatever the others do."""
    async with connected(tree.websocket_url, nursery) as client:
        await client.send(action="subscribe", symbols="*")
        await client.message("prices")
        yield client
        await client.message("prices", client.counts["prices"] + 3)
        await client.send(action="ping", id="still here")
        await client.wait_for(lambda: client.messages_with_id("still here") != [])
        assert client.closed is None


def port(tree: Tree) -> int:
    return int(tree.addresses.sockets[0].getsockname()[1])


async def close_of(client: RawClient) -> tuple[int, str, list[dict[str, object]]]:
    """Read on to the close frame; answer its code, its reason, and the messages before it."""
    messages = []
    while True:
        opcode, payload = await client.frame()
        if opcode == TEXT:
            messages.append(json.loads(payload))
        elif opcode == CLOSE:
            return int.from_bytes(payload[:2], "big"), payload[2:].decode(), messages


@pytest.mark.proves("W10", "W14")
async def test_a_message_over_64_kib_is_too_big(tree: Tree, witness: Client) -> None:
    """Exactly 64 KiB is served, one byte more is 1009."""
    room = 65_536 - len('{"action":"ping","x":""}')
    async with raw_client(port(tree)) as client:
        await client.text('{"action":"ping","x":"' + "x" * room + '"}')
        await client.text('{"action":"ping","x":"' + "x" * (room + 1) + '"}')
        code, _, messages = await close_of(client)
        assert code == 1009
        assert [m["type"] for m in messages if m["type"] == "pong"] == ["pong"]


@pytest.mark.proves("W10", "W11")
async def test_a_flood_is_limited_and_then_ended(tree: Tree, witness: Client) -> None:
    """Answered with errors at first, then closed with 1008; nobody else notices."""
    frames = [client_frame(TEXT, b'{"action":"ping","id":%d}' % n) for n in range(20_000)]
    async with raw_client(port(tree)) as client, trio.open_nursery() as sending:
        started = trio.current_time()
        sending.start_soon(_send_all, client, b"".join(frames))
        code, reason, messages = await close_of(client)
        seconds = trio.current_time() - started
        sending.cancel_scope.cancel()
        assert (code, reason) == (1008, "rate limited, and it went on")
        pongs = [m for m in messages if m["type"] == "pong"]
        errors = [m for m in messages if m["type"] == "error"]
        assert 100 <= len(pongs) <= 100 + 50 * seconds + 1
        assert 100 <= len(errors) <= 100 + 5 * seconds + 1
        assert {(m["code"], m["temporary"]) for m in errors} == {("rate_limited", True)}
        assert [m["id"] for m in messages if "id" in m] == list(range(len(pongs) + len(errors)))


@pytest.mark.proves("W10")
async def test_a_flood_is_one_however_slowly_it_is_served(tree: Tree, witness: Client) -> None:
    """A busy server serves less than the rate allows; the messages came all at once."""
    async with raw_client(port(tree)) as client:
        await client.frame()
        session = max(path for path in tree.system.names if path.startswith("delivery/sessions/"))
        inject_fault(tree.system, session, seconds=60.0, delay=0.02)  # at most 50 a second
        await client.send(client_frame(TEXT, b'{"action":"ping"}') * 600)
        code, reason, messages = await close_of(client)
        assert (code, reason) == (1008, "rate limited, and it went on")
        assert sum(m["type"] == "pong" for m in messages) == 100


async def _send_all(client: RawClient, data: bytes) -> None:
    with suppress(trio.BrokenResourceError):  # the other side closes on us
        await client.send(data)


@pytest.mark.proves("W11")
async def test_ten_bad_messages_end_a_connection(tree: Tree, witness: Client) -> None:
    """Nine errors, each naming what is wrong, then 1008."""
    bad = [
        client_frame(TEXT, b"{"),
        client_frame(BINARY, b"\x00\x01"),
        client_frame(TEXT, b'{"action":"buy"}'),
        client_frame(TEXT, b'{"action":"subscribe","symbols":[1]}'),
        client_frame(TEXT, b""),
    ]
    async with raw_client(port(tree)) as client:
        await client.send(b"".join(bad * 2))
        code, reason, messages = await close_of(client)
        assert (code, reason) == (1008, "10 bad messages within a minute")
        reasons = [str(m["reason"]) for m in messages if m["type"] == "error"]
        assert len(reasons) == 9
        for number, named in enumerate(["not JSON", "binary", "`$.action`", "`$.symbols[0]`"]):
            assert named in reasons[number]


@pytest.mark.proves("W11", "W19")
async def test_messages_made_to_break_a_parser_end_nothing(tree: Tree, witness: Client) -> None:
    """Not even the session of who sends them."""
    async with raw_client(port(tree)) as client:
        for number, text in enumerate(
            (
                '{"action":"subscribe","symbols":' + "[" * 60_000,
                '{"action":"ping","x":' + '{"":' * 16_000,
                '{"action":"ping","id":' + "9" * 65_000 + "}",
                '{"action":"subscribe","symbols":["' + "\U0001f680" * 16_000 + '"]}',
            )
        ):
            await client.text(text)
            await client.text(json.dumps({"action": "ping", "id": number}))
        answered: list[object] = []
        while len(answered) < 4:
            opcode, payload = await client.frame()
            assert opcode in {TEXT, PING}
            message = json.loads(payload) if opcode == TEXT else {}
            if message.get("type") == "pong":
                answered.append(message["id"])
        sessions = [a for a in tree.actors().values() if a.actor == "Session"]
        assert len(sessions) == 2
        assert tree.crashes == []


@pytest.mark.proves("W15", "W14")
@pytest.mark.parametrize(
    "query", ["protocol=2", "protocol=", "protocol=one", "protocol=2&protocol=1"]
)
async def test_a_version_of_the_protocol_that_is_unknown(query: str, tree: Tree) -> None:
    """4501, with those that are known in the reason."""
    async with raw_client(port(tree), f"/ws?{query}") as client:
        assert await close_of(client) == (4501, "supported protocols: 1", [])
    async with raw_client(port(tree), "/ws?protocol=1") as client:
        _, payload = await client.frame()
        assert json.loads(payload)["type"] == "welcome"


async def refused(tree: Tree, headers: str = "") -> tuple[int, dict[str, str], dict[str, object]]:
    """Ask for an upgrade and be refused: status, headers, the body's `error`."""
    stream = await trio.open_tcp_stream("127.0.0.1", port(tree))
    async with stream:
        await stream.send_all(upgrade_request("/ws", headers))
        answer = b""
        with trio.fail_after(10):
            async for piece in stream:
                answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    return int(status.split()[1]), fields, json.loads(body)["error"]


@pytest.mark.proves("W12")
async def test_a_foreign_origin_is_refused(nursery: trio.Nursery) -> None:
    """403 before the upgrade; the own host, an allowed origin, and no origin at all may connect."""
    async with running_tree(allowed_origins=("https://shop.example",)) as tree:
        for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
            status, fields, error = await refused(tree, f"Origin: {origin}\r\n")
            assert (status, error["code"]) == (403, "forbidden_origin")
            assert "default-src 'none'" in fields["content-security-policy"]
            assert fields["x-content-type-options"] == "nosniff"
            assert fields["cache-control"] == "no-store"
        for headers in ("", "Origin: http://localhost\r\n", "Origin: https://shop.example\r\n"):
            async with raw_client(port(tree), headers=headers) as client:
                assert (await client.frame())[0] == TEXT


@pytest.mark.proves("W10")
async def test_connections_have_limits_in_all_and_by_address(nursery: trio.Nursery) -> None:
    """503 and 429 before the upgrade, with when to come back; who leaves makes room."""
    async with running_tree(max_connections=4, max_connections_per_address=2) as tree:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(raw_client(port(tree)))
            status, fields, error = await refused(tree)
            assert (status, error["code"], fields["retry-after"]) == (
                429, "too_many_connections", "5",
            )  # fmt: skip
            for local in ("127.0.0.2", "127.0.0.3"):
                await stack.enter_async_context(raw_client(port(tree), local=local))
            status, fields, error = await refused(tree)
            assert (status, error["code"], fields["retry-after"]) == (503, "full", "5")
        await tree.until(lambda: all(a.actor != "Session" for a in tree.actors().values()))
        async with raw_client(port(tree)) as client:
            assert (await client.frame())[0] == TEXT


@pytest.mark.proves("W10")
async def test_a_trusted_proxy_says_whose_connection_it_is(nursery: trio.Nursery) -> None:
    """Then each client behind it has its own count; from anybody else it says nothing."""
    for trusted, accepted in ((("127.0.0.0/8",), True), ((), False)):
        async with (
            running_tree(max_connections_per_address=1, trusted_proxies=trusted) as tree,
            raw_client(port(tree), headers="X-Forwarded-For: 9.9.9.1\r\n"),
        ):
            other = "X-Forwarded-For: 9.9.9.1, 9.9.9.2\r\n"
            if accepted:
                async with raw_client(port(tree), headers=other) as client:
                    assert (await client.frame())[0] == TEXT
            assert (await refused(tree, "X-Forwarded-For: 9.9.9.1\r\n"))[0] == 429
            if not accepted:
                assert (await refused(tree, other))[0] == 429


@pytest.mark.proves("W10")
async def test_the_limits_are_told_in_the_welcome(nursery: trio.Nursery) -> None:
    """As they are set."""
    async with (
        running_tree(
            max_message_size=1024,
            message_rate=5,
            message_burst=7,
            max_symbols_per_connection=9,
            heartbeat=11,
            node_name="here",
        ) as tree,  # fmt: skip
        connected(tree.websocket_url, nursery) as me,
    ):
        welcome = await me.message("welcome")
        assert welcome["limits"] == {
            "message_size": 1024,
            "message_rate": 5.0,
            "message_burst": 7,
            "symbols": 9,
        }
        assert (welcome["protocol"], welcome["heartbeat"], welcome["node"]) == (1, 11.0, "here")


@pytest.mark.proves("W19", "W11")
async def test_a_client_whose_messages_crash_its_session_is_parted_with(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five times in ten seconds: 1011. It used up no supervisor's intensity, and ended no other."""

    def decode(message: str | bytes, original=session_module.decode):
        if message == "poison":
            raise LookupError("a bug that only this message meets")
        return original(message)

    monkeypatch.setattr(session_module, "decode", decode)
    async with (
        running_tree(may_crash=True) as tree,
        connected(tree.websocket_url, nursery) as other,
        raw_client(port(tree)) as client,
    ):
        await other.send(action="subscribe", symbols="*")
        await client.text("poison")
        code, reason, _ = await close_of(client)
        assert (code, reason) == (1011, "your messages crash the server's session")
        assert len(tree.crashes) == 5
        await other.message("prices", 3)
        assert tree.actors()["delivery/sessions"].generation == 1
        assert tree.actors()["delivery/sessions"].supervisor.restarts_in_window == 0


@pytest.mark.proves("W14", "W19")
async def test_without_any_session_a_client_is_told_to_come_back(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4000 after some seconds, also for a command on its way; a late session is not kept."""
    monkeypatch.setattr(client, "SESSIONLESS_SECONDS", 0.3)
    monkeypatch.setattr(clients, "SESSIONLESS_SECONDS", 0.3)
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as me:
        await me.message("status")
        (session,) = [path for path in tree.system.names if path.startswith("delivery/sessions/")]
        busy, done = trio.Event(), trio.Event()
        nursery.start_soon(_keep_busy, tree.system.ref("delivery/sessions"), busy, done)
        await busy.wait()
        tree.system.ref(session).kill()
        await me.send(action="ping", id=1)
        assert (await me.wait_closed())[0] == 4000
        done.set()
        await tree.until(lambda: all(a.actor != "Session" for a in tree.actors().values()))


@pytest.mark.proves("W19", "W14")
async def test_a_session_that_takes_its_time_is_waited_for(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than for one that is not there; only one that hangs is given up."""
    monkeypatch.setattr(client, "SESSIONLESS_SECONDS", 0.1)
    monkeypatch.setattr(client, "COMMAND_SECONDS", 2.0)
    async with running_tree() as tree, connected(tree.websocket_url, nursery) as me:
        await me.message("status")
        (session,) = [path for path in tree.system.names if path.startswith("delivery/sessions/")]
        for seconds in (0.6, 60.0):
            inject_fault(tree.system, session, seconds=seconds, delay=None)
            await me.send(action="ping", id=seconds)
            if seconds < 60.0:
                await me.wait_for(lambda: me.messages_with_id(0.6) != [])
        assert (await me.wait_closed())[0] == 4000


async def _keep_busy(supervisor: ActorRef, busy: trio.Event, done: trio.Event) -> None:
    """Keep a supervisor busy with a child whose start takes until `done`."""

    class Slow(Actor):
        async def init(self) -> None:
            busy.set()
            await done.wait()
            self.stop()

    await start_child(supervisor, ChildSpec("slow", Slow, restart=Restart.TEMPORARY))


async def test_a_client_that_cannot_be_answered_stands_in_nobodys_way(
    tree: Tree, witness: Client, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    """It has not read what came before its handshake; others are let in meanwhile."""
    wait_room, read = ServerSocket.wait_room, trio.Event()
    waiting: list[ServerSocket] = []

    async def wait_until_read(self: ServerSocket) -> None:
        if self.query.get("full"):
            waiting.append(self)
            await read.wait()
        await wait_room(self)

    monkeypatch.setattr(ServerSocket, "wait_room", wait_until_read)
    async with AsyncExitStack() as stack:
        for _ in range(ADMITTED_AT_ONCE + 1):
            stream = await stack.enter_async_context(
                await trio.open_tcp_stream("127.0.0.1", port(tree))
            )
            await stream.send_all(upgrade_request("/ws?full=1"))
        with trio.fail_after(20):
            async with raw_client(port(tree)) as newcomer:
                await newcomer.frame()
        assert len(waiting) == ADMITTED_AT_ONCE + 1
        read.set()
        with trio.fail_after(20):
            assert (await stream.receive_some(12)) == b"HTTP/1.1 101"
