"""One run of one schedule: makes the world, lets the troubles happen, and tells how it went."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from functools import partial
from time import process_time
from typing import TYPE_CHECKING
from unittest.mock import patch

import trio

import stockstream.cluster.bus
from supervision import Crash, Exited
from supervision.events import FailedStart, IntensityExceeded, Started
from tests.simulation.agenda import Agenda
from tests.simulation.checks import Checks, Violation
from tests.simulation.clients import SimulatedClient
from tests.simulation.happenings import Happenings
from tests.simulation.nats import MemoryNats
from tests.simulation.node import WALL_CLOCK_START_NS, Node, link
from tests.simulation.randomness import JumpingClock, quiet, seeded
from tests.simulation.troubles import ROUND_SECONDS, START_SECONDS, Schedule
from tests.simulation.upstream import Exchange

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from stockstream.quotes import Symbol
    from supervision import Event
    from tests.simulation.randomness import Scheduler

START = 1_000.0
"""The virtual clock at the start, in seconds."""
LEFT_SECONDS = 1.0
CALM_SECONDS = 2.5
"""Before the end of a round it is looked at whether all is well again."""
END_SECONDS = 12.0
TRACE_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went. `trace` identifies all that happened; `lines` are the end of it."""

    schedule: Schedule
    violation: Violation | None
    trace: str
    lines: tuple[str, ...]
    virtual_seconds: float
    cpu_seconds: float
    longest_gap: float
    shown: int
    requests: int
    double: int


class World:
    """See the module."""

    def __init__(self, schedule: Schedule, scheduler: Scheduler) -> None:
        self._schedule = schedule
        self.scheduler = scheduler
        self.began = trio.current_time()
        self.agenda = Agenda()
        self.exchange = Exchange(schedule.seed, self._exchange_ms, self.agenda)
        self.nats = MemoryNats(schedule.seed, self.agenda)
        self.exchange.told = self._asked
        self.nodes = [
            Node(
                number,
                self.exchange,
                self.nats,
                schedule.shards if schedule.nodes > 1 else None,
                self.true_ns,
                self._told,
                self._recorded,
            )
            for number in range(schedule.nodes)
        ]
        self.clients = [
            SimulatedClient(number, self, schedule.seed) for number in range(schedule.clients)
        ]
        self.violation: Violation | None = None
        self._scope = trio.CancelScope()
        self._hash = hashlib.blake2b(digest_size=12)
        self._lines: deque[tuple[float, str, object]] = deque(maxlen=TRACE_LINES)
        self._ending = self._over = False
        self.checks = Checks(self)
        self.happenings = Happenings(self)

    # Time

    def true_ns(self) -> int:
        """The right time, in ns since 1970."""
        return WALL_CLOCK_START_NS + round((trio.current_time() - self.began) * 1e9)

    def _exchange_ms(self) -> int:
        return self.true_ns() // 1_000_000

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return trio.current_time() - self.began

    # What happens, and what must not

    def trace(self, who: str, *what: object) -> None:
        """Note that something happened."""
        if self._over:
            return
        text = " ".join(map(str, what))
        self._lines.append((self.now, who, text))
        self._hash.update(f"{self.now:.9f} {who} {text}\n".encode())

    def trace_bytes(self, who: str, payload: bytes) -> None:
        """The same of what a client was sent."""
        if self._over:
            return
        self._lines.append((self.now, who, payload))
        self._hash.update(b"%.9f " % self.now + payload)

    def fail(self, rule: str, what: str) -> None:
        """Something does not hold: the run is over."""
        if self.violation is None:
            self.violation = Violation(self.now, rule, what)
            self.trace("VIOLATION", self.violation)
            self._over = True
            self._scope.cancel()
            for node in self.nodes:
                self.scheduler.thaw(node.number)  # or it would never end

    def _told(self, node: int, event: Event) -> None:
        self.trace(f"n{node}", type(event).__name__, getattr(event, "path", ""))
        if isinstance(event, Exited | FailedStart) and isinstance(event.reason, Crash):
            self.fail("C18", f"{event.path} of n{node} crashed: {event.reason}")
        elif isinstance(event, Started):
            self.checks.requests.started(node, event.path)
        elif isinstance(event, IntensityExceeded) and not self._ending:
            self.fail("C19", f"{event.path} of n{node} gave up")

    def _asked(self, node: int, symbols: AbstractSet[Symbol] | None) -> None:
        self.trace(f"n{node}", "fetches", None if symbols is None else " ".join(sorted(symbols)))
        self.checks.requests.asked(node, symbols)
        self.happenings.asked(node)

    def _recorded(self, node: int, epoch: int, seq: int, symbol: str) -> None:
        self.checks.recorded(node, epoch, seq, symbol)

    # The run

    async def run(self) -> Outcome:
        """Run the schedule to its end, or to what does not hold."""
        began = process_time()
        async with trio.open_nursery() as nursery:
            with self._scope:
                nursery.start_soon(self.agenda.run)
                for node in self.nodes:
                    node.start(nursery)
                await self._beginning()
                for trouble in self._schedule.troubles:
                    self.agenda.at(
                        self.began + trouble.at,
                        partial(self.happenings.begin, trouble, nursery),
                    )
                nursery.start_soon(self.checks.run)
                for number in range(1, self._schedule.rounds + 1):
                    over = self.began + START_SECONDS + number * ROUND_SECONDS - CALM_SECONDS
                    self.agenda.at(over, self.checks.calm)
                await trio.sleep_until(self.began + self._schedule.seconds)
                await self._end()
            nursery.cancel_scope.cancel()
        return Outcome(
            self._schedule,
            self.violation,
            self._hash.hexdigest(),
            tuple(self._shown_lines()),
            self.now,
            process_time() - began,
            self.checks.longest_gap,
            self.checks.shown_quotes,
            self.checks.requests.total,
            self.checks.requests.double,
        )

    async def _beginning(self) -> None:
        for node in self.nodes:
            await node.started.wait()
        for client in self.clients:
            client.connect()

    async def _end(self) -> None:
        for client in self.clients:
            client.leave()
        await trio.sleep(LEFT_SECONDS)
        self.checks.left()
        self._ending = True
        for node in self.nodes:
            node.leave()
        with trio.move_on_after(END_SECONDS):
            for node in self.nodes:
                await node.stopped.wait()
            return
        self.fail("C15", "a node does not stop")

    def _shown_lines(self) -> list[str]:
        return [
            f"{at:9.3f} {who:4} {what.decode() if isinstance(what, bytes) else what}"
            for at, who, what in self._lines
        ]


def run(schedule: Schedule) -> Outcome:
    """Run it, in this process."""

    async def main(scheduler: Scheduler) -> Outcome:
        return await World(schedule, scheduler).run()

    with (
        quiet(),
        seeded(schedule.seed) as scheduler,
        patch.object(stockstream.cluster.bus, "Link", link),
    ):
        return trio.run(main, scheduler, clock=JumpingClock(START))
