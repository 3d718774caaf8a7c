"""The actor `doorkeeper`: says who may come in, by what the database has confirmed.

A request is let in by its row in the table `credentials` (`known`), without a message, as long as
that was confirmed a moment ago. Otherwise it asks the doorkeeper (`credentials_of`), which asks the
database, for all who wait at once. Every few seconds it confirms those that are in use, and those
by which sockets are open: a credential that was ended anywhere is gone here within ten seconds,
even if nobody told. Told by whoever ended it, or by the bus, it is gone at once.

Its rows outlive it. While it is started again nobody is refused: callers wait.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream import paths
from stockstream.database.query import DatabaseError, Unavailable, ask
from stockstream.messages import AccountChanged, CredentialsChanged, CredentialsEnded
from stockstream.times import Moment
from stockstream.users.credential_book import USED_SECONDS, CredentialBook, Waiting, is_good
from stockstream.users.credentials import FindCredentials, TouchCredentials
from supervision import Actor, Caller, CallError, Request, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.credential_keys import CredentialKey
    from stockstream.tables import Tables
    from stockstream.users.credential_book import Outcome, Question
    from stockstream.users.credentials import Credential
    from supervision import ActorRef

ROUND_SECONDS = 5.0
QUESTION_SECONDS = 2.0
"""How long the database has for an answer; a hung one is away."""
PATIENCE_SECONDS = 2.0
"""How long a caller waits while the doorkeeper or the gateway is started again."""
RETRY_SECONDS = 0.02
MOST_DIGESTS = 100
"""That a caller may ask for at once."""

_log: BoundLogger = structlog.get_logger("doorkeeper")


@dataclass(frozen=True, slots=True)
class Confirm(Request["Mapping[bytes, Credential] | DatabaseError"]):
    """Which of the digests are credentials; the others let nobody in. An error value where the
    database cannot be asked, and it is not known.
    """

    digests: frozenset[bytes]

    def __post_init__(self) -> None:
        # Refused in the sender: a handler that raises ends the actor.
        if len(self.digests) > MOST_DIGESTS:
            raise ValueError(f"at most {MOST_DIGESTS} digests at once, not {len(self.digests)}")


class _Round:
    """Time to confirm all that are in use."""


class Doorkeeper(Actor):
    """See the module. A session ends `idle` seconds after it was last used."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, idle: float, tables: Tables, *, in_cluster: bool) -> None:
        self._idle = idle
        self._tables = tables
        self._in_cluster = in_cluster
        self._wake = trio.Event()

    async def init(self) -> None:
        """Go on with what a predecessor knew."""
        self._database = self.system.ref(paths.DATABASE)
        self._web = self.system.ref(paths.WEB)
        self._bus = self.system.ref(paths.BUS)
        tables = self._tables
        self._book = CredentialBook(tables.credentials, tables.socket_credentials.rows)
        self.send_every(ROUND_SECONDS, _Round())
        self.tasks.start_soon(self._run)

    @replies_later(Confirm)
    def _on_confirm(
        self, request: Confirm, caller: Caller[Mapping[bytes, Credential] | DatabaseError]
    ) -> None:
        self._book.want(Waiting(request.digests, caller.reply), Moment.now())
        self._wake.set()

    @handles(CredentialsEnded)
    def _on_ended(self, message: CredentialsEnded) -> None:
        self._book.end(message.keys)
        self._tell_ended(message.keys)
        if self._in_cluster and not message.heard:
            self._bus.cast(message)

    @handles(AccountChanged)
    def _on_changed(self, message: AccountChanged) -> None:
        self._book.doubt(message.account_id)
        self._wake.set()
        if self._in_cluster and not message.heard:
            self._bus.cast(message)

    @handles(_Round)
    def _on_round(self, _message: _Round) -> None:
        self._book.round(Moment.now())
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake = trio.Event()
            while (question := self._book.question(Moment.now())) is not None:
                await self._ask(question)
            await self._wake.wait()

    async def _ask(self, question: Question) -> None:
        query = FindCredentials(question.digests, self._idle)
        try:
            found = await ask(self._database, query, timeout=QUESTION_SECONDS)
        except DatabaseError as error:
            self._note(error)
            self._book.failed(question, error, Moment.now())
        else:
            self._note(None)
            self._act(self._book.answered(question, found, Moment.now()))

    def _act(self, outcome: Outcome) -> None:
        """Tell what the database said. Nothing here waits: a kill comes before it, or after."""
        if outcome.ended:
            self._tell_ended(outcome.ended)
        if outcome.changed:
            self._web.cast(CredentialsChanged(tuple(outcome.changed)))
        if outcome.used:
            self.tasks.start_soon(self._touch, tuple(outcome.used))

    def _tell_ended(self, keys: Sequence[CredentialKey]) -> None:
        self._web.cast(CredentialsEnded(tuple(keys), heard=True))

    async def _touch(self, keys: tuple[CredentialKey, ...]) -> None:
        # One that cannot be written now is written a minute later.
        with suppress(DatabaseError):
            await ask(self._database, TouchCredentials(keys, self._idle))

    def _note(self, trouble: DatabaseError | None) -> None:
        before = self._book.trouble
        if trouble is not None and before is None:
            _log.warning("credentials cannot be confirmed", reason=str(trouble))
        elif trouble is None and before is not None:
            _log.info("credentials are confirmed again")


def known(tables: Tables, digest: bytes, now: Moment) -> Credential | None:
    """The credential, where it was confirmed a moment ago; None says: the doorkeeper is asked.

    It is to hear of a use at times: one that an open socket holds is confirmed all the time, and
    would die as unused though somebody comes with it.
    """
    row = tables.credentials.get(digest)
    if row is None or not is_good(row, now) or now - row.used >= USED_SECONDS:
        return None
    return row.credential


async def credentials_of(
    doorkeeper: ActorRef, tables: Tables, digests: frozenset[bytes]
) -> Mapping[bytes, Credential]:
    """Which of the digests are living credentials, by the table, else by the doorkeeper.

    While it or the gateway is started again, this waits for a moment.

    Raises:
        Unavailable: nobody can say now.
        Exhausted: too many wait.
    """
    now = Moment.now()
    there = {digest: known(tables, digest, now) for digest in digests}
    good = {digest: one for digest, one in there.items() if one is not None}
    if len(good) == len(digests):
        return good
    give_up = trio.current_time() + PATIENCE_SECONDS
    while True:
        trouble: DatabaseError
        try:
            answer = await doorkeeper.call(
                Confirm(digests), timeout=max(0.0, give_up - trio.current_time()) + QUESTION_SECONDS
            )
        except CallError as error:
            trouble = Unavailable(f"the doorkeeper does not answer: {error}")
        else:
            if not isinstance(answer, DatabaseError):
                return answer
            trouble = answer
            if not isinstance(answer, Unavailable) or _away_for_long(tables):
                raise trouble
        if trio.current_time() >= give_up:
            raise trouble
        await trio.sleep(RETRY_SECONDS)


async def credential_of(doorkeeper: ActorRef, tables: Tables, digest: bytes) -> Credential | None:
    """The one credential of a digest; None where there is none. Raises as `credentials_of`."""
    return (await credentials_of(doorkeeper, tables, frozenset({digest}))).get(digest)


async def tell(doorkeeper: ActorRef, message: CredentialsEnded | AccountChanged) -> None:
    """Have it act at once, here and on all nodes; to be called once the change is committed.

    While it is started again, this waits for a moment. Then the database tells it in its next
    rounds, so there is no error.
    """
    give_up = trio.current_time() + PATIENCE_SECONDS
    while True:
        try:
            await doorkeeper.call(message, timeout=PATIENCE_SECONDS)
        except CallError as error:
            if trio.current_time() >= give_up:
                _log.warning("credentials end a little later", reason=str(error))
                return
        else:
            return
        await trio.sleep(RETRY_SECONDS)


def _away_for_long(tables: Tables) -> bool:
    """Whether the database will not be there in a moment, either."""
    status = tables.database.value
    return status is not None and not status.up and status.since.age > PATIENCE_SECONDS
