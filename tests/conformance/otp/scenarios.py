"""Random trees of supervisors, and what is done to them: the same for OTP and for this runtime.

A scenario is made of tuples, lists, strings and whole numbers alone, so that `term` can write it
as an Erlang term. Ids are unique in the whole tree. What each start of a worker does stands in
its script; after the script every start is well.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

PERIOD = 4
"""Seconds; as OTP counts whole ones, steps stay far inside it or go far beyond it."""
WAIT = 6.5
"""Seconds that a `wait` step takes: every stamp made before is out of the window."""

RESTARTS = ("permanent", "transient", "temporary")
STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
REASONS = ("normal", "shutdown", "term", "crash", "crash", "crash", "kill", "kill")


class Worker(NamedTuple):
    """`stop` is what it does when asked to: `prompt`, `hang` until cancelled, or `brutal`."""

    tag: str
    id: str
    restart: str
    significant: bool
    stop: str
    starts: list[str]


class Static(NamedTuple):
    """A supervisor with a list of children."""

    tag: str
    id: str
    restart: str
    significant: bool
    strategy: str
    intensity: int
    auto_shutdown: str
    children: list[Child]


class Dynamic(NamedTuple):
    """A `simple_one_for_one` of OTP; `worker` says how its children restart and stop."""

    tag: str
    id: str
    restart: str
    significant: bool
    intensity: int
    worker: Worker


Child = Worker | Static | Dynamic
Step = tuple[object, ...]


class Scenario(NamedTuple):
    """A tree, and the steps, each of which ends when nothing is left to do."""

    seed: int
    root: Static
    steps: list[Step]


def generate(seed: int) -> Scenario:
    """The scenario of that seed: flat ones, trees with supervisors held, and such with waits."""
    return _Generator(seed).scenario()


class _Generator:
    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = Random(f"supervisors {seed}")
        self._supervisors: list[Static | Dynamic] = []
        self._workers: list[str] = []
        self._number = 0
        self._deep = seed % 3 != 0

    def scenario(self) -> Scenario:
        root = self._static("root", "permanent", significant=False, depth=1)
        waits = self._random.random() < 0.15
        steps = [self._step() for _ in range(self._random.randint(2, 9))]
        if waits:
            for _ in range(self._random.randint(1, 2)):
                steps.insert(self._random.randrange(1, len(steps) + 1), ("wait",))
        return Scenario(self._seed, root, steps)

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _new_id(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number}"

    def _static(self, own_id: str, restart: str, *, significant: bool, depth: int) -> Static:
        auto = "never"
        if self._chance(0.2):
            auto = self._random.choice(("any_significant", "all_significant"))
        children = [self._child(auto, depth) for _ in range(self._random.randint(1, 4))]
        made = Static(
            "static", own_id, restart, significant, self._random.choice(STRATEGIES),
            self._random.choice((0, 1, 1, 2, 3, 5)), auto, children,
        )  # fmt: skip
        self._supervisors.append(made)
        return made

    def _child(self, auto_shutdown: str, depth: int) -> Child:
        restart = self._random.choice(RESTARTS)
        significant = auto_shutdown != "never" and restart != "permanent" and self._chance(0.6)
        kind = self._random.random()
        if self._deep and depth < 3 and kind < 0.3:
            own_id = self._new_id("s")
            return self._static(own_id, restart, significant=significant, depth=depth + 1)
        if self._deep and kind < 0.4:
            made = Dynamic(
                "dynamic", self._new_id("d"), restart, significant,
                self._random.choice((0, 1, 2, 3)),
                self._worker("template", self._random.choice(RESTARTS), significant=False),
            )  # fmt: skip
            self._supervisors.append(made)
            return made
        worker = self._worker(self._new_id("w"), restart, significant=significant)
        self._workers.append(worker.id)
        return worker

    def _worker(self, own_id: str, restart: str, *, significant: bool) -> Worker:
        stop = self._random.choice(("prompt", "prompt", "prompt", "brutal", "hang"))
        return Worker("worker", own_id, restart, significant, stop, self._starts())

    def _starts(self) -> list[str]:
        """The first start is nearly always well, else most trees would not come up."""
        if self._chance(0.55):
            return []
        first = "ok" if self._chance(0.93) else self._random.choice(("error", "ignore"))
        later = ("ok", "ok", "error", "ignore") if self._deep else ("ok", "error", "error")
        return [first, *(self._random.choice(later) for _ in range(self._random.randint(1, 4)))]

    def _step(self) -> Step:
        supervisor = self._random.choice(self._supervisors)
        if self._deep and self._chance(0.35):
            actions = [self._action(supervisor) for _ in range(self._random.randint(2, 4))]
            return ("held", supervisor.id, _each_terminated_once(actions))
        if self._workers and self._chance(0.55):
            return self._exit(self._random.choice(self._workers))
        return self._action(supervisor)

    def _exit(self, worker: str) -> Step:
        return ("exit", worker, self._random.choice(REASONS))

    def _action(self, supervisor: Static | Dynamic) -> Step:
        if isinstance(supervisor, Dynamic):
            return self._dynamic_action(supervisor)
        known = [child.id for child in supervisor.children]
        workers = [child.id for child in supervisor.children if isinstance(child, Worker)]
        if workers and self._chance(0.5):
            return self._exit(self._random.choice(workers))
        kind = self._random.choice(
            ("start", "start", "terminate", "terminate", "restart", "delete")
        )
        if kind != "start":
            return (kind, supervisor.id, self._random.choice([*known, "stranger"]))
        if self._chance(0.3):
            again = [child for child in supervisor.children if isinstance(child, Worker)]
            if again:
                return ("start", supervisor.id, self._random.choice(again))
        worker = self._worker(self._new_id("n"), self._random.choice(RESTARTS), significant=False)
        self._workers.append(worker.id)
        return ("start", supervisor.id, worker)

    def _dynamic_action(self, supervisor: Dynamic) -> Step:
        mine = [worker for worker in self._workers if worker.startswith(f"{supervisor.id}.")]
        if mine and self._chance(0.6):
            if self._chance(0.75):
                return self._exit(self._random.choice(mine))
            return ("terminate_dynamic", supervisor.id, self._random.choice(mine))
        own_id = f"{supervisor.id}.{len(mine) + 1}"
        self._workers.append(own_id)
        # A restart that ignores is forgotten here and kept by OTP: a difference on purpose.
        starts = ["ok" if each == "ignore" else each for each in self._starts()]
        return ("start_dynamic", supervisor.id, own_id, starts)


def _each_terminated_once(actions: list[Step]) -> list[Step]:
    """Without what names a dynamic child that is gone by then: a difference on purpose."""
    return [
        action
        for number, action in enumerate(actions)
        if action[0] != "terminate_dynamic" or action not in actions[:number]
    ]


def term(value: object) -> str:
    """`value` as an Erlang term: tuples, lists, atoms and numbers."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f"'{value}'"
        case int() | float():
            return repr(value)
        case tuple():
            return "{" + ",".join(map(term, value)) + "}"
        case list():
            return "[" + ",".join(map(term, value)) + "]"
    raise TypeError(f"no Erlang term for {value!r}")
