"""The mailer actor: hands letters to the SMTP server, and retries until they are taken.

The queue is a table that several nodes share. A server that cannot be reached, or that does not
take us, is one trouble and not one of each letter: then all of this node's letters rest. A letter
may come twice, if we are killed before we store that it was taken; it has the same `Message-ID`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, ClassVar

import msgspec
import structlog
import trio

from stockstream import paths
from stockstream.alerts.mail.addresses import unnamed
from stockstream.alerts.mail.mail_rows import (
    ClaimLetters,
    EndLetters,
    LetterFailed,
    LetterTaken,
    ReleaseLetters,
)
from stockstream.alerts.shares import Pauses
from stockstream.database.query import DatabaseError, Rejected, ask
from stockstream.statuses import MailStatus
from stockstream.times import now_ms
from supervision import Actor, Request, handles

if TYPE_CHECKING:
    from email.message import EmailMessage

    from structlog.stdlib import BoundLogger

    from stockstream.alerts.mail.letters import Letters
    from stockstream.alerts.mail.mail_rows import Letter
    from stockstream.alerts.mail.smtp import Handed, Postman
    from supervision import ExitReason, Slot

LOOK_SECONDS = 1.0
"""How often the table is read: an alert by mail need not be there sooner."""
RETRY_SECONDS = 0.5
AT_ONCE = 20
"""Letters over one connection."""
LEASE_SLACK_SECONDS = 30.0
"""For storing outcomes; that may have to wait for the database."""
FLUSH_SECONDS = 2.0

_log: BoundLogger = structlog.get_logger("alerts.mail")


@dataclass(frozen=True, slots=True)
class MailerSettings:
    """A letter is tried for `retry_for` seconds, with growing pauses. A server that takes none at
    all rests for less: what ails it may be mended at any moment, and concerns all letters.
    """

    postman: Postman
    letters: Letters
    retry_for: float = 86_400.0
    pauses: Pauses = field(default_factory=lambda: Pauses(first=5.0, longest=900.0))
    rests: Pauses = field(default_factory=lambda: Pauses(first=2.0, longest=60.0))
    look: float = LOOK_SECONDS
    claimant: str = field(default_factory=lambda: token_hex(8))

    @property
    def lease(self) -> float:
        """How long a claim holds: for a connection, and for storing what came of it."""
        return self.postman.limit + LEASE_SLACK_SECONDS


@dataclass(frozen=True, slots=True)
class LookForLetters(Request[None]):
    """Look now, also when the server rests: a letter that it did not take keeps its own pause."""


class Mailer(Actor):
    """See the module. One task does it all: there is one server."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(self, settings: MailerSettings, statuses: Slot[MailStatus]) -> None:
        self._settings = settings
        self._statuses = statuses
        server = settings.postman.server
        self._status = msgspec.structs.replace(
            statuses.value or MailStatus(), server=f"{server.host}:{server.port}"
        )
        self._taken: list[LetterTaken] = []
        self._failed: list[LetterFailed] = []
        self._failures = 0
        self._news = trio.Event()
        self._working = trio.CancelScope()
        self._rested = trio.Event()

    async def init(self) -> None:
        """Begin with what waits in the table."""
        self._database = self.system.ref(paths.DATABASE)
        self._statuses.put(self._status)
        self.tasks.start_soon(self._run)

    async def terminate(self, _reason: ExitReason) -> None:
        """Store outcomes, and release the other claims for other nodes."""
        self._working.cancel()
        await self._rested.wait()
        with trio.move_on_after(FLUSH_SECONDS):
            try:
                await self._write()
                await ask(self._database, ReleaseLetters(self._settings.claimant))
            except DatabaseError:
                pass  # the leases end by themselves

    @handles(LookForLetters)
    def _on_look(self, _request: LookForLetters) -> None:
        self._news.set()
        self._news = trio.Event()

    async def _run(self) -> None:
        try:
            with self._working:
                await self._work()
        finally:
            self._rested.set()

    async def _work(self) -> None:
        settings, released = self._settings, False
        while True:
            pause, news = settings.look, self._news
            try:
                if not released:  # a killed predecessor may have left claims
                    await ask(self._database, ReleaseLetters(settings.claimant))
                    released = True
                await self._write()
                claim = ClaimLetters(settings.claimant, settings.lease, AT_ONCE)
                due = await ask(self._database, claim)
                if due:
                    pause = await self._hand_in(due)
                    await self._write()
            except DatabaseError as error:
                if isinstance(error, Rejected):
                    _log.error("the queue of the mail cannot be asked", reason=str(error))
                pause = RETRY_SECONDS
            with trio.move_on_after(pause):
                await news.wait()

    async def _hand_in(self, due: list[Letter]) -> float:
        """Try letters that are claimed; seconds until the next ones."""
        settings = self._settings
        sender, now = settings.letters.sender, now_ms()
        written = [(sender, letter.address, self._written(letter, now)) for letter in due]
        handed = await settings.postman.hand_in(written)
        said = None
        for letter, sent in zip(due, handed.outcomes, strict=False):
            if sent.reason is None:
                self._taken.append(LetterTaken(letter.row, sent.code))
            else:
                pause = _jittered(settings.pauses.after(letter.attempts + 1))
                failed = LetterFailed(letter.row, sent.code, sent.reason, pause, sent.final)
                self._failed.append(failed)
                said = unnamed(sent.reason, letter.address)
                if letter.attempts == 0 or sent.final:
                    _note_refusal(letter, said, final=sent.final)
        self._note_trouble(handed, said)
        if handed.trouble is None:
            return 0.0 if len(due) == AT_ONCE else settings.look
        rest = _jittered(settings.rests.after(self._failures))
        for letter in due[len(handed.outcomes) :]:
            failed = LetterFailed(letter.row, None, handed.trouble, rest, final=False)
            self._failed.append(failed)
        return rest

    def _written(self, letter: Letter, now: int) -> EmailMessage:
        letters = self._settings.letters
        if letter.stored is None:
            return letters.of_question(letter.address, letter.address_id, letter.row, now)
        return letters.of_alert(letter.stored.alert, letter.address, letter.address_id)

    def _note_trouble(self, handed: Handed, said: str | None) -> None:
        """`said` is why the last letter was not taken, if one was not."""
        status, now = self._status, now_ms()
        before, trouble = status.trouble, handed.trouble
        self._failures = 0 if trouble is None else self._failures + 1
        if trouble is not None and trouble != before:
            _log.warning("no mail can be handed in", reason=trouble)
        elif trouble is None and before is not None:
            _log.info("mail is handed in again")
        since = None if trouble is None else status.trouble_since or now
        error = trouble or said
        taken = any(sent.reason is None for sent in handed.outcomes)
        self._status = msgspec.structs.replace(
            status,
            trouble=trouble,
            trouble_since=since,
            last_error=error or status.last_error,
            last_error_at=now if error is not None else status.last_error_at,
            taken_at=now if taken else status.taken_at,
        )
        self._statuses.put(self._status)

    async def _write(self) -> None:
        taken, failed = tuple(self._taken), tuple(self._failed)
        if not taken and not failed:
            return
        settings = self._settings
        end = EndLetters(settings.claimant, settings.retry_for, taken, failed)
        dead = await ask(self._database, end)
        del self._taken[: len(taken)], self._failed[: len(failed)]
        status = self._status
        self._status = msgspec.structs.replace(
            status,
            delivered=status.delivered + len(taken),
            failed=status.failed + len(failed),
            dead=status.dead + dead,
            dead_at=now_ms() if dead else status.dead_at,
        )
        self._statuses.put(self._status)
        if dead:
            _log.warning("letters are given up", letters=dead, last_reason=failed[-1].reason)


def _note_refusal(letter: Letter, said: str, *, final: bool) -> None:
    """Log that one was not taken, with the alert's id as that of a webhook has it."""
    id_ = f"letter-{letter.row}" if letter.stored is None else letter.stored.alert.id
    domain = letter.address.rpartition("@")[2]
    _log.info("a letter was not taken", correlation_id=id_, domain=domain, reason=said, final=final)


def _jittered(seconds: float) -> float:
    return seconds * (0.75 + random.random() / 2)
