"""The chaos controller: injects the requested faults, keeps the log, and rolls faults back.

The active faults and the experiment that holds the node are in `ChaosRecords`. So if the controller
is killed itself, its successor rolls those faults back. Faults of actors end by themselves.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import structlog

from stockstream.chaos.catalogue import BadParameters, action_named
from stockstream.chaos.injector import Injector, Order
from stockstream.chaos.lasting import LastingFaults
from stockstream.chaos.messages import (
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
from stockstream.chaos.records import EXPERIMENT, ChaosRecords
from stockstream.times import Moment, now_ms
from supervision import Actor, Caller, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.upstreams import Upstream
_log: BoundLogger = structlog.get_logger("chaos")


@dataclass(frozen=True, slots=True)
class _Expire:
    """A lasting fault, or an experiment, has reached its deadline."""

    id: str


class ChaosController(Actor):
    """See the module. Faults of `upstreams` are made by the stubs that play them, if they do."""

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self,
        records: ChaosRecords,
        upstreams: Sequence[Upstream],
        *,
        wall_clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._records = records
        self._stubs = {upstream.name: upstream.url for upstream in upstreams}
        self._now = wall_clock_ms

    async def init(self) -> None:
        """Take over what a predecessor left on: its deadlines still hold."""
        self._lasting = LastingFaults(
            self.system,
            self._records,
            self._stubs,
            wall_clock_ms=self._now,
            expire_in=self._expire_in,
        )
        self._injector = Injector(
            self.system,
            self._lasting,
            self._stubs,
            wall_clock_ms=self._now,
        )
        for entry, deadline in self._records.deadlines.rows.items():
            self.send_after(max(0.0, -deadline.age), _Expire(entry))

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
        self._expire_in(experiment.id, request.seconds)
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
        self._records.deadlines.delete(message.id)
        fault = self._records.faults.get(message.id)
        if fault is not None:
            self.tasks.start_soon(self._lasting.roll_back, fault)
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
        return await self._injector.carry_out(Order(injection_id, action, parameters, request))

    async def _end_and_answer(self, experiment: str | None, who: str, caller: Caller[int]) -> None:
        caller.reply(await self._end(experiment, who))

    async def _end(self, experiment: str | None, who: str) -> int:
        """Roll back an experiment's faults, or all, and release the node."""
        ended = await self._lasting.roll_back_all(experiment)
        running = self._records.experiment
        if running is not None and experiment in {None, running.id}:
            self._records.experiments.delete(EXPERIMENT)
            self._audit(running.id, who, "end", running.title, "done", f"{ended} faults ended")
        elif experiment is None:
            self._audit(_new_id(), who, "halt", "all", "done", f"{ended} faults ended")
        return ended

    def _expire_in(self, entry: str, seconds: float) -> None:
        self._records.deadlines.put(entry, Moment.now().after(seconds))
        self.send_after(seconds, _Expire(entry))

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
