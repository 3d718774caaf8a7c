"""The fast lane: ready frames beside the protocol's own writes, on real sockets."""

import os
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import trio
from hypercorn.events import Event, RawData

from tests.integration.web.support import (
    CLOSE,
    PING,
    PONG,
    SOON,
    TEXT,
    RawClient,
    Running,
    client_frame,
    running,
    upgrade_request,
)
from tests.support.selfsigned import client_context, server_context
from web.server import (
    Disconnected,
    Sent,
    ServerConfig,
    ServerSocket,
    Wire,
    encode_ping,
    encode_text_frame,
)
from web.server.http1 import Http1Protocol


class Accepted:
    """Accepts, hands its socket to the test, and receives until the client has left."""

    def __init__(self) -> None:
        self.sockets_in, self.sockets = trio.open_memory_channel[ServerSocket](1000)

    async def __call__(self, sock: ServerSocket) -> None:
        await sock.accept()
        self.sockets_in.send_nowait(sock)
        while True:
            await sock.receive()


BUSY_SECONDS = 180.0
"""For what keeps a CPU busy for some seconds, on one that others use too."""


async def wait_for(condition: Callable[[], bool], seconds: float = SOON) -> None:
    with trio.fail_after(seconds):
        while not condition():  # noqa: ASYNC110 - states of the kernel, which nothing announces
            await trio.sleep(0.002)


def fill(wire: Wire, size: int = 90_000) -> list[bytes]:
    """Send frames until one is only begun; return the payloads taken."""
    taken = []
    for number in range(10_000):
        payload = b"%06d" % number + b"." * size
        sent = wire.try_send(encode_text_frame(payload))
        taken.append(payload)
        if sent is Sent.BEGUN:
            return taken
        assert sent is Sent.SENT
    raise AssertionError("the socket never filled")


async def test_a_ready_frame_arrives_as_it_is() -> None:
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        wire = (await handler.sockets.receive()).wire
        for size in (0, 1, 125, 126, 127, 65_535, 65_536):
            assert wire.try_send(encode_text_frame(b"a" * size)) in {Sent.SENT, Sent.BEGUN}
            assert await client.frame() == (TEXT, b"a" * size)
            await wait_for(lambda: wire.pending == 0)
        assert wire.try_send(encode_ping(b"42")) is Sent.SENT
        assert await client.frame() == (PING, b"42")


async def test_no_frame_is_sent_before_the_handshake_is_answered() -> None:
    """A frame before the 101 would be garbage in the HTTP answer."""
    results: list[Sent] = []

    async def handler(sock: ServerSocket) -> None:
        results.append(sock.wire.try_send(encode_text_frame(b"early")))
        await sock.accept()
        results.append(sock.wire.try_send(encode_text_frame(b"in time")))

    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        assert await client.frame() == (TEXT, b"in time")
        assert results == [Sent.REFUSED, Sent.SENT]


@pytest.mark.proves("D5")
async def test_a_begun_frame_is_finished_and_nothing_is_taken_before() -> None:
    """While its bytes are pending every further frame is refused; then the lane is free again."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade(receive_buffer=4096)
        wire = (await handler.sockets.receive()).wire
        expected = fill(wire)
        assert 0 < wire.pending <= 90_100
        assert wire.try_send(encode_text_frame(b"too soon")) is Sent.REFUSED
        for payload in expected:
            assert await client.frame() == (TEXT, payload)
        await wait_for(lambda: wire.pending == 0)
        assert wire.try_send(encode_text_frame(b"free again")) is Sent.SENT
        assert await client.frame() == (TEXT, b"free again")


@pytest.mark.proves("D5")
async def test_a_full_socket_refuses_and_keeps_nothing() -> None:
    """When the kernel takes no byte at all, the frame stays the caller's."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade(receive_buffer=4096)
        wire = (await handler.sockets.receive()).wire
        sent = 0
        while (result := wire.try_send(encode_ping())) is Sent.SENT:
            sent += 1
        assert result is Sent.REFUSED
        assert wire.pending == 0
        for _ in range(sent):
            assert await client.frame() == (PING, b"")
        await wait_for(lambda: wire.try_send(encode_text_frame(b"again")) is Sent.SENT)
        assert await client.frame() == (TEXT, b"again")


async def test_a_frame_outlives_the_task_that_began_it() -> None:
    """A killed actor does not strand half a frame: the rest belongs to the connection."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade(receive_buffer=4096)
        wire = (await handler.sockets.receive()).wire
        expected: list[bytes] = []

        async def broadcaster() -> None:
            expected.extend(fill(wire))
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(broadcaster)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        for payload in expected:
            assert await client.frame() == (TEXT, payload)


async def test_a_cancelled_send_leaves_a_whole_frame_or_none() -> None:
    """Cancelling an awaited send of 1 MB halfway corrupts nothing for those after it."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade(receive_buffer=4096)
        sock = await handler.sockets.receive()
        big = "b" * 1_000_000
        with trio.move_on_after(0.05) as cancelled:
            await sock.send(big)
        assert cancelled.cancelled_caught
        assert sock.wire.pending
        with trio.move_on_after(0.05):
            await sock.send("never begun")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sock.send, "after")
            assert await client.frame() == (TEXT, big.encode())
            assert await client.frame() == (TEXT, b"after")


async def test_a_cancelled_send_is_finished_without_another_write() -> None:
    """The connection finishes it on its own."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade(receive_buffer=4096)
        sock = await handler.sockets.receive()
        with trio.move_on_after(0.05) as cancelled:
            await sock.send("b" * 1_000_000)
        assert cancelled.cancelled_caught
        assert await client.frame() == (TEXT, b"b" * 1_000_000)


@pytest.mark.proves("D6", "D2")
async def test_a_client_that_stops_reading_is_reset_after_the_progress_limit() -> None:
    """Whichever way the bytes came; its writer is released and the others never waited."""
    handler = Accepted()
    async with running({"/ws": handler}, ServerConfig(progress_timeout=0.4)) as run:
        stuck = await run.upgrade(receive_buffer=4096)
        stuck_wire = (await handler.sockets.receive()).wire
        writer_stuck = await run.upgrade(receive_buffer=4096)
        writer = await handler.sockets.receive()
        good = await run.upgrade()
        good_wire = (await handler.sockets.receive()).wire

        started = trio.current_time()
        fill(stuck_wire)
        released = trio.Event()

        async def write() -> None:
            with pytest.raises(Disconnected):
                await writer.send("w" * 5_000_000)
            released.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(write)
            while not (stuck_wire.closed and released.is_set()):
                before = trio.current_time()
                assert good_wire.try_send(encode_text_frame(b"price")) is Sent.SENT
                assert trio.current_time() - before < 2
                assert await good.frame() == (TEXT, b"price")
                assert trio.current_time() - started < SOON
        assert trio.current_time() - started >= 0.4
        assert stuck_wire.try_send(encode_text_frame(b"late")) is Sent.CLOSED
        for client in (stuck, writer_stuck):
            with pytest.raises(trio.BrokenResourceError):
                await client.ended()
        await run.until(open_connections=1)
        assert run.server.statistics().timed_out == 2


@pytest.mark.proves("D6")
async def test_a_client_that_reads_slowly_is_not_reset() -> None:
    """The limit is on progress, not on the frame: one that takes long but takes is kept."""
    handler = Accepted()
    async with running({"/ws": handler}, ServerConfig(progress_timeout=0.5)) as run:
        client = await run.upgrade(receive_buffer=4096)
        sock = await handler.sockets.receive()
        size = 300_000
        started = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sock.send, "s" * size)
            while len(client.buffer) < size:
                await client.more(5_000)
                await trio.sleep(0.02)
        assert trio.current_time() - started > 1.0
        assert await client.frame() == (TEXT, b"s" * size)
        assert not sock.wire.closed


@pytest.mark.proves("D9")
async def test_a_frame_to_a_vanished_client_is_noticed() -> None:
    """The first frames may still be taken by the kernel; then the lane says CLOSED."""
    left = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        sockets.append(sock)
        await sock.wire.wait_closed()
        left.set()

    sockets: list[ServerSocket] = []
    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        client.reset()
        with trio.fail_after(SOON):
            await left.wait()
        assert sockets[0].wire.try_send(encode_text_frame(b"x")) is Sent.CLOSED
        with pytest.raises(Disconnected):
            await sockets[0].send("x")


@pytest.mark.proves("D9")
async def test_a_frame_is_not_lost_in_a_socket_that_was_reset() -> None:
    """Before the reader had a turn, the kernel itself says that the client is gone."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        wire = (await handler.sockets.receive()).wire
        client.reset()
        assert not wire.closed
        assert wire.try_send(encode_text_frame(b"x")) is Sent.CLOSED
        assert wire.closed
        await run.until(open_connections=0)


async def test_abort_resets_the_connection_at_once() -> None:
    """The client sees a reset, the handler Disconnected, and nothing is left."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        wire = (await handler.sockets.receive()).wire
        wire.abort()
        wire.abort()
        assert wire.closed
        with pytest.raises(trio.BrokenResourceError):
            await client.ended()
        await run.until(open_connections=0)
        assert run.server.statistics().handler_errors == 0


async def test_the_wire_tells_when_bytes_came_and_went() -> None:
    """`last_received` and `last_progress` move with the socket, also by a pong alone."""
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        client = await run.upgrade()
        wire = (await handler.sockets.receive()).wire
        heard, sent = wire.last_received, wire.last_progress
        assert wire.try_send(encode_ping(b"?")) is Sent.SENT
        assert wire.last_progress > sent
        await client.send(client_frame(PONG, b"?"))
        await wait_for(lambda: wire.last_received > heard)
        assert wire.last_received <= trio.current_time()


# Every byte


@dataclass
class Lane:
    """One slow client and what it must get."""

    client: RawClient
    sock: ServerSocket
    frames: list[bytes] = field(default_factory=list)
    """Payloads taken by try_send, in order."""
    sends: list[bytes] = field(default_factory=list)
    """Payloads of awaited sends that returned."""
    maybe: set[bytes] = field(default_factory=set)
    """Payloads of cancelled sends: whole, or not at all."""
    pings: list[bytes] = field(default_factory=list)
    pongs: int = 0


def filler(rng: random.Random, kind: bytes, number: int, largest: int) -> bytes:
    size = rng.choice((rng.randrange(1, 200), rng.randrange(1, 5000), rng.randrange(1, largest)))
    return (b"%s %d %d " % (kind, number, size)) + bytes(
        (number * 7 + 32) % 90 + 32 for _ in "x"
    ) * size


async def read_slowly(lane: Lane, rng: random.Random) -> None:
    """Read in odd sizes with pauses; check every frame against what was sent."""
    frames, pongs = iter(lane.frames), iter(lane.pings)
    sends: list[bytes] = []
    while True:
        while (frame := lane.client.parse_frame()) is None:
            assert await lane.client.more(rng.choice((7, 999, 16_384, 131_072)))
            if rng.random() < 0.2:
                await trio.sleep(rng.random() * 0.004)  # the client's slowness, not a wait
        opcode, payload = frame
        if opcode == CLOSE:
            assert struct.unpack("!H", payload[:2])[0] == 1000
            break
        if opcode == PONG:
            assert payload == next(pongs)
            lane.pongs += 1
        elif payload.startswith(b"frame "):
            assert payload == next(frames)
        else:
            sends.append(payload)
    assert (next(frames, None), next(pongs, None)) == (None, None)
    assert [payload for payload in sends if payload not in lane.maybe] == lane.sends
    assert len(set(sends)) == len(sends)


async def send_pings(lane: Lane, rng: random.Random, stop: trio.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        ping = b"%d" % number + b"p" * rng.randrange(100)
        lane.pings.append(ping)
        await lane.client.send(client_frame(PING, ping))
        await trio.sleep(rng.random() * 0.02)


async def send_from_app(lane: Lane, rng: random.Random, stop: trio.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
        payload = filler(rng, b"send", number, 50_000)
        patience = rng.choice((0.0005, 0.005, 60))
        with trio.move_on_after(patience) as cancelled:
            await lane.sock.send(payload.decode())
        if cancelled.cancelled_caught:
            lane.maybe.add(payload)
        else:
            lane.sends.append(payload)
        await trio.sleep(rng.random() * 0.02)


async def exercise(run: Running, handler: Accepted, lanes: list[Lane], seed: int) -> int:
    """Three kinds of writers on each lane, until each has done enough; return the refusals."""
    rng = random.Random(seed)
    refused = 0
    stop = trio.Event()
    with trio.fail_after(BUSY_SECONDS):
        async with trio.open_nursery() as readers:
            async with trio.open_nursery() as writers:
                for lane in lanes:
                    readers.start_soon(read_slowly, lane, random.Random(rng.random()))
                    writers.start_soon(send_pings, lane, random.Random(rng.random()), stop)
                    writers.start_soon(send_from_app, lane, random.Random(rng.random()), stop)
                for number in count():
                    if number >= 60 and all(map(has_done_enough, lanes)):
                        break
                    payload = filler(rng, b"frame", number, 90_000)
                    frame = encode_text_frame(payload)
                    for lane in lanes:
                        if lane.sock.wire.try_send(frame) in {Sent.SENT, Sent.BEGUN}:
                            lane.frames.append(payload)
                        else:
                            refused += 1
                    await trio.sleep(0.02)
                stop.set()
            # A ping that the server reads after it has sent its close is not answered any more.
            await wait_for(
                lambda: all(lane.pongs == len(lane.pings) for lane in lanes), BUSY_SECONDS
            )
            for lane in lanes:
                readers.start_soon(lane.sock.close)
    return refused


def has_done_enough(lane: Lane) -> bool:
    return len(lane.frames) >= 5 and len(lane.sends) >= 5 and lane.pongs >= 5


async def connect_slow_clients(run: Running, handler: Accepted, number: int) -> list[Lane]:
    lanes = []
    for _ in range(number):
        client = await run.upgrade(receive_buffer=4096)
        lanes.append(Lane(client, await handler.sockets.receive()))
    return lanes


@pytest.mark.proves("D6")
async def test_no_frame_is_ever_mixed_with_another_write() -> None:
    """60 slow readers; frames to 90 KB, pongs and app sends at once, some sends cancelled.

    Every byte is checked, every frame taken arrives once and in order, all 60 close cleanly.
    """
    seed = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    print("SEED", seed)
    handler = Accepted()
    async with running({"/ws": handler}) as run:
        lanes = await connect_slow_clients(run, handler, 60)
        refused = await exercise(run, handler, lanes, seed)
        assert refused > 100, "the clients were not slow enough to test anything"
        assert any(lane.maybe for lane in lanes), "no send was cancelled"
        for lane in lanes:
            await lane.client.send(client_frame(CLOSE, struct.pack("!H", 1000)))
            await lane.client.ended()
            await lane.client.aclose()
        await run.until(open_connections=0)
        statistics = run.server.statistics()
        assert (statistics.crashed, statistics.handler_errors) == (0, 0)


# TLS


async def test_under_tls_frames_are_begun_and_arrive_whole(tmp_path: Path) -> None:
    """TLS in the process: slower, as correct, HTTP/1.1 by ALPN; writers of all kinds mixed."""
    handler = Accepted()
    config = ServerConfig(tls=server_context(tmp_path))
    async with running({"/ws": handler}, config) as run:
        lanes = []
        for _ in range(5):
            plain = await run.connect(receive_buffer=4096)
            tls = trio.SSLStream(plain.stream, client_context(), server_hostname="localhost")
            await tls.do_handshake()
            assert tls.selected_alpn_protocol() == "http/1.1"
            client = RawClient(tls)
            await client.upgrade()
            lanes.append(Lane(client, await handler.sockets.receive()))
        wire = lanes[0].sock.wire
        assert wire.try_send(encode_text_frame(b"first")) is Sent.BEGUN
        assert wire.try_send(encode_text_frame(b"second")) is Sent.REFUSED
        assert await lanes[0].client.frame() == (TEXT, b"first")
        await wait_for(lambda: wire.pending == 0)
        await exercise(run, handler, lanes, seed=7)
        assert run.server.statistics().crashed == 0


@pytest.mark.proves("D6")
async def test_under_tls_a_client_that_stops_reading_is_reset(tmp_path: Path) -> None:
    handler = Accepted()
    config = ServerConfig(tls=server_context(tmp_path), progress_timeout=0.3)
    async with running({"/ws": handler}, config) as run:
        plain = await run.connect(receive_buffer=4096)
        tls = trio.SSLStream(plain.stream, client_context(), server_hostname="localhost")
        client = RawClient(tls)
        await client.upgrade()
        sock = await handler.sockets.receive()
        with pytest.raises(Disconnected), trio.fail_after(SOON):
            await sock.send("x" * 20_000_000)
        await run.until(open_connections=0)


@pytest.mark.proves("D7")
async def test_a_client_that_talks_plain_http_to_tls_ends_only_itself(tmp_path: Path) -> None:
    handler = Accepted()
    config = ServerConfig(tls=server_context(tmp_path), tls_handshake_timeout=0.3)
    async with running({"/ws": handler}, config) as run:
        for opening in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01", b""):
            client = await run.connect()
            if opening:
                await client.send(opening)
            try:
                await client.ended()
            except trio.BrokenResourceError:
                continue  # a reset ends it as well
        await run.until(open_connections=0)
        assert run.server.statistics().crashed == 0


async def _waits_for_room(
    run: Running, client: RawClient, told: trio.MemoryReceiveChannel[tuple[ServerSocket, bool]]
) -> bool:
    """Whether its handler waits; not where it need not, nor where an answer before it waits."""
    name = client.stream.socket.getsockname()
    looks = 0
    with trio.fail_after(SOON):
        while looks < 5:
            with trio.move_on_after(0.05):
                sock, waits = await told.receive()
                assert sock.client == name
                return waits
            looks = (
                looks + 1
                if any(w.pending for w in run.server.connections() if w.peer == name)
                else 0
            )
    return False


async def test_an_answer_that_would_wait_for_the_client_is_not_begun() -> None:
    """It has not read what came before; what others wait for must not wait for that."""
    tell, told = trio.open_memory_channel[tuple[ServerSocket, bool]](100)
    accepted = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        with trio.move_on_after(0.3) as limit:
            await sock.wait_room()
        tell.send_nowait((sock, limit.cancelled_caught))
        if limit.cancelled_caught:
            await sock.wait_room()
            await sock.accept()
            accepted.set()

    async with running({"/ws": handler}) as run:
        # The server comes to the upgrade only when the kernel has taken all answers before it, and
        # has little room left for some of these numbers. They depend on the kernel.
        for requests in range(20, 400, 10):
            client = await run.connect(receive_buffer=2304)
            before = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" * requests
            await client.send(before + upgrade_request())
            if await _waits_for_room(run, client, told):
                break
        else:
            pytest.fail("no number of requests left just little room")
        assert not accepted.is_set()
        with trio.fail_after(SOON):
            while b"HTTP/1.1 101 " not in client.buffer:
                await client.more()
            await accepted.wait()


async def test_waiting_for_room_ends_with_the_connection() -> None:
    """With the client that leaves, and with one that takes nothing for too long."""
    ends: list[str] = []
    begun = trio.Event()

    async def handler(sock: ServerSocket) -> None:
        await sock.accept()
        fill(sock.wire)
        begun.set()
        try:
            await sock.wait_room()
        except Disconnected:
            ends.append("disconnected")
            raise

    async with running({"/ws": handler}, ServerConfig(progress_timeout=0.5)) as run:
        leaver = await run.upgrade(receive_buffer=2304)
        await begun.wait()
        leaver.reset()
        await run.until(open_connections=0)
        await run.upgrade(receive_buffer=2304)
        await run.until(open_connections=0)
    assert ends == ["disconnected", "disconnected"]


@pytest.mark.proves("D7")
async def test_who_sends_survives_the_crash_of_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also a frame that the connection would have to finish, in the very moment of its end."""
    outcomes: list[Sent] = []
    handle, close = Http1Protocol.handle, Wire.close
    frame = encode_text_frame(b"x" * 5_000_000)

    async def crashing(self: Http1Protocol, event: Event) -> None:
        if isinstance(event, RawData) and event.data == b"boom":
            raise RuntimeError("a bug in the protocol's code")
        await handle(self, event)

    def sent_to_before(self: Wire) -> None:
        if not self.closed:
            outcomes.append(self.try_send(frame))
        close(self)

    monkeypatch.setattr(Http1Protocol, "handle", crashing)
    monkeypatch.setattr(Wire, "close", sent_to_before)
    async with running({"/ws": Accepted()}) as run:
        client = await run.upgrade()
        await client.send(b"boom")
        await run.until(open_connections=0)
    assert outcomes == [Sent.BEGUN]
