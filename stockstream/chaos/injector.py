"""Does one action to the system and verifies its effect: a method per scope of actions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import trio

from stockstream import paths
from stockstream.chaos.catalogue import Scope
from stockstream.chaos.lasting import DATABASE
from stockstream.chaos.messages import Injection, Refusal
from stockstream.chaos.observing import witness
from stockstream.chaos.targets import Target, list_targets, would_escalate
from stockstream.chaos.upstream import NoStub, set_switches, switches
from stockstream.messages import CutConnections, DatabaseFault, DisturbDatabase, ForceCircuit
from supervision import (
    NORMAL,
    ROOT,
    CallError,
    Crash,
    Killed,
    NoProc,
    inject_crash,
    inject_fault,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stockstream.chaos.catalogue import Action, Value
    from stockstream.chaos.lasting import LastingFaults
    from stockstream.chaos.messages import Inject
    from supervision import System

DEATH_SECONDS = 5.0
RETURN_SECONDS = 10.0
FELT_SECONDS = 1.0
_DEADLY = {"kill", "crash", "restart"}
_EXCEPTIONS: Mapping[str, type[Exception]] = {
    kind.__name__: kind for kind in (RuntimeError, ValueError, KeyError, OSError, MemoryError)
}
_FORCED_STATES: Mapping[str, Literal["open", "closed", "auto"]] = {
    "open": "open",
    "closed": "closed",
    "auto": "auto",
}


@dataclass(frozen=True, slots=True)
class FloodMessage:
    """What `mailbox-flood` sends; nobody handles it."""

    number: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order: a request whose action and parameters have been checked."""

    id: str
    action: Action
    parameters: dict[str, Value]
    request: Inject


@dataclass(slots=True)
class _Outcome:
    """The result; `back_as` is the generation that followed, after `recovered` seconds.

    `aimed` is the target where it is not an actor.
    """

    target: Target | None = None
    aimed: str = ""
    until: int | None = None
    back_as: int | None = None
    recovered: float | None = None
    detail: str = ""
    verified: bool = True


class _NotInjected(Exception):
    """The order had no effect."""


class Injector:
    """Does what an order says. `upstreams` are addresses by name."""

    def __init__(
        self,
        system: System,
        lasting: LastingFaults,
        upstreams: Mapping[str, str],
        *,
        wall_clock_ms: Callable[[], int],
    ) -> None:
        self._system = system
        self._lasting = lasting
        self._upstreams = upstreams
        self._now = wall_clock_ms

    async def carry_out(self, order: Order) -> Injection | Refusal:
        """Do it; the answer has the effect that was seen, or why nothing was done."""
        answer = await self._do(order)
        return answer if isinstance(answer, Refusal) else self._injection(order, answer)

    async def _do(self, order: Order) -> _Outcome | Refusal:
        match order.action.scope:
            case Scope.ACTOR:
                return await self._disturb_actor(order)
            case Scope.UPSTREAM:
                return await self._disturb_upstream(order)
            case Scope.BREAKER:
                return await self._force_breaker(order)
            case Scope.DATABASE:
                return await self._disturb_database(order)
            case Scope.CLIENT:
                return Refusal(
                    "bad_parameters", f"{order.action.name} is done by the command itself"
                )

    def _injection(self, order: Order, outcome: _Outcome) -> Injection:
        request, target = order.request, outcome.target
        return Injection(
            id=order.id,
            at=self._now(),
            action=order.action.name,
            target=(outcome.aimed or request.target) if target is None else target.path,
            who=request.who,
            experiment=request.experiment,
            generation_before=None if target is None else target.generation,
            generation_after=outcome.back_as,
            verified=outcome.verified,
            recovered_seconds=outcome.recovered,
            until=outcome.until,
            blast_radius=None if target is None else target.blast_radius,
            detail=outcome.detail,
        )

    def _aim(self, path: str, request: Inject) -> Target | Refusal:
        """Find the actor at `path`, unless it is another incarnation than the one meant."""
        root = snapshot(self._system, most_dynamic=0, always=(path,))
        found = [] if root is None else list_targets(root)
        target = next((target for target in found if target.path == path), None)
        if target is None:
            return Refusal(
                "no_such_target",
                f"nothing runs at {path!r} now; `stockstream chaos targets` lists what does",
            )
        expected = request.expected_generation
        if expected is not None and expected != target.generation:
            return Refusal(
                "generation_moved",
                f"{target.path} is at generation {target.generation}, not {expected}",
            )
        return target

    # Actors.

    async def _disturb_actor(self, order: Order) -> _Outcome | Refusal:
        target = self._aim(order.request.target, order.request)
        if isinstance(target, Refusal):
            return target
        deadly = order.action.name in _DEADLY
        if deadly and would_escalate(target) and not order.request.allow_escalation:
            why = (
                "nobody is above the root: its death ends the server; allow the escalation for that"
                if target.path == ROOT
                else f"one more death of {target.path} makes its supervisor give up; "
                "wait, or allow the escalation"
            )
            return Refusal("would_escalate", why)
        outcome = _Outcome(target)
        try:
            if deadly:
                await self._bring_down(order, target, outcome)
            elif order.action.lasting:
                outcome.until = await self._slow_down(order)
            else:
                self._flood(target, int(order.parameters["messages"]))
        except _NotInjected as error:
            outcome.verified, outcome.detail = False, str(error)
        return outcome

    async def _bring_down(self, order: Order, target: Target, outcome: _Outcome) -> None:
        began = trio.current_time()
        with witness(self._system, target.path, target.generation) as watching:
            await self._end(order, target)
            if not target.restartable:
                return
            if not await watching.until_back(RETURN_SECONDS):
                raise _NotInjected(f"it was not back within {RETURN_SECONDS:g} s")
            outcome.back_as = watching.back_as
            outcome.recovered = (watching.back_at or began) - began

    async def _end(self, order: Order, target: Target) -> None:
        """Kill, crash or restart one incarnation, and see exactly that one end by it."""
        ref = self._system.whereis(target.path)
        if ref is None or ref.generation != target.generation:
            raise _NotInjected(f"{target.path} ended before it was touched")
        name = order.action.name
        with ref.monitor() as monitor:
            match name:
                case "kill":
                    ref.kill()
                case "restart":
                    ref.stop(NORMAL)
                case _:
                    kind = _EXCEPTIONS[str(order.parameters["exception"])]
                    inject_crash(self._system, target.path, kind(order.parameters["message"]))
            with trio.move_on_after(DEATH_SECONDS):
                reason = await monitor.wait()
                wanted = {"kill": Killed, "crash": Crash}.get(name)
                if wanted is not None and not isinstance(reason, wanted):
                    raise _NotInjected(f"{target.path} ended by itself: {reason}")
                return
        raise _NotInjected(f"{target.path} did not end within {DEATH_SECONDS:g} s")

    async def _slow_down(self, order: Order) -> int:
        """Hang or slow an actor, and see the fault take effect; returns when it is over."""
        parameters, path = order.parameters, order.request.target
        delay = float(parameters["delay"]) if order.action.name == "slow" else None
        try:
            fault = inject_fault(
                self._system, path, seconds=float(parameters["seconds"]), delay=delay
            )
        except NoProc as error:
            raise _NotInjected(str(error)) from error
        row = self._lasting.put(order.id, order.action, path, parameters, order.request)
        with trio.move_on_after(FELT_SECONDS):
            await fault.felt.wait()
            return row.until
        # It would be felt later, when nobody counts on it.
        await self._lasting.roll_back(row)
        raise _NotInjected(f"{path} is too busy to meet its fault")

    def _flood(self, target: Target, messages: int) -> None:
        ref = self._system.ref(target.path)
        for number in range(messages):
            ref.cast(FloodMessage(number))

    # What is no actor.

    def _upstream(self, order: Order) -> str | Refusal:
        """The name of the given upstream, or of the only one if none is given."""
        wanted, there = order.request.target, ", ".join(self._upstreams)
        if wanted in self._upstreams:
            return wanted
        if wanted:
            return Refusal(
                "no_such_target", f"no upstream is called {wanted!r}; there are: {there}"
            )
        if len(self._upstreams) > 1:
            return Refusal("which_upstream", f"there are several upstreams, so say which: {there}")
        return there

    async def _disturb_upstream(self, order: Order) -> _Outcome | Refusal:
        name = self._upstream(order)
        if isinstance(name, Refusal):
            return name
        url = self._upstreams[name]
        if url.lower().startswith("sim:"):
            return Refusal(
                "no_such_target",
                f"the upstream {name} is not the stub of ours, which can be disturbed",
            )
        # Recorded as on before it is done: a fault that is half done must be rolled back, too.
        row = self._lasting.put(order.id, order.action, name, order.parameters, order.request)
        outcome = _Outcome(aimed=name, until=row.until)
        try:
            wanted = switches(order.action.name, order.parameters)
            outcome.verified = await set_switches(url, wanted)
            outcome.detail = "" if outcome.verified else "the stub API does not show the fault"
        except NoStub as error:
            outcome.verified, outcome.detail = False, str(error)
        return outcome

    async def _force_breaker(self, order: Order) -> _Outcome | Refusal:
        name = self._upstream(order)
        if isinstance(name, Refusal):
            return name
        target = self._aim(paths.circuit_breaker(name), order.request)
        if isinstance(target, Refusal):
            return target
        outcome = _Outcome(target)
        state = _FORCED_STATES[str(order.parameters["state"])]
        if state == "auto":
            self._lasting.forget(Scope.BREAKER, name)
        else:
            row = self._lasting.put(order.id, order.action, name, order.parameters, order.request)
            outcome.until = row.until
        try:
            breaker = self._system.ref(target.path)
            await breaker.call(ForceCircuit(state, float(order.parameters["seconds"])))
        except CallError as error:
            outcome.verified, outcome.detail = False, str(error)
        return outcome

    async def _disturb_database(self, order: Order) -> _Outcome | Refusal:
        outcome = _Outcome()
        try:
            if not order.action.lasting:
                cut = await self._system.ref(paths.DATABASE).call(CutConnections())
                outcome.verified = cut > 0
                outcome.detail = "" if cut > 0 else "there was no connection to be cut"
                return outcome
            server = self._system.ref(paths.POSTGRES)
            fault = DatabaseFault(order.action.name.removeprefix("database-"))
            row = self._lasting.put(
                order.id, order.action, DATABASE, order.parameters, order.request
            )
            outcome.until = row.until
            disturb = DisturbDatabase(fault, float(order.parameters["seconds"]))
            outcome.verified = await server.call(disturb)
            outcome.detail = "" if outcome.verified else "the embedded server does not run now"
        except NoProc:
            self._lasting.forget(Scope.DATABASE, DATABASE)
            return Refusal("no_such_target", "no embedded database server of ours runs here")
        except CallError as error:
            outcome.verified, outcome.detail = False, str(error)
        return outcome
