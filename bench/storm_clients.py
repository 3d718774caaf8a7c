"""The clients of bench/storm.py: some who are there, and many who come.

python bench/storm_clients.py < plan.json
"""

from __future__ import annotations

import json
import os
import select
import time
from array import array
from dataclasses import dataclass
from typing import Any

from fanout_clients import HANDSHAKE, Load, answer_plan, client_frame
from fanout_measures import Broken, Plan, process_cpu, waited

GIVE_UP_SECONDS = 60.0


@dataclass(slots=True)
class Newcomer:
    """When it came, on the monotonic clock, and how far it is."""

    came: float
    got: bytes = b""
    asked: bool = False
    upgraded: bool = False


class Storm(Load):
    """`run` has the newcomers come, and tells what that was to them and to the others."""

    def __init__(self, plan: Plan, newcomers: int, arrive_within: float) -> None:
        super().__init__(plan)
        self.newcomers = newcomers
        self.arrive_within = arrive_within
        self.arriving: dict[int, Newcomer] = {}
        self.waits = array("d")
        self.admitted = self.lost = self.refused = 0
        self.last_frame: dict[int, float] = {}
        self.silence = 0.0

    def storm(self) -> dict[str, object]:
        """Connect those who are there, watch them for a while, have the others come."""
        pid, own = self.plan.pid, os.getpid()
        self._connect(self.plan.clients)
        self._subscribe()
        self._read(1.0)
        before = self._watch(self.plan.window_seconds)
        cpu, wait, own_wait = process_cpu(pid), waited(pid), waited(own)
        started = time.monotonic()
        self._have_them_come(started)
        seconds = time.monotonic() - started
        during = self._latencies()
        ranked = sorted(self.waits) or [0.0]
        return {
            "admitted": self.admitted,
            "lost": self.lost,
            "refused": self.refused,
            "seconds": seconds,
            "rate": self.admitted / seconds,
            "handshake_p50": 1000 * ranked[len(ranked) // 2],
            "handshake_p99": 1000 * ranked[len(ranked) * 99 // 100],
            "before_p50": before[0],
            "before_p99": before[1],
            "p50": during[0],
            "p99": during[1],
            "max": during[2],
            "silence": 1000 * self.silence,
            "server_cpu": (process_cpu(pid) - cpu) / seconds,
            "server_waited": (waited(pid) - wait) / seconds,
            "clients_waited": (waited(own) - own_wait) / seconds,
        }

    def _watch(self, seconds: float) -> tuple[float, float, float]:
        self._forget_latencies()
        self._read(seconds)
        return self._latencies()

    def _forget_latencies(self) -> None:
        self.latencies = array("d")
        self.milliseconds.clear()
        self.last_frame.clear()
        self.silence = 0.0

    def _latencies(self) -> tuple[float, float, float]:
        ranked = sorted(self.latencies)
        if not ranked:
            raise Broken("those who were there got no prices")
        return (
            1000 * ranked[len(ranked) // 2],
            1000 * ranked[len(ranked) * 99 // 100],
            1000 * ranked[-1],
        )

    def _have_them_come(self, started: float) -> None:
        self._forget_latencies()
        came = 0
        every = self.arrive_within / self.newcomers
        while self.admitted + self.lost + self.refused < self.newcomers:
            now = time.monotonic()
            while came < self.newcomers and now >= started + came * every:
                self._come(self.plan.clients + came, now)
                came += 1
            for fd, _ in self.epoll.poll(0.002, 1024):
                if fd not in self.arriving:
                    self._receive(fd)
                else:
                    self._go_on(fd)
            if now - started > GIVE_UP_SECONDS:
                missing = self.newcomers - self.admitted
                raise Broken(f"{missing} of {self.newcomers} were not admitted in time")

    def _come(self, number: int, now: float) -> None:
        sock = self._socket(number)
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", self.plan.port))
        fd = sock.fileno()
        self.sockets[fd] = sock
        self.number[fd] = number
        self.arriving[fd] = Newcomer(now)
        self.epoll.register(fd, select.EPOLLOUT)

    def _go_on(self, fd: int) -> None:
        newcomer, sock = self.arriving[fd], self.sockets[fd]
        try:
            if not newcomer.asked:
                sock.sendall(HANDSHAKE % self.plan.port)
                newcomer.asked = True
                self.epoll.modify(fd, select.EPOLLIN)
                return
            data = sock.recv(65536)
        except OSError:
            data = b""
        newcomer.got += data
        if not newcomer.upgraded:
            head, end, rest = newcomer.got.partition(b"\r\n\r\n")
            if end and not head.startswith(b"HTTP/1.1 101"):
                self.refused += 1
                self._part(fd)
                return
            if end:
                newcomer.upgraded = True
                newcomer.got = rest
                message = {"action": "subscribe", "symbols": self.plan.symbols, "id": 1}
                sock.sendall(client_frame(json.dumps(message).encode()))
        if not data:
            self.lost += 1
            self._part(fd)
        elif b'"subscriptions"' in newcomer.got:
            self.waits.append(time.monotonic() - newcomer.came)
            self.admitted += 1
            del self.arriving[fd]
            self.buffer[: len(newcomer.got)] = newcomer.got
            self._take(fd, len(newcomer.got), time.time())

    def _part(self, fd: int) -> None:
        self.epoll.unregister(fd)
        del self.arriving[fd]
        self.sockets.pop(fd).close()

    def _take_prices(
        self, fd: int, data: bytes | bytearray, start: int, end: int, arrived: float
    ) -> None:
        if self.number[fd] >= self.plan.clients:
            return  # what counts is what the others get
        super()._take_prices(fd, data, start, end, arrived)
        last = self.last_frame.get(fd)
        if last is not None:
            self.silence = max(self.silence, arrived - last)
        self.last_frame[fd] = arrived


def measure(fields: dict[str, Any]) -> object:
    """Do as the fields of a plan say."""
    newcomers, arrive_within = fields.pop("newcomers"), fields.pop("arrive_within")
    return Storm(Plan(**fields), newcomers, arrive_within).storm()


if __name__ == "__main__":
    answer_plan("storm_clients", measure)
