"""The webhooks actor: posts alerts to the addresses of users, and retries until they are taken.

The queue is a table that several nodes share; a node claims a call for one try. After the try the
slot is free again: the table has the time of the next try. Retries go on for up to a day or longer.
Then the call is dead, and its row stays with the reason. `shares.py` decides which calls get a
slot. A receiver may get a call twice, if we are killed before we store that it was taken; the
alert's id in it shows the repeat.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from secrets import token_hex
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import msgspec
import structlog
import trio

from stockstream import paths, spans
from stockstream.alerts.call_rows import ClaimCalls, EndCalls, Failed, FetchDue, ReleaseCalls, Taken
from stockstream.alerts.posting import Poster
from stockstream.alerts.shares import SHARES, Line, LineRecord, Pauses, Shares
from stockstream.alerts.targets import TargetPolicy
from stockstream.database.query import DatabaseError, Rejected, ask
from stockstream.statuses import WebhookStatus
from stockstream.times import now_ms
from supervision import Actor, Conflate, MailboxPolicy, Request, correlation_id, handles

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger

    from stockstream.alerts.call_rows import Call, Tried
    from stockstream.alerts.posting import Outcome
    from stockstream.alerts.shares import CallSlot, DueLine
    from stockstream.alerts.signing import Signer
    from supervision import ExitReason, Slot

LOOK_SECONDS = 5.0
"""How often the table is read without a hint: calls of a node that died come without one."""
RETRY_SECONDS = 0.5
LINES_AT_ONCE = 2_000
"""Lines read at a time, some 30 ms of the database's; the next read continues after them."""
LEASE_SLACK_SECONDS = 20.0
"""For storing the outcome of a try; it may have to wait for the database."""
GRACE_SECONDS = 1.0
"""At a stop, for calls under way: one that is cut off is posted again."""
FLUSH_SECONDS = 2.0
MORE_SECONDS = 0.05
"""Between looks at parts of the lines."""
SHORTEST_SECONDS = 0.01
_MOST_OF_A_LINE = max(share.line for share in SHARES.values())
_FIRST = Line("", "")

_log: BoundLogger = structlog.get_logger("alerts.webhooks")


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """A call is tried for `retry_for`, with growing pauses; a try takes twice `seconds` at most.

    `claimant` names this process in the table. All times in seconds.
    """

    policy: TargetPolicy = field(default_factory=TargetPolicy)
    retry_for: float = 86_400.0
    seconds: float = 5.0
    pauses: Pauses = field(default_factory=lambda: Pauses(first=1.0, longest=900.0))
    claimant: str = field(default_factory=lambda: token_hex(8))

    @property
    def lease(self) -> float:
        """How long a claim holds: for a try, and for storing its outcome."""
        return 2 * self.seconds + LEASE_SLACK_SECONDS


@dataclass(frozen=True, slots=True)
class CallsDue:
    """Calls wait in the table: look now."""


@dataclass(frozen=True, slots=True)
class LookForCalls(Request[None]):
    """Look now, as at `CallsDue`. The answer says that it was read; lines that rest go on."""


@dataclass(frozen=True, slots=True)
class PostNow:
    """The user asked for a call of the line now: the line's rest ends."""

    line: Line


class Webhooks(Actor):
    """See the module. One task talks to the database for all; each call under way has a task."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True
    mailbox: ClassVar[MailboxPolicy] = MailboxPolicy(
        bound=100, overflow=Conflate(lambda message: CallsDue if message == CallsDue() else None)
    )

    def __init__(
        self, settings: WebhookSettings, signer: Signer, statuses: Slot[WebhookStatus]
    ) -> None:
        self._settings = settings
        self._signer = signer
        self._shares = Shares(settings.pauses, random.random)
        # Calls under way, or with an outcome that is not stored yet; each holds its slot.
        self._calls: dict[int, CallSlot] = {}
        self._taken: list[Taken] = []
        self._failed: list[Failed] = []
        # How lines stood after their last call: failures in a row, and when their rest ends.
        self._stood: dict[Line, tuple[int, float]] = {}
        self._after = _FIRST
        self._news = trio.Event()
        self._working = trio.CancelScope()
        self._rested = trio.Event()
        self._statuses = statuses
        self._status = statuses.value or WebhookStatus()

    async def init(self) -> None:
        """Begin with what waits in the table."""
        self._database = self.system.ref(paths.DATABASE)
        self.tasks.start_soon(self._run)

    async def terminate(self, _reason: ExitReason) -> None:
        """Store the outcomes of calls, and release the other claims for other nodes."""
        self._working.cancel()
        await self._rested.wait()
        with trio.move_on_after(FLUSH_SECONDS):
            try:
                await self._write()
                await ask(self._database, ReleaseCalls(self._settings.claimant))
            except DatabaseError:
                pass  # the leases end by themselves

    @handles(CallsDue)
    def _on_due(self, _message: CallsDue) -> None:
        self._wake()

    @handles(LookForCalls)
    def _on_look(self, _request: LookForCalls) -> None:
        self._wake()

    @handles(PostNow)
    def _on_post_now(self, message: PostNow) -> None:
        self._shares.end_rest(message.line)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _count(self, **more: int) -> None:
        """Count, and write down how it goes."""
        counts = {name: getattr(self._status, name) + count for name, count in more.items()}
        counts["under_way"] = len(self._calls)
        if more.get("dead"):
            counts["dead_at"] = now_ms()
        self._status = msgspec.structs.replace(self._status, **counts)
        self._statuses.put(self._status)

    async def _run(self) -> None:
        settings = self._settings
        try:
            poster = await Poster.opened(settings.policy, self._signer, settings.seconds)
            async with poster, trio.open_nursery() as nursery:
                with self._working:
                    await self._work(poster, nursery)
                nursery.cancel_scope.deadline = trio.current_time() + GRACE_SECONDS
        finally:
            self._rested.set()

    async def _work(self, poster: Poster, nursery: trio.Nursery) -> None:
        released = False
        while True:
            news = self._news
            try:
                if not released:  # a killed predecessor may have left claims
                    await ask(self._database, ReleaseCalls(self._settings.claimant))
                    released = True
                await self._write()
                pause = await self._begin_due(poster, nursery)
            except DatabaseError as error:
                if isinstance(error, Rejected):
                    _log.error("the queue of the webhooks cannot be asked", reason=str(error))
                pause = RETRY_SECONDS
            with trio.move_on_after(pause):
                await news.wait()

    async def _write(self) -> None:
        """Store the outcomes of calls; then their slots are free."""
        taken, failed = tuple(self._taken), tuple(self._failed)
        if not taken and not failed:
            return
        settings = self._settings
        stood, now = dict(self._stood), trio.current_time()
        lines = [LineRecord(line, n, max(until - now, 0)) for line, (n, until) in stood.items()]
        end = EndCalls(settings.claimant, settings.retry_for, taken, failed, lines)
        dead = await ask(self._database, end)
        self._stood = {line: told for line, told in self._stood.items() if stood.get(line) != told}
        del self._taken[: len(taken)], self._failed[: len(failed)]
        tried: tuple[Tried, ...] = (*taken, *failed)
        for one in tried:
            self._shares.end(self._calls.pop(one.call.stored.row))
        self._count(delivered=len(taken), failed=len(failed), dead=dead)
        if dead:
            _log.warning("webhooks are given up", calls=dead, last_reason=failed[-1].reason)

    async def _begin_due(self, poster: Poster, nursery: trio.Nursery) -> float:
        """Begin due calls that have a share; returns seconds to the next look without a hint."""
        if self._shares.full:
            return LOOK_SECONDS
        first = self._after
        due = await ask(self._database, FetchDue(first, LINES_AT_ONCE, _MOST_OF_A_LINE))
        more = len(due) == LINES_AT_ONCE
        self._after = due[-1].line if more else _FIRST
        for one in due:
            if one.line not in self._stood:
                self._shares.learn(one.line, one.failures)
        now = trio.current_time()
        allotted = self._shares.allot((one for one in due if one.calls), now)
        if allotted:
            lease, calls = self._settings.lease, tuple(self._calls)
            claim = ClaimCalls(self._settings.claimant, lease, allotted, calls)
            for call in await ask(self._database, claim):
                slot = self._calls[call.stored.row] = self._shares.begin(call.line)
                nursery.start_soon(self._serve, poster, call, slot, now + LEASE_SLACK_SECONDS)
            self._count()
        return MORE_SECONDS if more or first != _FIRST else self._pause(due, now)

    def _pause(self, due: list[DueLine], now: float) -> float:
        """Until the first line gets due, or has rested. One without a share waits for news."""
        waits = [LOOK_SECONDS]
        for line, calls, due_for, _ in due:
            rest = self._shares.rests_until(line) - now
            if not calls or rest > 0:
                waits.append(max(-due_for, rest))
        return max(min(waits), SHORTEST_SECONDS)

    async def _serve(self, poster: Poster, call: Call, slot: CallSlot, begin_by: float) -> None:
        if trio.current_time() > begin_by:
            # The process, or the database's answer, was held up. The lease may end within the try,
            # and another node would post the call as well: it is that node's.
            self._shares.end(self._calls.pop(call.stored.row))
            self._count()
            self._wake()
            return
        correlation_id.set(call.stored.alert.id)  # as its receiver knows it
        with _span_of(call) as span:
            outcome = await poster.post(call, slot.standing)
            if outcome.status is not None:
                span.note("http.response.status_code", outcome.status)
            if outcome.reason is not None:
                span.fail("no_answer" if outcome.status is None else str(outcome.status))
        if outcome.reason is None:
            self._shares.note_answer(call.line, outcome.seconds)
            self._taken.append(Taken(call, outcome.status))
        else:
            self._failed.append(self._fail(call, outcome, outcome.reason))
            if call.attempts == 0 or outcome.final:  # of each call one line or two, not a hundred
                _log.info(
                    "a webhook was not taken",
                    receiver=call.line.receiver,
                    reason=outcome.reason,
                    final=outcome.final,
                )
        line, shares = call.line, self._shares
        self._stood[line] = shares.failures(line), shares.rests_until(line)
        self._wake()

    def _fail(self, call: Call, outcome: Outcome, reason: str) -> Failed:
        pause = 0.0
        if outcome.final:  # concerns this call only, not the others on its line
            self._shares.note_answer(call.line, outcome.seconds)
        else:
            attempts, now = call.attempts + 1, trio.current_time()
            pause = self._shares.note_failure(call.line, attempts, now, outcome.asked)
        return Failed(call, outcome.status, reason, pause, outcome.final, outcome.gone)


def _span_of(call: Call) -> spans.Span:
    """The span of a try, in the trace of what fired the alert. The address may hold a key."""
    origin = spans.origin_of(call.traceparent, believed=True)
    if origin is None:
        return spans.NOT_TRACED
    values: dict[str, spans.Value] = {
        "http.request.method": "POST",
        "server.address": urlsplit(call.url).hostname or "",
        "http.request.resend_count": call.attempts,
    }
    return spans.root("POST", "client", values, origin)
