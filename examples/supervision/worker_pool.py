# ruff: noqa: INP001, T201 - an example is a program, and prints
"""A pool of workers under a dynamic supervisor: one per job, of which some fail at first.

A job that fails is tried again by the restart of its worker. The pool is done when every result
is in; it never waits for a worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from supervision import (
    Actor,
    ActorRef,
    ChildSpec,
    Continue,
    MaxChildren,
    Restart,
    dynamic_supervisor,
    handles,
    run,
    start_child,
    supervisor,
)

WORKERS = 3
JOBS = tuple(range(1, 9))


@dataclass(frozen=True)
class Work:
    """Do the job."""


@dataclass(frozen=True)
class Done:
    """A worker's result."""

    job: int
    result: int


@dataclass(frozen=True)
class Fill:
    """Start workers while there are jobs and room."""


@dataclass
class Attempts:
    """How often each job was begun; outlives the workers."""

    of: dict[int, int] = field(default_factory=dict)


class Worker(Actor):
    """Squares a number; multiples of four work at the second attempt only."""

    def __init__(self, attempts: Attempts, pool: ActorRef, job: int) -> None:
        self.attempts = attempts
        self.pool = pool
        self.job = job

    async def init(self) -> Continue:
        """Be up at once, and work then: a slow init would hold the supervisor."""
        return Continue(Work())

    @handles(Work)
    def _work(self, _message: Work) -> None:
        number = self.attempts.of[self.job] = self.attempts.of.get(self.job, 0) + 1
        if self.job % 4 == 0 and number == 1:
            raise ArithmeticError(f"job {self.job} needs another attempt")
        self.pool.cast(Done(self.job, self.job**2))
        self.stop()  # normal, so a transient worker is not restarted


class Pool(Actor):
    """Hands the jobs out and collects the results."""

    def __init__(self, results: dict[int, int], attempts: Attempts) -> None:
        self.results = results
        self.attempts = attempts
        self.waiting = list(JOBS)

    async def init(self) -> Continue:
        """Begin to fill the pool."""
        return Continue(Fill())

    @handles(Fill)
    async def _fill(self, _message: Fill) -> None:
        workers = self.system.ref("workers")
        while self.waiting:
            arguments = (self.attempts, self.ref, self.waiting[0])
            spec = ChildSpec("worker", Worker, arguments, restart=Restart.TRANSIENT)
            try:
                await start_child(workers, spec)
            except MaxChildren:
                self.send_after(0.005, Fill())
                return
            del self.waiting[0]

    @handles(Done)
    def _done(self, message: Done) -> None:
        self.results[message.job] = message.result
        if len(self.results) == len(JOBS):
            self.system.stop()


def main() -> int:
    """Run it; the answer is the exit code."""
    results: dict[int, int] = {}
    attempts = Attempts()
    tree = supervisor(
        "root",
        [
            dynamic_supervisor("workers", max_children=WORKERS, intensity=10),
            ChildSpec("pool", Pool, (results, attempts)),
        ],
    )
    code = run(tree)
    print(", ".join(f"{job}: {results[job]}" for job in sorted(results)))
    print(f"attempts: {sum(attempts.of.values())} for {len(JOBS)} jobs")
    return code


if __name__ == "__main__":
    raise SystemExit(main())
