"""Lasting faults: which are on, until when, and how they are rolled back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import trio

from stockstream import paths
from stockstream.chaos.catalogue import Scope, action_named
from stockstream.chaos.messages import ActiveFault
from stockstream.chaos.upstream import NoStub, set_switches
from stockstream.messages import DisturbDatabase, ForceCircuit
from supervision import CallError, lift_fault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.chaos.catalogue import Action, Value
    from stockstream.chaos.messages import Inject
    from stockstream.chaos.records import ChaosRecords
    from supervision import System

ROLLBACK_PAUSE_SECONDS = 1.0
"""A rollback that fails (the stub is being restarted) is tried again after so long."""
DATABASE = "database"

_log: BoundLogger = structlog.get_logger("chaos")


class LastingFaults:
    """The rows of `records.faults`: one fault at a target at a time, each until its deadline.

    A target is an actor's path, the name of one of the `upstreams` (its breaker, or the stub at its
    address), or the database; each scope of actions has targets of its own.

    Used within the controller's own tasks, as the table takes nobody else's rows. `expire_in` is
    called with a fault's id and the seconds after which it is to be rolled back.
    """

    def __init__(
        self,
        system: System,
        records: ChaosRecords,
        upstreams: Mapping[str, str],
        *,
        wall_clock_ms: Callable[[], int],
        expire_in: Callable[[str, float], None],
    ) -> None:
        self._system = system
        self._rows = records.faults
        self._upstreams = upstreams
        self._now = wall_clock_ms
        self._expire_in = expire_in

    def put(
        self,
        injection_id: str,
        action: Action,
        target: str,
        parameters: dict[str, Value],
        request: Inject,
    ) -> ActiveFault:
        """Note that a fault is on; it replaces the fault at the same target."""
        now = self._now()
        seconds = float(parameters["seconds"])
        until = now + round(seconds * 1000)
        self.forget(action.scope, target)
        fault = ActiveFault(
            injection_id,
            action.name,
            target,
            request.who,
            request.experiment,
            now,
            until,
            parameters,
        )
        self._rows.put(injection_id, fault)
        self._expire_in(injection_id, seconds)
        return fault

    def forget(self, scope: Scope, target: str) -> None:
        """Drop the fault at a target: another one replaces it."""
        for other in list(self._rows.rows.values()):
            if other.target == target and action_named(other.action).scope is scope:
                self._rows.delete(other.id)

    async def roll_back(self, fault: ActiveFault) -> None:
        """Undo a fault; retries until it succeeds."""
        while self._rows.get(fault.id) is fault:
            try:
                await self._undo(fault)
            except (NoStub, CallError) as error:
                _log.warning("rollback failed; trying again", fault=fault.id, error=str(error))
                await trio.sleep(ROLLBACK_PAUSE_SECONDS)
            else:
                self._rows.delete(fault.id)
                _log.info("rolled back", fault=fault.id, action=fault.action, target=fault.target)

    async def roll_back_all(self, experiment: str | None) -> int:
        """Undo the faults of one experiment, or all; the answer is how many there were."""
        ended = [
            fault
            for fault in self._rows.rows.values()
            if experiment is None or fault.experiment == experiment
        ]
        async with trio.open_nursery() as nursery:
            for fault in ended:
                nursery.start_soon(self.roll_back, fault)
        return len(ended)

    async def _undo(self, fault: ActiveFault) -> None:
        match action_named(fault.action).scope:
            case Scope.UPSTREAM:
                await set_switches(self._upstreams[fault.target], {})
            case Scope.BREAKER:
                breaker = self._system.ref(paths.circuit_breaker(fault.target))
                await breaker.call(ForceCircuit("auto", None))
            case Scope.DATABASE:
                await self._system.ref(paths.POSTGRES).call(DisturbDatabase(None))
            case _:
                lift_fault(self._system, fault.target)
