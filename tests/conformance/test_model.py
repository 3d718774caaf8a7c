"""A supervisor beside its model, under arbitrary commands, on virtual time.

A failure prints the scenario as a script that can be run as it is.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from trio.testing import MockClock, wait_all_tasks_blocked

from supervision import (
    IGNORE,
    NORMAL,
    SHUTDOWN,
    Actor,
    Backoff,
    ChildSpec,
    ManagementError,
    Restart,
    Shutdown,
    Strategy,
    System,
    delete_child,
    handles,
    restart_child,
    snapshot,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from tests.conformance import model as pure
from tests.conformance.support import Boom, Raise, StopWith
from tests.support.deep import DEEP

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from supervision import ExitReason

IDS = "abcde"
REASONS: dict[str, ExitReason] = {
    "normal": NORMAL, "shutdown": SHUTDOWN, "shutdown(term)": Shutdown("term"),
}  # fmt: skip
FOREVER = 1e9


class Scripted(Actor):
    """Starts and stops as the scripts of its id say."""

    def __init__(self, real: Real, child_id: str) -> None:
        self.real = real
        self.id = child_id

    async def init(self) -> Any:
        self.real.log.append(("init", self.id))
        match self.real.next_of(self.real.starts, self.id):
            case "fail":
                raise Boom(self.id)
            case "slow":
                await trio.sleep(pure.SLOW_START)
            case "ignore":
                return IGNORE
        return None

    async def terminate(self, reason: ExitReason) -> None:
        self.real.log.append(("terminate", self.id))
        match self.real.next_of(self.real.stops, self.id):
            case "hang":
                await trio.sleep_forever()
            case "raise":
                raise Boom(self.id)

    @handles(Raise)
    def _raise(self, message: Raise) -> None:
        raise message.error

    @handles(StopWith)
    def _stop(self, message: StopWith) -> None:
        self.stop(message.reason)


class Real:
    """The runtime's supervisor `s` in a thread of its own, its clock moved by hand."""

    def __init__(self, chosen: pure.Settings, initial: list[tuple[str, str]]) -> None:
        self.log: list[tuple[str, str]] = []
        self.starts: dict[str, list[str]] = {}
        self.stops: dict[str, list[str]] = {}
        self.system = System()
        self.seen: dict[str, Any] = {}
        """What there is to compare, as of the last `do`: a hop to the thread is most of a step."""
        self._clock = MockClock()
        backoff = Backoff(pure.BACKOFF, pure.BACKOFF, 1.0, 0.0) if chosen.backoff else None
        inner = supervisor(
            "s",
            [self.spec(child_id, restart) for child_id, restart in initial],
            strategy=Strategy(chosen.strategy),
            intensity=chosen.intensity,
            period=pure.PERIOD,
            backoff=backoff,
        )
        self._root = supervisor("root", [inner], intensity=10**9)
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait()

    def spec(self, child_id: str, restart: str) -> ChildSpec:
        return ChildSpec(
            child_id, Scripted, (self, child_id), restart=Restart(restart), shutdown=pure.SHUTDOWN
        )

    def next_of(self, scripts: dict[str, list[str]], child_id: str) -> str:
        script = scripts.get(child_id, [])
        return script.pop(0) if script else "well"

    def do(self, work: Callable[[], Awaitable[Any]], until: float) -> str:
        """Do `work`, let time go on to `until`, where it must be done; its outcome in a word."""
        return trio.from_thread.run(self._do, work, until, trio_token=self._token)

    def close(self) -> None:
        trio.from_thread.run_sync(self._nursery.cancel_scope.cancel, trio_token=self._token)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            trio.run(self._main, clock=self._clock)
        except BaseException as error:  # noqa: BLE001 - told to the test by close()
            self._error = error
            self._ready.set()

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self.system.run, self._root)
            await wait_all_tasks_blocked()
            self._began = trio.current_time()
            self.seen = await self._look()
            self._ready.set()
            await trio.sleep_forever()

    async def _do(self, work: Callable[[], Awaitable[Any]], until: float) -> str:
        outcome = "not done in time"

        async def attempt() -> None:
            nonlocal outcome
            try:
                await work()
            except ManagementError as error:
                outcome = error.code
            else:
                outcome = "ok"

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt)
            await self._advance(until)
            nursery.cancel_scope.cancel()
        if not self.system.stopping:
            self.seen = await self._look()
        return outcome

    async def _advance(self, until: float) -> None:
        # From deadline to deadline: a jump over two of them would make the second late.
        while True:
            await wait_all_tasks_blocked()
            left = until - (trio.current_time() - self._began)
            if left <= 0:
                break
            soonest = trio.lowlevel.current_statistics().seconds_to_next_deadline
            self._clock.jump(min(left, max(soonest, 0.0)))

    async def _look(self) -> dict[str, Any]:
        infos = await which_children(self.system.ref("s"), timeout=FOREVER)
        tree = snapshot(self.system)
        assert tree is not None
        (node,) = tree.children
        assert node.supervisor is not None
        return {
            "now": trio.current_time() - self._began,
            "log": list(self.log),
            "children": {info.id: str(info.state) for info in reversed(infos)},
            "incarnation": node.generation,
            "generations": {
                child.path.removeprefix("s/"): child.generation
                for child in node.children
                if child.generation
            },
            "restarts_in_window": node.supervisor.restarts_in_window,
        }


ids = st.sampled_from(IDS)
restarts = st.sampled_from([str(restart) for restart in Restart])


class SupervisorMachine(RuleBasedStateMachine):
    """Gives the same commands to both, and compares all there is after each."""

    def __init__(self):
        super().__init__()
        note("from tests.conformance.test_model import SupervisorMachine")

    @initialize(
        strategy=st.sampled_from([str(strategy) for strategy in Strategy]),
        intensity=st.integers(0, 4),
        backoff=st.booleans(),
        initial=st.lists(st.tuples(ids, restarts), max_size=4, unique_by=lambda spec: spec[0]),
    )
    def begin(self, strategy, intensity, backoff, initial):
        chosen = pure.Settings(strategy, intensity, backoff)
        self.model = pure.Model(chosen, initial)
        self.model.begin()
        self.real = Real(chosen, initial)
        self.over = False

    def _both(self, command: str, work: Callable[[], Awaitable[Any]], *arguments: str) -> None:
        predicted = getattr(self.model, command)(*arguments)
        outcome = self.real.do(work, self.model.now)
        assert outcome == (predicted or "ok")

    def running(self):
        return [child.id for child in self.model.children.values() if child.state == "running"]

    @property
    def _s(self):
        return self.real.system.ref("s")

    @rule(child_id=ids, restart=restarts)
    def start_child(self, child_id, restart):
        spec = self.real.spec(child_id, restart)
        self._both(
            "start_child", lambda: start_child(self._s, spec, timeout=FOREVER), child_id, restart
        )

    @rule(child_id=ids)
    def terminate_child(self, child_id):
        work = lambda: terminate_child(self._s, child_id, timeout=FOREVER)  # noqa: E731
        self._both("terminate_child", work, child_id)

    @rule(child_id=ids)
    def restart_child(self, child_id):
        work = lambda: restart_child(self._s, child_id, timeout=FOREVER)  # noqa: E731
        self._both("restart_child", work, child_id)

    @rule(child_id=ids)
    def delete_child(self, child_id):
        work = lambda: delete_child(self._s, child_id, timeout=FOREVER)  # noqa: E731
        self._both("delete_child", work, child_id)

    @precondition(lambda self: self.running())
    @rule(pick=st.integers(0, 4), reason=st.sampled_from(["crash", "crash", "kill", *REASONS]))
    def exit(self, pick, reason):
        running = self.running()
        child_id = running[pick % len(running)]

        async def end() -> None:
            ref = self.real.system.ref(f"s/{child_id}")
            if reason == "kill":
                ref.kill()
            elif reason == "crash":
                ref.cast(Raise(Boom("told to")))
            else:
                ref.cast(StopWith(REASONS[reason]))

        self._both("exit", end, child_id, reason)

    @rule(
        child_id=ids,
        steps=st.lists(st.sampled_from(["fail", "fail", "slow", "ignore", "well"]), max_size=5),
    )
    def plan_starts(self, child_id, steps):
        self.model.starts[child_id] = list(steps)
        self.real.starts[child_id] = list(steps)

    @rule(child_id=ids, steps=st.lists(st.sampled_from(["hang", "raise", "well"]), max_size=3))
    def plan_stops(self, child_id, steps):
        self.model.stops[child_id] = list(steps)
        self.real.stops[child_id] = list(steps)

    @rule(seconds=st.sampled_from([pure.PERIOD, 0.5, 1.0, pure.BACKOFF, 10.0]))
    def advance(self, seconds):
        self.model.advance(seconds)
        assert self.real.do(trio.lowlevel.checkpoint, self.model.now) == "ok"

    @invariant()
    @precondition(lambda self: hasattr(self, "real") and not self.over)
    def the_same(self):
        model = self.model
        assert self.real.seen == {
            "now": model.now,
            "log": model.log,
            "children": {child.id: child.state for child in model.children.values()},
            "incarnation": model.incarnation,
            "generations": {i: g for i, g in model.generations.items() if i in model.children},
            "restarts_in_window": model.restarts_in_window,
        }

    def teardown(self):
        if not hasattr(self, "real"):
            return
        try:
            self.over = True
            self.model.shut_down()

            async def stop() -> None:
                self.real.system.stop()

            self.real.do(stop, self.model.now)
            assert self.real.log == self.model.log, "an ordered stop, in reverse"
            assert self.real.system.names == {}
        finally:
            self.real.close()


SupervisorMachine.TestCase.settings = settings(
    max_examples=3_000 if DEEP else 200,
    stateful_step_count=60 if DEEP else 25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestSupervisorAgainstItsModel = pytest.mark.proves(
    "R7", "R9", "R10", "R11", "R12", "R14", "R15", "R16", "R17", "R19", "R20", "R21", "R22", "R23",
    "R25", "R26", "R27", "R30", "R31", "R32", "R33",
)(SupervisorMachine.TestCase)  # fmt: skip
