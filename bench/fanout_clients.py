"""The load clients: thousands of WebSocket connections in one process, read with one epoll.

    python bench/fanout_clients.py < plan.json

Started by `bench/fanout.py`, which pins it to another core than the server. Each client is a raw
socket bound to an address of its own in 127.0.0.0/8, so that the server's limit of connections
per address holds. Reading one frame is a `recv_into` and a few byte searches; only every 997th is
parsed as JSON and checked. What that costs is in the result.

When a frame arrived is what the kernel says of it (SO_TIMESTAMPNS, socket(7)): a thousand frames
wait for one another in here, and how long is no business of the server's. Of frames that are read
at once it tells when the last one arrived. Flat out the time of reading has to do: asking the
kernel costs a fifth more.

The server's CPU is read here too, at the moments when the counting begins and ends.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import struct
import sys
import time
from array import array
from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fanout_measures import (
    COUNTING,
    Broken,
    Plan,
    Result,
    Window,
    process_cpu,
    resident_bytes,
    waited,
)

if TYPE_CHECKING:
    from collections.abc import Callable

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"User-Agent: stockstream-bench\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ADDRESSES = 250
CONNECTING_AT_ONCE = 64
BUFFER_BYTES = 1 << 20
STUCK_BUFFER_BYTES = 4096
CHECKED_EVERY = 997
CONNECT_SECONDS = 120.0
SETTLE_SECONDS = 1.0
SO_TIMESTAMPNS = 35  # asm-generic/socket.h
STAMP = struct.Struct("qq")  # struct timespec
STAMP_SPACE = socket.CMSG_SPACE(STAMP.size)
PRICES = b'{"type":"prices"'
PONG = b'{"type":"pong"'
ANSWER = b'{"type":"subscriptions"'
UPDATE = b'"symbol":'
TIMESTAMP = b'"timestamp":"'
TIMESTAMP_LENGTH = 24
PING, CLOSE = 0x89, 0x88
PONG_FRAME = b"\x8a\x80\x00\x00\x00\x00"  # masked with zeros


def client_frame(payload: bytes) -> bytes:
    """A text frame from a client: masked, with zeros, so the payload stays as it is."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return b"\x81" + length + b"\x00\x00\x00\x00" + payload


class Load:
    """All clients of a plan; `run` connects them and counts what they get."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.epoll = select.epoll()
        self.buffer = bytearray(BUFFER_BYTES)
        self.buffers = [self.buffer]
        self.sockets: dict[int, socket.socket] = {}
        self.partial: dict[int, bytes] = {}
        self.number: dict[int, int] = {}
        self.wanted: list[list[str]] = self._choose_sets()
        self.frames = 0
        self.updates = 0
        self.bytes = 0
        self.frames_of = array("Q", bytes(8 * plan.clients))
        self.latencies = array("d")
        self.milliseconds: dict[bytes, float] = {}
        self.other: Counter[str] = Counter()
        self.connected = 0
        self.answered = 0
        self.checked = 0
        self.sample = b""
        self.versions: dict[tuple[int, str], tuple[int, int]] = {}

    def _choose_sets(self) -> list[list[str]]:
        plan = self.plan
        least, most = plan.set_size
        rng = random.Random(plan.seed)
        total = plan.clients + plan.stuck
        if not plan.different:
            return [plan.symbols[:most]] * total
        return [rng.sample(plan.symbols, rng.randint(least, most)) for _ in range(total)]

    def run(self) -> Result:
        """Connect, subscribe, settle, count."""
        pid = self.plan.pid
        memory, cpu, started = resident_bytes(pid), process_cpu(pid), time.monotonic()
        self._connect(self.plan.clients + self.plan.stuck)
        connect_seconds, connect_cpu = time.monotonic() - started, process_cpu(pid) - cpu
        if self.plan.speaks_stockstream:
            self._subscribe()
        self._read(SETTLE_SECONDS)
        print(COUNTING, file=sys.stderr, flush=True)
        windows = [self._count() for _ in range(self.plan.windows)]
        memory = resident_bytes(pid) - memory
        if not self.checked:
            raise Broken(f"fewer than {CHECKED_EVERY} frames arrived: none was checked")
        return Result(
            connect_seconds=connect_seconds,
            connect_cpu=connect_cpu,
            memory=memory / len(self.sockets),
            checked=self.checked,
            other_frames=dict(self.other),
            sample=self.sample.decode(),
            windows=windows,
        )

    # Connecting.

    def _connect(self, count: int) -> None:
        """Open all connections, a few at a time, and see each served: a handshake, and a pong."""
        handshake = HANDSHAKE % self.plan.port
        if self.plan.token:
            shown = f"Authorization: Bearer {self.plan.token}\r\n\r\n"
            handshake = handshake.removesuffix(b"\r\n") + shown.encode()
        heads: dict[int, bytes] = {}
        opened = 0
        give_up_at = time.monotonic() + CONNECT_SECONDS
        while self.connected < count:
            while opened < count and opened - self.connected < CONNECTING_AT_ONCE:
                sock = self._open(opened, stuck=opened >= self.plan.clients)
                sock.sendall(handshake)
                heads[sock.fileno()] = b""
                opened += 1
            for fd, _ in self.epoll.poll(1.0):
                if fd not in heads:
                    self._receive(fd)
                    continue
                data = heads[fd] + self.sockets[fd].recv(65536)
                head, end, rest = data.partition(b"\r\n\r\n")
                if not end:
                    heads[fd] = data
                    continue
                if not head.startswith(b"HTTP/1.1 101"):
                    raise Broken(f"the handshake was answered {head[:200]!r}")
                del heads[fd]
                if self.plan.speaks_stockstream:
                    self.sockets[fd].sendall(client_frame(b'{"action":"ping"}'))
                else:
                    self.connected += 1
                if rest:
                    self.buffer[: len(rest)] = rest
                    self._take(fd, len(rest), time.time())
            if time.monotonic() > give_up_at:
                raise Broken(f"only {self.connected} of {count} connected in {CONNECT_SECONDS:g} s")

    def _socket(self, number: int, *, stuck: bool = False) -> socket.socket:
        """A socket at an address of its own, for as long as there are any."""
        sock = socket.socket()
        if stuck:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STUCK_BUFFER_BYTES)
        if self.plan.stamped:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.bind((f"127.0.{1 + number // ADDRESSES % 250}.{1 + number % ADDRESSES}", 0))
        return sock

    def _open(self, number: int, *, stuck: bool) -> socket.socket:
        sock = self._socket(number, stuck=stuck)
        sock.connect(("127.0.0.1", self.plan.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        fd = sock.fileno()
        self.sockets[fd] = sock
        self.number[fd] = number
        self.epoll.register(fd, select.EPOLLIN)
        return sock

    def _subscribe(self) -> None:
        """Subscribe all clients, a few at a time, and see each answered; the stuck go silent."""
        waiting = list(self.sockets)
        asked = 0
        give_up_at = time.monotonic() + CONNECT_SECONDS
        while self.answered < len(self.sockets):
            while asked < len(waiting) and asked - self.answered < CONNECTING_AT_ONCE:
                fd = waiting[asked]
                message = {"action": "subscribe", "symbols": self.wanted[self.number[fd]], "id": 1}
                self.sockets[fd].sendall(client_frame(json.dumps(message).encode()))
                asked += 1
            self._read(0.02, until_answered=asked)
            if time.monotonic() > give_up_at:
                raise Broken(f"only {self.answered} of {len(waiting)} subscriptions answered")
        for fd, number in self.number.items():
            if number >= self.plan.clients:
                self.epoll.unregister(fd)

    # Reading.

    def _read(self, seconds: float, until_answered: int | None = None) -> None:
        """Read from all clients for so long, or until so many subscriptions were answered."""
        poll, receive, monotonic = self.epoll.poll, self._receive, time.monotonic
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0 and self.answered != until_answered:
            for fd, _ in poll(left, 1024):
                receive(fd)

    def _receive(self, fd: int) -> None:
        """Read what there is from a client, and take it in."""
        sock = self.sockets[fd]
        if not self.plan.stamped:
            self._take(fd, sock.recv_into(self.buffer), time.time())
            return
        size, stamps, _, _ = sock.recvmsg_into(self.buffers, STAMP_SPACE)
        arrived = time.time()
        if stamps:  # without one it is the end of the stream
            seconds, nanoseconds = STAMP.unpack(stamps[0][2])
            arrived = seconds + nanoseconds / 1e9
        self._take(fd, size, arrived)

    def _take(self, fd: int, size: int, arrived: float) -> None:
        """Take in what `size` bytes of the buffer, just read from a client, hold."""
        if not size:
            raise Broken(f"client {self.number[fd]} was disconnected")
        data: bytes | bytearray = self.buffer
        if fd in self.partial:
            data = self.partial.pop(fd) + data[:size]
            size = len(data)
        self.bytes += size
        position = 0
        while size - position >= 2:
            length = data[position + 1]
            start = position + 2
            if length == 126:
                length = int.from_bytes(data[start : start + 2], "big")
                start += 2
            elif length == 127:
                length = int.from_bytes(data[start : start + 8], "big")
                start += 8
            end = start + length
            if end > size:
                break
            if data[position] == 0x81 and data.startswith(PRICES, start):
                self._take_prices(fd, data, start, end, arrived)
            else:
                self._take_other(fd, data[position], bytes(data[start:end]))
            position = end
        if position < size:
            self.partial[fd] = bytes(data[position:size])
            self.bytes -= size - position

    def _take_prices(
        self, fd: int, data: bytes | bytearray, start: int, end: int, arrived: float
    ) -> None:
        updates = data.count(UPDATE, start, end)
        if not updates:
            self.other["heartbeat"] += 1
            return
        self.frames += 1
        self.updates += updates
        number = self.number[fd]
        if number < self.plan.clients:
            self.frames_of[number] += 1
        at = data.find(TIMESTAMP, start, end) + len(TIMESTAMP)
        stamp = bytes(data[at : at + TIMESTAMP_LENGTH])
        sent = self.milliseconds.get(stamp)
        if sent is None:
            sent = self.milliseconds[stamp] = datetime.fromisoformat(stamp.decode()).timestamp()
        self.latencies.append(arrived - sent)
        if not self.frames % CHECKED_EVERY:
            self._check(number, bytes(data[start:end]), updates)

    def _check(self, number: int, payload: bytes, updates: int) -> None:
        """See that a frame is what its client subscribed to, and newer than what it had."""
        self.checked += 1
        message = json.loads(payload)
        self.sample = max(self.sample, payload, key=len)
        prices = message["prices"]
        if len(prices) != updates:
            raise Broken(f"{len(prices)} updates were counted as {updates}: {payload[:200]!r}")
        if not self.plan.speaks_stockstream:
            return
        strange = {price["symbol"] for price in prices}.difference(self.wanted[number])
        if strange:
            raise Broken(f"client {number} was sent {sorted(strange)}, which it did not ask for")
        for price in prices:
            key, version = (number, price["symbol"]), tuple(price["version"])
            last = self.versions.get(key, (0, 0))
            # A version is told again with a state only.
            if last > version or (last == version and "state" not in price):
                raise Broken(f"client {number} was sent {price}, not newer than what it has")
            self.versions[key] = version

    def _take_other(self, fd: int, kind: int, payload: bytes) -> None:
        if kind == PING:
            self.sockets[fd].sendall(PONG_FRAME)
            self.other["ping"] += 1
        elif kind == CLOSE:
            raise Broken(f"client {self.number[fd]} was closed: {payload!r}")
        elif payload.startswith(ANSWER):
            self.answered += 1
            self.other["subscriptions"] += 1
        elif payload.startswith(PONG):
            self.connected += 1
            self.other["pong"] += 1
        else:
            name = str(json.loads(payload).get("type"))
            if name == "error":
                raise Broken(f"client {self.number[fd]} was told {payload!r}")
            self.other[name] += 1

    # Counting.

    def _count(self) -> Window:
        pid, own_pid = self.plan.pid, os.getpid()
        self.latencies = array("d")
        self.milliseconds.clear()
        frames, updates, size = self.frames, self.updates, self.bytes
        others, before = self.other.total(), list(self.frames_of)
        cpu, own = process_cpu(pid), time.process_time()
        wait, own_wait = waited(pid), waited(own_pid)
        started = time.monotonic()
        self._read(self.plan.window_seconds)
        seconds = time.monotonic() - started
        cpu, own = process_cpu(pid) - cpu, time.process_time() - own
        wait, own_wait = waited(pid) - wait, waited(own_pid) - own_wait
        if self.frames == frames:
            raise Broken("not one frame arrived in a window")
        each = [now - then for now, then in zip(self.frames_of, before, strict=True)]
        ranked = sorted(self.latencies)
        return Window(
            seconds=seconds,
            frames=self.frames - frames,
            updates=self.updates - updates,
            other_frames=self.other.total() - others,
            bytes=self.bytes - size,
            server_cpu=cpu,
            server_waited=wait / seconds,
            client_cpu=own,
            client_waited=own_wait / seconds,
            frames_per_client=(min(each), max(each)),
            latency_p50=1000 * ranked[len(ranked) // 2],
            latency_p99=1000 * ranked[min(len(ranked) - 1, len(ranked) * 99 // 100)],
            latency_max=1000 * ranked[-1],
        )


def answer_plan(name: str, measure: Callable[[dict[str, Any]], object]) -> None:
    """Read a plan from stdin, and print what was measured; `name` is the program's."""
    try:
        result = measure(json.load(sys.stdin))
    except (Broken, OSError) as error:
        sys.exit(f"{name}: {error!r}")
    json.dump(result, sys.stdout)


if __name__ == "__main__":
    answer_plan("fanout_clients", lambda fields: asdict(Load(Plan(**fields)).run()))
