"""The actor `notices`: tells operators at once what somebody should know.

It looks once a second. Each notice is a line of the log, a metric, an event for the admin page,
and, where there is an address for it, a signed POST. That is done by a task of its own and tried
again for an hour; a receiver that hangs holds up nothing else. What is to be told stands outside
the actor, so a kill loses nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream.alerts.lookups import Lookups
from stockstream.alerts.posting import Poster
from stockstream.messages import NoticeTold
from stockstream.notices.book import NoticeBook
from stockstream.notices.letters import Letters, letter_of
from stockstream.notices.notice import Notice
from stockstream.notices.watch import Watch, said_by
from stockstream.quotes import iso_utc
from stockstream.statuses import NoticeFigures, OpenNotice
from stockstream.times import now_ms
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

    from stockstream.alerts.posting import Outcome
    from stockstream.alerts.signing import Signer
    from stockstream.alerts.targets import TargetPolicy
    from stockstream.notices.book import Told
    from stockstream.tables import Tables
    from supervision import Event, System

LOOK_SECONDS = 1.0
POST_SECONDS = 5.0
"""A try takes twice that at most."""
LOOKUP_THREADS = 2

_log: BoundLogger = structlog.get_logger("notices")


class NoticeRecords:
    """What outlives the actor. Made by `application.py`, and called with each event."""

    def __init__(self, clock: Callable[[], int] = now_ms) -> None:
        self.clock = clock
        self.run = clock()
        """Tells the ids of this process from those of the one before."""
        self.numbered = 0
        self.book = NoticeBook()
        self.letters = Letters()
        self.watch = Watch()
        self._system: System | None = None

    def attach(self, system: System) -> None:
        """Subscribe to the system's events, once however often this is called."""
        if self._system is not system:
            self._system = system
            system.subscribe(self)

    def __call__(self, event: Event) -> None:
        """Take an event of the system; the actor tells what it is worth."""
        said = said_by(event)
        if said is not None:
            self.book.say(said, trio.current_time(), self.clock())


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """`address` says where notices are posted to now, None for nowhere; `node` is who tells."""

    node: str
    address: Callable[[], str | None]
    policy: TargetPolicy
    signer: Signer
    seconds: float = POST_SECONDS
    lookups: Lookups = field(default_factory=lambda: Lookups(LOOKUP_THREADS))


class _Look:
    """Time to look."""


class Notices(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, settings: NoticeSettings, records: NoticeRecords, tables: Tables) -> None:
        self._settings = settings
        self._records = records
        self._tables = tables
        self._news = trio.Event()

    async def init(self) -> None:
        """Listen and look from now on, and go on with what waits to be posted."""
        self._records.attach(self.system)
        self.tasks.start_soon(self._post_all)
        self.send_every(LOOK_SECONDS, _Look())
        self._look(_Look())

    @handles(_Look)
    def _look(self, _message: _Look) -> None:
        records, now = self._records, trio.current_time()
        if not self.system.stopping:  # else feeds have ended because they were asked to
            for said in records.watch.look(self._tables, now):
                records.book.say(said, now, records.clock())
        for told in records.book.take(now):
            self._tell(told, now)
        self._count()

    def _tell(self, told: Told, now: float) -> None:
        said, records = told.said, self._records
        records.numbered += 1
        notice = Notice(
            id=f"{self._settings.node}-{records.run}-{records.numbered}",
            kind=said.kind,
            subject=said.subject,
            state=said.state,
            bad=said.bad,
            text=said.text,
            node=self._settings.node,
            at=iso_utc(told.at),
            count=told.times,
        )
        more = {"times": told.times} if told.times > 1 else {}
        log = _log.warning if said.bad else _log.info
        log("notice", kind=said.kind, subject=said.subject, text=said.text, **more)
        self.system.emit(NoticeTold(self.path, said.kind, said.text, told.times, said.bad))
        if self._settings.address() is not None:
            records.letters.add(notice, now)
            self._news.set()

    def _count(self) -> None:
        book, letters = self._records.book, self._records.letters
        row = NoticeFigures(
            {kind.value: times for kind, times in book.said.items()},
            book.held,
            letters.delivered,
            letters.failed,
            letters.given_up,
            letters.dropped,
            len(letters),
            tuple(
                OpenNotice(said.kind.value, said.subject, said.state, said.text, at)
                for said, at in book.bad.values()
            ),
        )
        if row != self._tables.notices.value:
            self._tables.notices.put(row)

    # The task that posts

    async def _post_all(self) -> None:
        letters = self._records.letters
        while True:
            while letters.first is None:
                self._news = trio.Event()
                await self._news.wait()
            settings = self._settings
            opened = await Poster.opened(settings.policy, settings.signer, settings.seconds)
            async with opened as poster:
                while (notice := letters.first) is not None:
                    await trio.sleep(letters.due(trio.current_time()))
                    await self._post(poster, notice)

    async def _post(self, poster: Poster, notice: Notice) -> None:
        settings, letters = self._settings, self._records.letters
        address = settings.address()
        if address is None:
            letters.clear()
            return
        letter = letter_of(notice, address)
        outcome = await poster.send(letter, settings.lookups)
        given_up = letters.ended(notice, outcome, trio.current_time())
        self._log_outcome(notice, outcome, given_up=given_up)
        self._count()

    def _log_outcome(self, notice: Notice, outcome: Outcome, *, given_up: bool) -> None:
        """The address is a secret: what is said of it never has it."""
        if given_up:
            _log.error("a notice is not posted", id=notice.id, reason=outcome.reason)
        elif outcome.reason is not None:
            _log.warning("a notice could not be posted yet", id=notice.id, reason=outcome.reason)
