"""Scenarios on this runtime, in virtual time, traced in the words of supervisors.escript."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from supervision import (
    BRUTAL_KILL,
    IGNORE,
    NORMAL,
    SHUTDOWN,
    Actor,
    AutoShutdown,
    ChildSpec,
    Crash,
    FailedToStartChild,
    ManagementError,
    NoProc,
    Restart,
    ServerExited,
    Shutdown,
    Strategy,
    System,
    count_children,
    delete_child,
    dynamic_supervisor,
    handles,
    inject_fault,
    lift_fault,
    restart_child,
    start_child,
    supervisor,
    terminate_child,
    which_children,
)
from tests.conformance.otp.scenarios import PERIOD, WAIT, Static, Worker

if TYPE_CHECKING:
    from supervision import ActorRef, ExitReason
    from tests.conformance.otp.scenarios import Child, Scenario, Step

SHUTDOWN_SECONDS: dict[str, Any] = {"prompt": 60.0, "hang": 0.03, "brutal": BRUTAL_KILL}
STEP_SECONDS = 0.25
"""Longer than all workers that hang take to be cancelled; nine of them fit into the period."""
LONG_SECONDS = 10_000.0


def replay(scenario: Scenario) -> str:
    """The trace of one scenario on this runtime."""
    return trio.run(_Replay(scenario).run, clock=MockClock(autojump_threshold=0))


@dataclass(frozen=True)
class End:
    """Told to a worker: end for this reason."""

    reason: str


class Boom(Exception):
    """What a worker that crashes raises."""


class ScriptedWorker(Actor):
    """Starts as its script says, ends as it is told."""

    def __init__(self, scene: _Replay, label: str, stop: str) -> None:
        self._scene = scene
        self._label = label
        self._stop = stop

    async def init(self) -> Any:
        script = self._scene.starts[self._label]
        what = script.pop(0) if script else "ok"
        self._scene.note(f"+{self._label}" + ("" if what == "ok" else f":{what}"))
        if what == "error":
            raise Boom(self._label)
        if what == "ignore":
            return IGNORE
        self._scene.refs[self._label] = self.ref
        self._scene.first.setdefault(self._label, self.ref)
        return None

    @handles(End)
    def _end(self, message: End) -> None:
        self._stop = "prompt"
        match message.reason:
            case "crash":
                raise Boom(self._label)
            case "term":
                self.stop(Shutdown("term"))
            case reason:
                self.stop({"normal": NORMAL, "shutdown": SHUTDOWN}[reason])

    async def terminate(self, reason: ExitReason) -> None:
        self._scene.note(f"-{self._label}:{text(reason)}")
        if self._stop == "hang":
            await trio.sleep_forever()


class _Replay:
    def __init__(self, scenario: Scenario) -> None:
        self._steps = scenario.steps
        self._system = System()
        self._paths: dict[str, str] = {}
        self._templates: dict[str, Worker] = {}
        self._log: list[str] = []
        self._ended: ExitReason | None = None
        self._over = trio.Event()
        self.starts: dict[str, list[str]] = {}
        self.refs: dict[str, ActorRef] = {}
        self.first: dict[str, ActorRef] = {}
        self._root = self._spec(scenario.root, "")

    def note(self, entry: str) -> None:
        self._log.append(entry)

    async def run(self) -> str:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._live)
            await trio.sleep(STEP_SECONDS)
            begun = text(self._ended)
            entries = [await self._entry(begun if begun.startswith("failed") else "up")]
            entries += [await self._entry(await self._step(step)) for step in self._steps]
            self._system.stop()
            await self._over.wait()
            entries.append(await self._entry(text(self._ended)))
        return "; ".join(entries)

    async def _live(self) -> None:
        self._ended = await self._system.run(self._root)
        self._over.set()

    async def _entry(self, answer: str) -> str:
        await trio.sleep(STEP_SECONDS)
        entry = f"{answer}|{' '.join(self._log)}|{' '.join(await self._states())}"
        self._log.clear()
        return entry

    # What is done.

    async def _step(self, step: Step) -> str:
        match step:
            case ("wait",):
                await trio.sleep(WAIT)
                return "waited"
            case ("held", str(held), list(actions)):
                ref = self._living(held)
                return "none" if ref is None else await self._held(ref, actions)
        return await self._action(step)

    async def _held(self, ref: ActorRef, actions: list[Step]) -> str:
        answers = [""] * len(actions)

        async def do(number: int) -> None:
            answers[number] = await self._action(actions[number])

        inject_fault(self._system, ref.path, seconds=LONG_SECONDS, delay=None)
        async with trio.open_nursery() as nursery:
            for number in range(len(actions)):
                nursery.start_soon(do, number)
                await wait_all_tasks_blocked()
            lift_fault(self._system, ref.path)
        return ",".join(answers)

    async def _action(self, step: Step) -> str:
        match step:
            case ("exit", str(label), str(reason)):
                return await self._exit(label, reason)
            case ("kill_supervisor", str(label)):
                self._ref(label).kill()
                return "did"
            case ("count", str(where)):
                return "/".join(map(str, await count_children(self._ref(where))))
            case (_, str(where), *_):
                held = self._living(where)
                return "none" if held is None else await self._manage(held, step)
        raise AssertionError(f"unknown step {step!r}")

    async def _exit(self, label: str, reason: str) -> str:
        ref = self._living(label)
        if ref is None:
            return "none"
        with ref.monitor() as monitor:
            if reason == "kill":
                ref.kill()
            else:
                ref.cast(End(reason))
            await monitor.wait()
        return "did"

    async def _manage(self, ref: ActorRef, step: Step) -> str:
        try:
            return await self._managed(ref, step)
        except ManagementError as error:
            return error.code
        except NoProc:
            return "noproc"
        except ServerExited as error:
            return f"exited {text(error.reason)}"

    async def _managed(self, ref: ActorRef, step: Step) -> str:
        match step:
            case ("start", _, Worker() as worker):
                return _started(await start_child(ref, self._worker(worker)))
            case ("start_dynamic", str(where), str(label), list(starts)):
                template = self._templates[where]._replace(id=label, starts=starts)
                return _started(await start_child(ref, self._worker(template)))
            case ("restart", _, str(child)):
                return _started(await restart_child(ref, child))
            case ("terminate", _, str(child)):
                await terminate_child(ref, child)
            case ("delete", _, str(child)):
                await delete_child(ref, child)
            case ("terminate_dynamic", _, str(label)):
                living = self._living(label)
                if living is None:
                    return "none"
                await terminate_child(ref, living)
            case ("terminate_first", _, str(label)):
                await terminate_child(ref, self.first[label])
            case _:
                raise AssertionError(f"unknown step {step!r}")
        return "ok"

    # Looking.

    def _ref(self, label: str) -> ActorRef:
        """The worker's latest incarnation, or the supervisor that has its path now."""
        return self.refs[label] if label in self.refs else self._system.ref(self._paths[label])

    def _living(self, label: str) -> ActorRef | None:
        if label in self._paths:
            return self._system.whereis(self._paths[label])
        ref = self.refs.get(label)
        return ref if ref is not None and self._system.whereis(ref.path) == ref else None

    async def _states(self) -> list[str]:
        living = {label: self._living(label) for label in sorted(self._paths)}
        return [await self._state(label, ref) for label, ref in living.items() if ref is not None]

    async def _state(self, label: str, ref: ActorRef) -> str:
        children = await which_children(ref)
        if label not in self._templates:
            states = " ".join(f"{child.id}={child.state}" for child in reversed(children))
            return f"{label}[{states}]"
        labels = {ref: label for label, ref in self.refs.items()}
        names = [child.state if child.ref is None else labels[child.ref] for child in children]
        return f"{label}{{{' '.join(sorted(names))}}}"

    # The tree.

    def _spec(self, child: Child, parent: str) -> ChildSpec:
        if isinstance(child, Worker):
            return self._worker(child)
        path = self._paths[child.id] = f"{parent}/{child.id}".lstrip("/")
        restart = Restart(child.restart)
        if isinstance(child, Static):
            below = "" if child.id == "root" else path
            spec = supervisor(
                child.id,
                [self._spec(each, below) for each in child.children],
                strategy=Strategy(child.strategy),
                intensity=child.intensity,
                period=PERIOD,
                auto_shutdown=AutoShutdown(child.auto_shutdown),
                restart=restart,
            )
        else:
            self._templates[child.id] = child.worker
            spec = dynamic_supervisor(
                child.id, intensity=child.intensity, period=PERIOD, restart=restart
            )

        def start() -> Actor:
            self.note(f"+{child.id}")
            return spec.start()

        return replace(spec, significant=child.significant, start=start)

    def _worker(self, worker: Worker) -> ChildSpec:
        self.starts.setdefault(worker.id, list(worker.starts))
        return ChildSpec(
            worker.id,
            ScriptedWorker,
            (self, worker.id, worker.stop),
            restart=Restart(worker.restart),
            shutdown=SHUTDOWN_SECONDS[worker.stop],
            significant=worker.significant,
        )


def text(reason: ExitReason | None) -> str:
    """An exit reason in the words of the traces."""
    match reason:
        case Crash():
            return "crash"
        case Shutdown(FailedToStartChild(child, _)):
            return f"failed {child}"
    return str(reason)


def comparable(trace: str) -> str:
    """The trace with what has no order in OTP put into one: dynamic children stopped at once."""
    return "; ".join(map(_comparable_entry, trace.split("; ")))


def _comparable_entry(entry: str) -> str:
    answer, log, states = entry.split("|")
    runs = [list(run) for _, run in groupby(log.split(" "), _stopped_with)]
    together = [" ".join(sorted(run) if _stopped_with(run[0]) else run) for run in runs]
    return f"{answer}|{' '.join(together)}|{states}"


def _stopped_with(entry: str) -> str:
    """The dynamic supervisor whose child was stopped, or nothing."""
    label, _, reason = entry.partition(":")
    return label.partition(".")[0] if "." in label and reason == "shutdown" else ""


def _started(answer: object) -> str:
    return "ignored" if answer is None else "ok"
