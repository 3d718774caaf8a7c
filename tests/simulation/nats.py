"""NATS in memory: the servers, and the links of the nodes' real bus actors to them.

A connection is in order both ways. One that is cut, or whose server is frozen, holds what is sent;
it comes when that is over, unless the node has given the connection up by then. What is said across
a partition is lost. Who is cut off has still the server's ear for those who ask whether it listens.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

import trio

from stockstream.cluster.connection import PATIENCE_SECONDS, PING_SECONDS
from stockstream.cluster.link import GOOD_SECONDS, RETRIES, Arrived, Down, Silence, Up
from stockstream.pauses import Pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.simulation.agenda import Agenda

MOST_BYTES, FEW_BYTES = 1 << 20, 1_500
"""What servers take in one message; those of one seed in four so little that most prices come in
pieces."""
SHORTEST_DELAY, LONGEST_DELAY = 0.0002, 0.02
CLOSED = "the server has closed the connection"
SILENT = f"no answer within {PATIENCE_SECONDS:g} s"
ZOMBIE_SECONDS = 10.0
"""After this time a server closes a connection that takes nothing."""


class MemoryNats:
    """Two servers with a route between them, which nodes see as one."""

    def __init__(self, seed: int, agenda: Agenda) -> None:
        self.random = random.Random(f"nats {seed}")
        self.agenda = agenda
        self.most_bytes = FEW_BYTES if seed % 4 == 2 else MOST_BYTES
        self.down: Counter[str] = Counter()
        self.frozen: Counter[str] = Counter()
        self.cut: Counter[int] = Counter()
        self.sides: Counter[int] = Counter()
        self._links: list[MemoryLink] = []
        self._zombies: Counter[str] = Counter()
        self._asked: dict[str, MemoryLink] = {}
        self._questions = 0
        self.spoke = 0
        """How often something came through again."""

    def delay(self) -> float:
        """Of one message, or of a connection that is made; in seconds."""
        return self.random.uniform(SHORTEST_DELAY, LONGEST_DELAY)

    @property
    def up(self) -> bool:
        """Whether a server answers those who connect."""
        return not self.down.total()

    def silent(self, node: int) -> bool:
        """Whether nothing comes through between the servers and a node."""
        return bool(self.cut[node] or self.frozen.total())

    @property
    def is_whole(self) -> bool:
        """Whether nothing is in the way between any two nodes."""
        parted = len(set(self.sides.values())) > 1
        return self.up and not (parted or self.frozen.total() or self.cut.total())

    def are_together(self, one: int, other: int) -> bool:
        """Whether two nodes are connected, and hear each other."""
        connected = {link.node for link in self._links if not self.silent(link.node)}
        return {one, other} <= connected and self.sides[one] == self.sides[other]

    # What goes wrong

    def kill(self) -> None:
        """All servers end: each connection is reset. They stay `down` for as long as that says."""
        for link in list(self._links):
            link.lose(CLOSED)

    def drop(self, node: int) -> None:
        """The connections of a node are reset."""
        for link in list(self._links):
            if link.node == node:
                link.lose(CLOSED)

    def fell_silent(self) -> None:
        """Connections may be silent from now on: their nodes find out by the ping that comes."""
        for link in self._links:
            if self.silent(link.node):
                link.fall_silent(self.random.uniform(0, PING_SECONDS) + PATIENCE_SECONDS)

    def speaks_again(self) -> None:
        """What was held comes through, where nothing is in the way any more."""
        self.spoke += 1
        for link in list(self._links):
            if not self.silent(link.node):
                link.speak()

    # For the links

    def connect(self, link: MemoryLink) -> None:
        """A node has a connection."""
        self._links.append(link)
        self._links.sort(key=lambda one: one.node)

    def disconnect(self, link: MemoryLink) -> None:
        """A node has it no more. A server that is cut off does not learn of it."""
        if link not in self._links:
            return
        self._links.remove(link)
        if self.silent(link.node) and self.up:
            subject = link.own_subject
            self._zombies[subject] += 1
            self.agenda.after(ZOMBIE_SECONDS, lambda: self._bury(subject))

    def _bury(self, subject: str) -> None:
        self._zombies[subject] -= 1

    def publish(self, sender: MemoryLink, subject: str, reply: str, data: bytes) -> None:
        """What a server does with a message."""
        asker = self._asked.pop(subject, None)
        if asker is not None:
            if self._together(sender, asker):
                self.deliver(asker, lambda: asker.answered(subject, data))
            return
        arrived = Arrived(subject, reply, data)
        for link in self._links:
            if self._together(sender, link) and link.listens(subject):
                self.deliver(link, partial(link.arrive, arrived))

    def ask(self, asker: MemoryLink, subject: str, data: bytes) -> str:
        """Send a question; what the answer comes to."""
        self._questions += 1
        reply = f"inbox.{self._questions}"
        there = [
            link for link in self._links if self._together(asker, link) and link.listens(subject)
        ]
        if there:
            self._asked[reply] = asker
            self.publish(asker, subject, reply, data)
        elif not self._zombies[subject]:
            self.deliver(asker, lambda: asker.answered(reply, None))
        return reply

    def _together(self, one: MemoryLink, other: MemoryLink) -> bool:
        return self.sides[one.node] == self.sides[other.node]

    def deliver(self, link: MemoryLink, act: Callable[[], None]) -> None:
        if self.silent(link.node):
            link.incoming.append(act)
            return
        link.edge = max(link.edge, trio.current_time() + self.delay())
        life = link.life
        self.agenda.at(link.edge, lambda: self._arrive(link, life, act))

    def _arrive(self, link: MemoryLink, life: int, act: Callable[[], None]) -> None:
        if link.life != life or not link.connected:
            return
        if self.silent(link.node):
            link.incoming.append(act)
        else:
            act()


class MemoryLink:
    """Stands for `stockstream.cluster.link.Link`: the way of one bus actor to the servers."""

    def __init__(self, nats: MemoryNats, node: int, subjects: Sequence[str]) -> None:
        self._nats = nats
        self.node = node
        self._always = frozenset(subjects)
        self._subjects = self._always
        self.own_subject = subjects[-1]
        self.connected = False
        self.life = 0
        self.edge = 0.0
        self.incoming: list[Callable[[], None]] = []
        self._outgoing: list[Callable[[], None]] = []
        self._lost = trio.Event()
        self._reason = ""
        self._happened: list[Up | Down | Arrived] = []
        self._some = trio.Event()
        self._answers: dict[str, tuple[trio.Event, list[bytes | None]]] = {}

    # As the bus uses it

    async def run(self, _loop: object) -> NoReturn:
        """Connect, again and again."""
        pauses = Pauses(RETRIES, self._nats.random)
        try:
            while True:
                begun = trio.current_time()
                await trio.sleep(self._nats.delay())
                reason = await self._connection()
                self._put(Down("memory", reason))
                if trio.current_time() - begun > GOOD_SECONDS:
                    pauses.reset()
                await trio.sleep(pauses.take())
        finally:
            self._end()

    async def _connection(self) -> str:
        if not self._nats.up:
            return "refused"
        if self._nats.silent(self.node):
            await trio.sleep(PATIENCE_SECONDS)
            return SILENT
        self.connected = True
        self._lost, self._reason = trio.Event(), ""
        self.life += 1
        self.edge = 0.0
        self._nats.connect(self)
        self._put(Up("memory", self._nats.most_bytes))
        await self._lost.wait()
        self._end()
        return self._reason

    def _end(self) -> None:
        self.connected = False
        self._nats.disconnect(self)
        self.incoming.clear()
        self._outgoing.clear()
        for event, _ in self._answers.values():
            event.set()

    async def next(self) -> Up | Down | Arrived:
        """What happened next."""
        while not self._happened:
            self._some = trio.Event()
            await self._some.wait()
        return self._happened.pop(0)

    def listen_to(self, subjects: Iterable[str]) -> None:
        """Hear what comes to these too."""
        self._subjects = self._always.union(subjects)

    def say(self, subject: str, data: bytes) -> bool:
        """Send it; False where there is no connection."""
        assert len(data) <= self._nats.most_bytes
        if not self.connected:
            return False
        self._send(lambda: self._nats.publish(self, subject, "", data))
        return True

    async def say_and_wait(self, subject: str, data: bytes) -> bool:
        """Send it; whether the server has it."""
        if not self.say(subject, data):
            return False
        # The pong comes behind what was said, and never on a connection that is silent.
        pong = trio.Event()
        self._send(lambda: self._nats.deliver(self, pong.set))
        with trio.move_on_after(PATIENCE_SECONDS):
            await pong.wait()
        return pong.is_set()

    async def ask(self, subject: str, data: bytes, seconds: float) -> bytes | Silence:
        """The answer of who listens to the subject."""
        if not self.connected:
            return Silence.NO_ANSWER
        event, answers = trio.Event(), list[bytes | None]()

        def send() -> None:
            self._answers[self._nats.ask(self, subject, data)] = event, answers

        self._send(send)
        with trio.move_on_after(seconds):
            await event.wait()
        if not answers:
            return Silence.NO_ANSWER
        return Silence.NOBODY if answers[0] is None else answers[0]

    # As the servers use it

    def listens(self, subject: str) -> bool:
        """Whether it is subscribed to a subject."""
        return subject in self._subjects

    def arrive(self, arrived: Arrived) -> None:
        """A message has come."""
        self._put(arrived)

    def answered(self, reply: str, data: bytes | None) -> None:
        """An answer has come; None is that nobody listens."""
        found = self._answers.pop(reply, None)
        if found is not None:
            found[1].append(data)
            found[0].set()

    def lose(self, reason: str) -> None:
        """The connection ends."""
        if self.connected:
            self._reason = reason
            self._lost.set()
            self._end()

    def fall_silent(self, seconds: float) -> None:
        """Nothing comes through: given up after so many seconds, unless it speaks again."""
        life, nats = self.life, self._nats

        def look() -> None:
            if self.life == life and self.connected and nats.silent(self.node):
                self.lose(SILENT)

        nats.agenda.after(seconds, look)

    def speak(self) -> None:
        """What was held comes through."""
        outgoing, self._outgoing = self._outgoing, []
        for act in outgoing:
            act()
        incoming, self.incoming = self.incoming, []
        for act in incoming:
            self._nats.deliver(self, act)

    def _send(self, act: Callable[[], None]) -> None:
        if self._nats.silent(self.node):
            self._outgoing.append(act)
        else:
            act()

    def _put(self, happened: Up | Down | Arrived) -> None:
        self._happened.append(happened)
        self._some.set()


class NoThread:
    """Stands for the asyncio thread: there is nothing to be run in it."""

    @contextmanager
    def use(self) -> Iterator[SimpleNamespace]:
        """A loop that only has to be watched."""
        yield SimpleNamespace(watch=trio.sleep_forever)
