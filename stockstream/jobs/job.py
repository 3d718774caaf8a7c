"""The actor that runs one job on a schedule; each job has one of its own on each node.

What a job is, is said by a `JobSpec`. When it is due is decided by `timing.py`, who of all nodes
runs it by its row (`rows.py`), which is also what is known of it after a restart. A killed actor's
successor finds its own claim there, and goes on. Trouble with the database is an outage: the job
is late, and nothing crashes.
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
from stockstream.database.query import DatabaseError, ask
from stockstream.jobs.rows import LEASE_SECONDS, ClaimJob, EndJob, FetchJob, JobRow, KeepJob
from stockstream.jobs.timing import Past, Timing
from stockstream.pauses import Pauses
from stockstream.statuses import JobStatus
from stockstream.times import now_ms
from supervision import Actor, Backoff, CallError, Request, correlation_id, handles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from structlog.stdlib import BoundLogger

    from stockstream.jobs.schedule import Schedule
    from supervision import ActorRef, ExitReason, Table

LOOK_SECONDS = 15.0
"""How old what is known of another node's run may be."""
RETRIES = Backoff(first=0.1, longest=5.0)
"""How soon the database is asked again after it could not be asked."""
END_SECONDS = 60.0
"""How long it is tried to store how a run went. Then the lease ends, and it counts as failed."""
RELEASE_SECONDS = 1.0
TROUBLE_SECONDS = 60.0
"""Only failures that last so long are reported: a database comes back, a long query ends."""

_log: BoundLogger = structlog.get_logger("jobs")


class JobFailed(Exception):
    """The work could not be done; the text says why, to an operator."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a run ended: what was done, in a few words. With `waits` it had reason to do nothing.

    `again` is in how many seconds the next run is wanted, where that is sooner than the schedule.
    One that is `quiet` is not told in the log.
    """

    note: str = ""
    waits: bool = False
    again: float | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Wakes:
    """The actor at `path`, on the node that runs the job, and the request by which it begins."""

    path: str
    request: Request[None]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job: its `work` is given the database's gateway, and may raise `DatabaseError`,
    `JobFailed` or `OSError`; all else is a fault of ours, and crashes the actor.

    A run takes `deadline` seconds at most, and is tried again `retry` seconds after it failed.
    With `at_start` it runs once when a node begins. `jitter` seconds at most are added to the
    schedule, so that not all installations come at the same moment. After the work the actor that
    it `wakes` is asked to begin; the run fails where that does not answer.
    """

    name: str
    about: str
    schedule: Schedule
    work: Callable[[ActorRef], Awaitable[Done]]
    deadline: float
    retry: float = 5.0
    at_start: bool = False
    jitter: float = 0.0
    wakes: Wakes | None = None


@dataclass(frozen=True, slots=True)
class Runner:
    """Who runs jobs: the node's name, for people, and a name of this process alone."""

    node: str
    claimant: str = field(default_factory=lambda: token_hex(8))


@dataclass(frozen=True, slots=True)
class RunJob(Request[str | None]):
    """Run the job now, whatever its schedule; answers why not, or None when it begins."""


class Job(Actor):
    """See the module."""

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(self, spec: JobSpec, runner: Runner, rows: Table[str, JobStatus]) -> None:
        self._spec = spec
        self._runner = runner
        self._rows = rows
        self._timing = Timing(
            spec.schedule,
            retry=spec.retry,
            at_start=spec.at_start,
            jitter=random.uniform(0, spec.jitter),
        )
        self._retries = Pauses(RETRIES)
        self._asked = False
        self._news = trio.Event()
        self._running = False
        self._away: str | None = None
        self._claim: trio.Event | None = None
        self._ending = trio.CancelScope()
        self._ended = trio.Event()
        before = rows.get(spec.name)
        self._failing = None if before is None else before.failing
        self._failing_since: float | None = None

    async def init(self) -> None:
        """Begin."""
        self._database = self.system.ref(paths.DATABASE)
        if self._spec.name not in self._rows:
            self._put()
        self.tasks.start_soon(self._run)

    async def terminate(self, _reason: ExitReason) -> None:
        """End the run that is under way, and say so: another node need not wait for the lease."""
        if self._claim is not None:
            # Cancelled, the claim would be made all the same, and nobody would know of it.
            with trio.move_on_after(RELEASE_SECONDS):
                await self._claim.wait()
        self._ending.cancel()
        await self._ended.wait()

    @handles(RunJob)
    def _on_run(self, _request: RunJob) -> str | None:
        if self._running:
            return "it runs already, here"
        row = self._rows.get(self._spec.name)
        if row is not None and row.running_on is not None:
            return f"it runs already, on {row.running_on}"
        if self._away is not None:
            return f"the database cannot be asked: {self._away}"
        self._asked = True
        self._wake()
        return None

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def _run(self) -> None:
        try:
            with self._ending:
                while True:
                    news = self._news
                    try:
                        pause = await self._turn()
                    except DatabaseError as error:
                        self._away = str(error)
                        self._note_failure(str(error))
                        pause = self._retries.take()
                    else:
                        self._retries.reset()
                    with trio.move_on_after(pause):
                        await news.wait()
        finally:
            self._ended.set()

    async def _turn(self) -> float:
        """Look at the row, and run the job if it is due. Returns seconds until the next look.

        Raises:
            DatabaseError: the row cannot be read.
        """
        name, runner = self._spec.name, self._runner
        row = await ask(self._database, FetchJob(name, runner.claimant))
        self._away = None
        past = Past(row.base, row.ended if row.outcome == "failed" else None)
        wait = self._timing.wait(past, row.now, trio.current_time())
        self._put_row(row, self._timing.next_run(past), wait)
        if row.running_on is not None:
            return LOOK_SECONDS
        if not self._asked and wait > 0:
            return min(wait, LOOK_SECONDS)
        self._claim = claim = trio.Event()
        try:
            ours = await ask(self._database, ClaimJob(name, runner.claimant, runner.node, row.base))
        finally:
            claim.set()
            self._claim = None
        if not ours:
            return 0.0  # another node was quicker
        self._asked = False
        await self._do(row)
        return 0.0

    async def _do(self, row: JobRow) -> None:
        begun = trio.current_time()
        run = f"job-{self._spec.name}-{now_ms()}"
        before = correlation_id.set(run)
        try:
            self._put(correlation=run)
            await self._do_now(row, begun)
        finally:
            correlation_id.reset(before)

    async def _do_now(self, row: JobRow, begun: float) -> None:
        self._timing.started(begun)
        self._running = True
        self._put_row(row, None, 0.0, running_on=self._runner.node)
        done: Done | str | None = None
        try:
            done = await self._worked()
        finally:
            self._running = False
            # A killed actor says nothing: its successor finds the claim.
            if done is None and self._ending.cancel_called:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + RELEASE_SECONDS):
                    await self._store(begun, "failed", "the server was stopped in the middle of it")
        outcome, note = "failed", done if isinstance(done, str) else done.note
        if isinstance(done, Done):
            outcome = "waits" if done.waits else "ok"
            if done.again is not None:
                self._timing.ask_again(trio.current_time(), done.again)
        with trio.move_on_after(END_SECONDS):
            await self._store(begun, outcome, note)
        if outcome == "failed":
            _log.warning("a job failed", job=self._spec.name, reason=note)
            self._note_failure(note)
        else:
            if note and outcome == "ok" and isinstance(done, Done) and not done.quiet:
                _log.info("a job is done", job=self._spec.name, did=note)
            self._note_success()

    async def _worked(self) -> Done | str:
        """Do the work, for as long as it is ours; how it ended, or why it failed."""
        spec, result = self._spec, "another node has taken it: this one was held up for too long"
        done: Done | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, nursery.cancel_scope)
            with trio.move_on_after(spec.deadline) as limit:
                try:
                    worked = await spec.work(self._database)
                    await self._wake_other()
                    done = worked
                except (DatabaseError, JobFailed) as error:
                    result = str(error)
                except OSError as error:
                    result = f"{error.filename or spec.name}: {error.strerror or error}"
            if limit.cancelled_caught:
                result = f"it took over {spec.deadline:,.0f} s"
            nursery.cancel_scope.cancel()
        return result if done is None else done

    async def _wake_other(self) -> None:
        wakes = self._spec.wakes
        if wakes is None:
            return
        try:
            await self.system.ref(wakes.path).call(wakes.request)
        except CallError as error:
            raise JobFailed(f"{wakes.path} does not begin: {error}") from error

    async def _keep(self, run: trio.CancelScope) -> None:
        """Renew the lease; end the run when it ran out, as another node may have the job then."""
        held_until = trio.current_time() + LEASE_SECONDS
        while True:
            await trio.sleep(LEASE_SECONDS / 4)
            try:
                if not await ask(self._database, KeepJob(self._spec.name, self._runner.claimant)):
                    break
                held_until = trio.current_time() + LEASE_SECONDS
            except DatabaseError:
                if trio.current_time() > held_until:
                    break
        run.cancel()

    async def _store(self, begun: float, outcome: str, note: str) -> None:
        """Store how it went, as soon as the database can be asked."""
        seconds = round(trio.current_time() - begun, 3)
        end = EndJob(self._spec.name, self._runner.claimant, seconds, outcome, note)
        while True:
            try:
                await ask(self._database, end)
            except DatabaseError as error:
                self._away = str(error)
                await trio.sleep(self._retries.take())
            else:
                return

    def _note_failure(self, why: str) -> None:
        now = trio.current_time()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since >= TROUBLE_SECONDS:
            if self._failing is None:
                _log.warning("a job is in trouble", job=self._spec.name, reason=why)
            self._failing = f"fails: {why}"
            self._put(failing=self._failing)

    def _note_success(self) -> None:
        if self._failing is not None:
            _log.info("a job goes on", job=self._spec.name)
        self._failing = self._failing_since = None
        self._put(failing=None)

    def _put_row(
        self, row: JobRow, next_run: int | None, wait: float, *, running_on: str | None = None
    ) -> None:
        """Show what is known of the job. Late is what should have run a while ago and did not."""
        late = 0.0 if next_run is None else max(0.0, (row.now - next_run) / 1000)
        self._put(
            started=row.started,
            seconds=row.seconds,
            outcome=row.outcome,
            note=row.note,
            node=row.node,
            succeeded=row.succeeded,
            next_run=None if next_run is None else row.now + round(wait * 1000),
            running_on=running_on or row.running_on,
            runs=row.runs,
            failures=row.failures,
            overdue_seconds=late if row.running_on is None else 0.0,
        )

    def _put(self, **changes: str | float | None) -> None:
        spec = self._spec
        before = self._rows.get(spec.name) or JobStatus(
            spec.name, spec.about, paths.job(spec.name), str(spec.schedule)
        )
        now = msgspec.structs.replace(before, **changes)
        if now != before or spec.name not in self._rows:
            self._rows.put(spec.name, now)
