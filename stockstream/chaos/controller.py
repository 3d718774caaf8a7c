"""The chaos controller: does to the system what it is asked, sees that it happened, undoes it.

What is on, and who has the node, stands in `ChaosRecords`, so a controller that is killed
itself is followed by one that rolls back what was on. Faults of actors end by themselves.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import structlog
import trio

from stockstream import paths
from stockstream.chaos.catalogue import Action, BadParameters, Scope, Value, action_named
from stockstream.chaos.messages import (
    ActiveFault,
    AuditRow,
    Begin,
    End,
    Experiment,
    Halt,
    Inject,
    Injection,
    Refusal,
    Refused,
)
from stockstream.chaos.observing import witness
from stockstream.chaos.records import EXPERIMENT, ChaosRecords
from stockstream.chaos.targets import Target, list_targets, would_escalate
from stockstream.chaos.upstream import NoStub, set_switches, switches
from stockstream.messages import CutConnections, DatabaseFault, DisturbDatabase, ForceCircuit
from supervision import (
    NORMAL,
    Actor,
    Caller,
    CallError,
    Crash,
    Killed,
    NoProc,
    handles,
    inject_crash,
    inject_fault,
    lift_fault,
    replies_later,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.stdlib import BoundLogger

DEATH_SECONDS = 5.0
RETURN_SECONDS = 10.0
FELT_SECONDS = 1.0
ROLLBACK_PAUSE_SECONDS = 1.0
"""A rollback that fails (the stub is being restarted) is tried again after so long."""
BREAKER = "circuit breaker"
UPSTREAM = "price API"
DATABASE = "database"
_EXCEPTIONS: Mapping[str, type[Exception]] = {
    kind.__name__: kind for kind in (RuntimeError, ValueError, KeyError, OSError, MemoryError)
}

_FORCED_STATES: Mapping[str, Literal["open", "closed", "auto"]] = {
    "open": "open",
    "closed": "closed",
    "auto": "auto",
}

_log: BoundLogger = structlog.get_logger("chaos")


@dataclass(frozen=True, slots=True)
class FloodMessage:
    """What `mailbox-flood` sends; nobody handles it."""

    number: int


@dataclass(frozen=True, slots=True)
class _Expire:
    """A lasting fault, or an experiment, has reached its deadline."""

    id: str


class _NotInjected(Exception):
    """What was ordered did not happen."""


class ChaosController(Actor):
    """See the module. `stub_url` is where the stub price API's admin API answers, if any."""

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self,
        records: ChaosRecords,
        *,
        breaker_path: str,
        stub_url: str | None,
        wall_clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._records = records
        self._breaker_path = breaker_path
        self._stub_url = stub_url
        self._now = wall_clock_ms

    async def init(self) -> None:
        """Take over what a predecessor left on: its deadlines still hold."""
        for fault in self._records.faults.rows.values():
            self._expire_at(fault.id, fault.until)
        experiment = self._records.experiment
        if experiment is not None:
            self._expire_at(experiment.id, experiment.deadline)

    # Requests.

    @replies_later(Inject)
    def _on_inject(self, request: Inject, caller: Caller[Injection | Refusal]) -> None:
        self.tasks.start_soon(self._inject_and_answer, request, caller)

    @handles(Begin)
    def _on_begin(self, request: Begin) -> Experiment | Refusal:
        running = self._records.experiment
        if running is not None:
            return Refusal(
                "experiment_running", f"{running.title!r} by {running.who} has this node"
            )
        now = self._now()
        deadline = now + round(request.seconds * 1000)
        experiment = Experiment(_new_id(), request.title, request.who, now, deadline)
        self._records.experiments.put(EXPERIMENT, experiment)
        self._expire_at(experiment.id, deadline)
        self._audit(experiment.id, request.who, "begin", experiment.title, "done", "")
        return experiment

    @replies_later(End)
    def _on_end(self, request: End, caller: Caller[int]) -> None:
        self.tasks.start_soon(self._end_and_answer, request.experiment, request.who, caller)

    @replies_later(Halt)
    def _on_halt(self, request: Halt, caller: Caller[int]) -> None:
        self.tasks.start_soon(self._end_and_answer, None, request.who, caller)

    @handles(Refused)
    def _on_refused(self, message: Refused) -> None:
        self._audit(_new_id(), message.who, message.call, "", "refused", message.reason)

    @handles(_Expire)
    def _on_expire(self, message: _Expire) -> None:
        fault = self._records.faults.get(message.id)
        if fault is not None:
            self.tasks.start_soon(self._roll_back, fault)
        experiment = self._records.experiment
        if experiment is not None and experiment.id == message.id:
            self.tasks.start_soon(self._end, experiment.id, "deadline")

    # Doing it.

    async def _inject_and_answer(
        self, request: Inject, caller: Caller[Injection | Refusal]
    ) -> None:
        injection_id = _new_id()
        answer = await self._inject(injection_id, request)
        if isinstance(answer, Refusal):
            outcome, detail = answer.code, answer.reason
        else:
            outcome, detail = "done" if answer.verified else "not_injected", answer.detail
        self._audit(
            injection_id,
            request.who,
            request.action,
            request.target,
            outcome,
            f"{request.reason} {detail}".strip(),
            request.experiment,
        )
        caller.reply(answer)

    async def _inject(self, injection_id: str, request: Inject) -> Injection | Refusal:
        try:
            action = action_named(request.action)
            parameters = action.read(request.parameters)
        except BadParameters as error:
            return Refusal("bad_parameters", str(error))
        experiment = self._records.experiment
        if experiment is not None and request.experiment != experiment.id:
            return Refusal("experiment_running", f"{experiment.title!r} has this node")
        if experiment is None and request.experiment is not None:
            return Refusal("no_experiment", f"experiment {request.experiment} is over")
        match action.scope:
            case Scope.ACTOR:
                return await self._inject_into_actor(injection_id, action, parameters, request)
            case Scope.UPSTREAM:
                return await self._disturb_upstream(injection_id, action, parameters, request)
            case Scope.BREAKER:
                return await self._force_breaker(injection_id, action, parameters, request)
            case Scope.DATABASE:
                return await self._disturb_database(injection_id, action, parameters, request)
            case Scope.CLIENT:
                return Refusal("bad_parameters", f"{action.name} is done by the command itself")

    async def _inject_into_actor(
        self, injection_id: str, action: Action, parameters: dict[str, Value], request: Inject
    ) -> Injection | Refusal:
        target = self._target(request.target)
        if target is None:
            return Refusal("no_such_target", f"nothing runs at {request.target!r}")
        expected = request.expected_generation
        if expected is not None and expected != target.generation:
            return Refusal(
                "generation_moved",
                f"{target.path} is at generation {target.generation}, not {expected}",
            )
        deadly = action.name in {"kill", "crash", "restart"}
        if deadly and would_escalate(target) and not request.allow_escalation:
            return Refusal(
                "would_escalate",
                f"one more death of {target.path} makes its supervisor give up; "
                "wait, or allow the escalation",
            )
        began = trio.current_time()
        until: int | None = None
        back_as: int | None = None
        recovered: float | None = None
        try:
            with witness(self.system, target.path, target.generation) as watching:
                if action.lasting:
                    until = await self._disturb_actor(injection_id, action, parameters, request)
                elif action.name == "mailbox-flood":
                    self._flood(target, int(parameters["messages"]))
                else:
                    await self._bring_down(action, parameters, target)
                    if target.restartable and await watching.until_back(RETURN_SECONDS):
                        back_as = watching.back_as
                        recovered = (watching.back_at or began) - began
            verified, detail = True, ""
            if deadly and target.restartable and back_as is None:
                verified, detail = False, f"it was not back within {RETURN_SECONDS:g} s"
        except _NotInjected as error:
            verified, detail = False, str(error)
        return self._injection(
            injection_id, action, request, target, verified, back_as, recovered, until, detail
        )

    def _injection(
        self,
        injection_id: str,
        action: Action,
        request: Inject,
        target: Target | None,
        verified: bool,
        back_as: int | None,
        recovered: float | None,
        until: int | None,
        detail: str,
    ) -> Injection:
        return Injection(
            id=injection_id,
            at=self._now(),
            action=action.name,
            target=request.target if target is None else target.path,
            who=request.who,
            experiment=request.experiment,
            generation_before=None if target is None else target.generation,
            generation_after=back_as,
            verified=verified,
            recovered_seconds=recovered,
            until=until,
            blast_radius=None if target is None else target.blast_radius,
            detail=detail,
        )

    async def _bring_down(
        self, action: Action, parameters: dict[str, Value], target: Target
    ) -> None:
        """Kill, crash or restart one incarnation, and see that very one end of it."""
        ref = self.system.whereis(target.path)
        if ref is None or ref.generation != target.generation:
            raise _NotInjected(f"{target.path} ended before it was touched")
        with ref.monitor() as monitor:
            match action.name:
                case "kill":
                    ref.kill()
                case "restart":
                    ref.stop(NORMAL)
                case _:
                    kind = _EXCEPTIONS[str(parameters["exception"])]
                    inject_crash(self.system, target.path, kind(parameters["message"]))
            with trio.move_on_after(DEATH_SECONDS):
                reason = await monitor.wait()
                wanted = {"kill": Killed, "crash": Crash}.get(action.name)
                if wanted is not None and not isinstance(reason, wanted):
                    raise _NotInjected(f"{target.path} ended by itself: {reason}")
                return
        raise _NotInjected(f"{target.path} did not end within {DEATH_SECONDS:g} s")

    async def _disturb_actor(
        self,
        injection_id: str,
        action: Action,
        parameters: dict[str, Value],
        request: Inject,
    ) -> int:
        seconds = float(parameters["seconds"])
        delay = float(parameters["delay"]) if action.name == "slow" else None
        try:
            fault = inject_fault(self.system, request.target, seconds=seconds, delay=delay)
        except NoProc as error:
            raise _NotInjected(str(error)) from error
        until = self._switch_on(injection_id, action, parameters, request)
        with trio.move_on_after(FELT_SECONDS):
            await fault.felt.wait()
            return until
        raise _NotInjected(f"{request.target} is too busy to meet its fault")

    def _flood(self, target: Target, messages: int) -> None:
        ref = self.system.ref(target.path)
        for number in range(messages):
            ref.cast(FloodMessage(number))

    async def _disturb_upstream(
        self, injection_id: str, action: Action, parameters: dict[str, Value], request: Inject
    ) -> Injection | Refusal:
        if self._stub_url is None:
            return Refusal(
                "no_such_target", "the price API is not the stub of ours, which can be disturbed"
            )
        # On before it is done: what was half done must be undone too.
        until = self._switch_on(injection_id, action, parameters, request)
        try:
            verified = await set_switches(self._stub_url, switches(action.name, parameters))
            detail = "" if verified else "the stub API does not show the fault"
        except NoStub as error:
            verified, detail = False, str(error)
        return self._injection(
            injection_id, action, request, None, verified, None, None, until, detail
        )

    async def _force_breaker(
        self, injection_id: str, action: Action, parameters: dict[str, Value], request: Inject
    ) -> Injection | Refusal:
        target = self._target(self._breaker_path)
        expected = request.expected_generation
        if target is None:
            return Refusal("no_such_target", "there is no circuit breaker now")
        if expected is not None and expected != target.generation:
            return Refusal(
                "generation_moved",
                f"{target.path} is at generation {target.generation}, not {expected}",
            )
        state = _FORCED_STATES[str(parameters["state"])]
        until = None
        if state == "auto":
            self._replace(BREAKER)
        else:
            until = self._switch_on(injection_id, action, parameters, request)
        try:
            breaker = self.system.ref(self._breaker_path)
            await breaker.call(ForceCircuit(state, float(parameters["seconds"])))
            verified, detail = True, ""
        except CallError as error:
            verified, detail = False, str(error)
        return self._injection(
            injection_id, action, request, target, verified, None, None, until, detail
        )

    async def _disturb_database(
        self, injection_id: str, action: Action, parameters: dict[str, Value], request: Inject
    ) -> Injection | Refusal:
        until = None
        try:
            if not action.lasting:
                database = self.system.ref(paths.DATABASE)
                verified = await database.call(CutConnections()) > 0
                detail = "" if verified else "there was no connection to be cut"
            else:
                until = self._switch_on(injection_id, action, parameters, request)
                fault = DatabaseFault(action.name.removeprefix("database-"))
                server = self.system.ref(paths.POSTGRES)
                disturb = DisturbDatabase(fault, float(parameters["seconds"]))
                verified = await server.call(disturb)
                detail = "" if verified else "the embedded server does not run now"
        except NoProc:
            self._records.faults.delete(injection_id)
            return Refusal("no_such_target", "no embedded database server of ours runs here")
        except CallError as error:
            verified, detail = False, str(error)
        return self._injection(
            injection_id, action, request, None, verified, None, None, until, detail
        )

    # Undoing it.

    def _switch_on(
        self,
        injection_id: str,
        action: Action,
        parameters: dict[str, Value],
        request: Inject,
    ) -> int:
        now = self._now()
        until = now + round(float(parameters["seconds"]) * 1000)
        target = {
            Scope.UPSTREAM: UPSTREAM,
            Scope.BREAKER: BREAKER,
            Scope.DATABASE: DATABASE,
        }.get(action.scope, request.target)
        self._replace(target)
        self._records.faults.put(
            injection_id,
            ActiveFault(
                injection_id,
                action.name,
                target,
                request.who,
                request.experiment,
                now,
                until,
                parameters,
            ),
        )
        self._expire_at(injection_id, until)
        return until

    def _replace(self, target: str) -> None:
        """Forget what was on at `target`: something else takes its place."""
        for other in list(self._records.faults.rows.values()):
            if other.target == target:
                self._records.faults.delete(other.id)

    async def _roll_back(self, fault: ActiveFault) -> None:
        """Undo a fault, however long that takes to succeed."""
        while self._records.faults.get(fault.id) is fault:
            try:
                await self._undo(fault)
            except (NoStub, CallError) as error:
                _log.warning("rollback failed; trying again", fault=fault.id, error=str(error))
                await trio.sleep(ROLLBACK_PAUSE_SECONDS)
            else:
                self._records.faults.delete(fault.id)
                _log.info("rolled back", fault=fault.id, action=fault.action, target=fault.target)

    async def _undo(self, fault: ActiveFault) -> None:
        if fault.target == UPSTREAM and self._stub_url is not None:
            await set_switches(self._stub_url, {})
        elif fault.target == BREAKER:
            await self.system.ref(self._breaker_path).call(ForceCircuit("auto", None))
        elif fault.target == DATABASE:
            await self.system.ref(paths.POSTGRES).call(DisturbDatabase(None))
        else:
            lift_fault(self.system, fault.target)

    async def _end_and_answer(self, experiment: str | None, who: str, caller: Caller[int]) -> None:
        caller.reply(await self._end(experiment, who))

    async def _end(self, experiment: str | None, who: str) -> int:
        """Roll back an experiment's faults, or all, and give the node free."""
        ended = [
            fault
            for fault in self._records.faults.rows.values()
            if experiment is None or fault.experiment == experiment
        ]
        async with trio.open_nursery() as nursery:
            for fault in ended:
                nursery.start_soon(self._roll_back, fault)
        running = self._records.experiment
        if running is not None and experiment in {None, running.id}:
            self._records.experiments.delete(EXPERIMENT)
            self._audit(running.id, who, "end", running.title, "done", f"{len(ended)} faults ended")
        elif experiment is None:
            self._audit(_new_id(), who, "halt", "all", "done", f"{len(ended)} faults ended")
        return len(ended)

    # Small things.

    def _target(self, path: str) -> Target | None:
        root = snapshot(self.system)
        if root is None:
            return None
        return next((target for target in list_targets(root) if target.path == path), None)

    def _expire_at(self, entry: str, until_ms: int) -> None:
        self.send_after(max(0.0, (until_ms - self._now()) / 1000), _Expire(entry))

    def _audit(
        self,
        entry: str,
        who: str,
        action: str,
        target: str,
        outcome: str,
        detail: str,
        experiment: str | None = None,
    ) -> None:
        row = AuditRow(entry, self._now(), who, action, target, outcome, detail, experiment)
        self._records.audit(row)
        _log.warning(
            "chaos",
            id=entry, who=who, action=action, target=target, outcome=outcome, detail=detail,
            experiment=experiment,
        )  # fmt: skip


def _new_id() -> str:
    return secrets.token_hex(4)
