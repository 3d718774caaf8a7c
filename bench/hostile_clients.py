"""The clients of bench/hostile.py: good ones, and bad ones of every kind.

python bench/hostile_clients.py < plan.json
"""

from __future__ import annotations

import ctypes
import re
import select
import socket
import struct
import time
import urllib.request
from array import array
from collections import Counter
from typing import TYPE_CHECKING, Any

from fanout_clients import (
    CONNECTING_AT_ONCE,
    HANDSHAKE,
    PING,
    PONG_FRAME,
    Load,
    answer_plan,
    client_frame,
)
from fanout_measures import Broken, Plan, process_cpu, resident_bytes, waited
from fanout_report import SHARED

if TYPE_CHECKING:
    from collections.abc import Iterator

SO_ATTACH_FILTER = 26  # asm-generic/socket.h
DROP_EVERYTHING = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction of classic BPF: return 0
SUBSCRIBE = client_frame(b'{"action":"subscribe","symbols":"*"}')
FLOOD = client_frame(b'{"action":"ping"}') * 2_000
SIP_BYTES, SIP_SECONDS = 256, 0.25
GIVE_UP_SECONDS = 240.0
CONNECTING_SECONDS = 150.0
SETTLING_SECONDS = 5.0
TIMES_ALONE = 2
"""Before the bad ones come, and again after they have gone."""
SMALL = {"stuck", "slow"}
"""They have a small receive buffer."""
PARTED = re.compile(r'^stockstream_clients_parted_with_total\{why="(\w+)"\} (\d+)$', re.MULTILINE)
TIMED_OUT = re.compile(r"^stockstream_connections_(timed_out)_total (\d+)$", re.MULTILINE)
THERE = re.compile(r"^stockstream_clients (\d+)$", re.MULTILINE)


class Hostile(Load):
    """`measure` has the bad ones come, and tells what that was to the good ones."""

    def __init__(self, plan: Plan, each: int, kinds: list[str]) -> None:
        super().__init__(plan)
        self.kinds = kinds
        self.count = each * len(kinds)
        self.times: list[dict[str, object]] = []
        self.slow: list[socket.socket] = []
        self.bad: list[socket.socket] = []
        self.flooders: dict[int, bytearray] = {}
        self.ends: Counter[str] = Counter()
        self.sip_at = 0.0
        self.memory = 0
        self.pools: dict[str, array[float]] = {}

    def measure(self) -> dict[str, object]:
        """Watch the good ones alone, then beside the bad ones, until those are gone, and after."""
        self._connect(self.plan.clients)
        self._subscribe()
        self._watch("settling", SETTLING_SECONDS)
        self.pools.clear()
        self.memory = resident_bytes(self.plan.pid)
        for _ in range(TIMES_ALONE):
            self._watch("alone", self.plan.window_seconds)
        began = time.monotonic()
        self._watch("they come", self.plan.window_seconds, until=self._all_have_come())
        most = 0.0
        while self._there() > self.plan.clients:
            self._watch("beside them", self.plan.window_seconds)
            most = max(most, float(str(self.times[-1]["grown"])))
            if time.monotonic() - began > GIVE_UP_SECONDS:
                raise Broken(f"{self._there() - self.plan.clients} bad clients are still there")
        seconds = time.monotonic() - began
        for _ in range(TIMES_ALONE):
            self._watch("alone again", self.plan.window_seconds)
        told = self._ask()
        ends = [*PARTED.findall(told), *TIMED_OUT.findall(told)]
        return {
            "times": self.times[1:],
            "p99": {
                which: 1000 * sorted(pool)[len(pool) * 99 // 100]
                for which, pool in self.pools.items()
            },
            "ends": {**self.ends, **{why: int(count) for why, count in ends}},
            "seconds": seconds,
            "kib_each": most / 1024 / self.count,
        }

    def _ask(self) -> str:
        address = f"http://127.0.0.1:{self.plan.port}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return str(answer.read().decode())

    def _there(self) -> int:
        found = THERE.search(self._ask())
        if found is None:
            raise Broken("/metrics does not say how many clients there are")
        return int(found[1])

    # Watching.

    def _watch(self, when: str, seconds: float, until: Iterator[None] | None = None) -> None:
        self.latencies = array("d")
        self.milliseconds.clear()
        pid = self.plan.pid
        cpu, wait, started = process_cpu(pid), waited(pid), time.monotonic()
        if until is not None:
            for _ in until:
                self._turn()
        while time.monotonic() - started < seconds:
            self._turn()
        passed = time.monotonic() - started
        ranked = sorted(self.latencies)
        if not ranked:
            raise Broken("the good clients got no prices")
        wait = (waited(pid) - wait) / passed
        if wait <= SHARED:
            which = "alone" if when.startswith("alone") else "beside"
            self.pools.setdefault(which, array("d")).extend(self.latencies)
        self.times.append(
            {
                "when": when,
                "seconds": passed,
                "p50": 1000 * ranked[len(ranked) // 2],
                "p99": 1000 * ranked[len(ranked) * 99 // 100],
                "max": 1000 * ranked[-1],
                "frames": len(ranked),
                "server_cpu": (process_cpu(pid) - cpu) / passed,
                "server_waited": wait,
                "grown": resident_bytes(pid) - self.memory,
                "there": self._there(),
            }
        )

    def _turn(self) -> None:
        for fd, _ in self.epoll.poll(0.01, 1024):
            if fd in self.flooders:
                self._read_flooder(fd)
            else:
                self._receive(fd)
        now = time.monotonic()
        if now >= self.sip_at:
            self.sip_at = now + SIP_SECONDS
            for sock in list(self.slow):
                self._sip(sock)

    # The bad ones.

    def _all_have_come(self) -> Iterator[None]:
        give_up_at = time.monotonic() + CONNECTING_SECONDS
        arriving: dict[int, tuple[socket.socket, bytes]] = {}
        opened = 0
        while arriving or opened < self.count:
            while len(arriving) < CONNECTING_AT_ONCE and opened < self.count:
                sock = self._socket(self.plan.clients + opened, stuck=self._kind(opened) in SMALL)
                sock.connect(("127.0.0.1", self.plan.port))
                sock.sendall(HANDSHAKE % self.plan.port)
                sock.setblocking(False)
                arriving[opened] = sock, b""
                opened += 1
            yield
            for number, (sock, head) in list(arriving.items()):
                try:
                    data = sock.recv(1024)
                except BlockingIOError:
                    continue
                if not data:
                    raise Broken(f"a bad client was not let in: {head!r}")
                got = head + data
                arriving[number] = sock, got
                if b"\r\n\r\n" in got:
                    del arriving[number]
                    self._begin(self._kind(number), sock, self.plan.clients + number)
            if time.monotonic() > give_up_at:
                raise Broken(f"{opened - len(arriving)} bad clients were let in, not more")

    def _kind(self, number: int) -> str:
        return self.kinds[number % len(self.kinds)]

    def _begin(self, kind: str, sock: socket.socket, number: int) -> None:
        self.bad.append(sock)
        if kind == "flooder":
            fd = sock.fileno()
            self.sockets[fd] = sock
            self.number[fd] = number
            self.flooders[fd] = bytearray()
            self.epoll.register(fd, select.EPOLLIN)
            sock.send(FLOOD)  # what the kernel takes at once: some seconds of work
            return
        sock.send(SUBSCRIBE)
        if kind == "slow":
            self.slow.append(sock)
        elif kind == "vanished":
            code = ctypes.create_string_buffer(DROP_EVERYTHING)
            program = struct.pack("HL", 1, ctypes.addressof(code))
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)

    def _sip(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(SIP_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.slow.remove(sock)

    def _read_flooder(self, fd: int) -> None:
        sock, buffer = self.sockets[fd], self.flooders[fd]
        try:
            data = sock.recv(65536)
        except OSError:
            data = b""
        buffer += data
        while len(buffer) >= 2:
            size, start = buffer[1], 2
            if size == 126:
                size, start = int.from_bytes(buffer[2:4], "big"), 4
            if len(buffer) < start + size:
                break
            if buffer[0] == 0x88:
                self.ends[f"flooder {int.from_bytes(buffer[start : start + 2], 'big')}"] += 1
                data = b""
            elif buffer[0] == PING:
                sock.send(PONG_FRAME)
            del buffer[: start + size]
        if not data:
            self.epoll.unregister(fd)
            del self.flooders[fd], self.sockets[fd]
            sock.close()


def measure(fields: dict[str, Any]) -> object:
    """Do as the fields of a plan say."""
    each, kinds = fields.pop("each"), fields.pop("kinds")
    return Hostile(Plan(**fields), each, kinds).measure()


if __name__ == "__main__":
    answer_plan("hostile_clients", measure)
