# ruff: noqa: I001, INP001, T201 - an example is a program, prints, and is there to be read
"""A job queue whose jobs survive whatever dies: a worker, the queue, the whole program.

A job is a file to be hashed. The queue writes what was done into a journal before it says so, and
hands a job out again when its worker ended. A job may run twice, its result is noted once. Start
the program again with the same journal, and it goes on where it was.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import trio

from supervision import (
    Actor, ActorRef, Caller, ChildSpec, Down, Monitor, Request, Strategy, handles, replies_later,
    run, supervisor,
)  # fmt: skip

ATTEMPTS = 3
FOREVER = float("inf")


@dataclass(frozen=True)
class Take(Request[str]):
    """A worker asks for a job; it is answered when there is one."""

    worker: ActorRef


@dataclass(frozen=True)
class Finish(Request[None]):
    """A worker tells a result, or why there is none. Answered when it is on the disk."""

    job: str
    result: str
    failed: bool = False


class Queue(Actor):
    """Knows which jobs wait and who has one. The journal is the truth; this is its reader.

    A result that was sent arrives before the `Down` of its sender, so a job whose result is on its
    way is not handed out again.
    """

    def __init__(self, journal: Path, jobs: list[str]) -> None:
        self.journal = journal
        self.done = read(journal)
        self.waiting = deque(job for job in jobs if job not in self.done)
        self.failures: dict[str, int] = {}
        self.idle: dict[Monitor, Caller[str]] = {}
        self.busy: dict[Monitor, str] = {}

    async def init(self) -> None:
        """There may be nothing left to do."""
        self._hand_out()

    @replies_later(Take)
    def _take(self, request: Take, caller: Caller[str]) -> None:
        self.idle[self.monitor(request.worker)] = caller
        self._hand_out()

    @handles(Finish)
    async def _finish(self, request: Finish) -> None:
        monitor = next((m for m, job in self.busy.items() if job == request.job), None)
        if monitor is not None:
            self.demonitor(monitor)
            del self.busy[monitor]
        tries = self.failures[request.job] = self.failures.get(request.job, 0) + request.failed
        if request.failed and tries < ATTEMPTS:
            self.waiting.append(request.job)
        else:
            # In a thread: a disk may take its time, and the tree is one thread.
            await trio.to_thread.run_sync(append, self.journal, request)
            self.done[request.job] = request
        self._hand_out()

    @handles(Down)
    def _down(self, down: Down) -> None:
        self.idle.pop(down.monitor, None)
        if down.monitor in self.busy:
            self.waiting.appendleft(self.busy.pop(down.monitor))
        self._hand_out()

    def _hand_out(self) -> None:
        while self.waiting and self.idle:
            monitor, caller = self.idle.popitem()
            self.busy[monitor] = self.waiting.popleft()
            caller.reply(self.busy[monitor])
        if not self.waiting and not self.busy:
            self.system.stop()


class Worker(Actor):
    """Does one job after another, in a task of its own: it answers a stop meanwhile."""

    owns_tasks = True

    async def init(self) -> None:
        """Begin."""
        self.tasks.start_soon(self._run)

    async def _run(self) -> None:
        queue = self.system.ref("queue")
        while True:
            job = await queue.call(Take(self.ref), timeout=FOREVER)
            try:
                # Given up when the worker is killed; what the thread finds then is lost.
                result = await trio.to_thread.run_sync(sha256, job, abandon_on_cancel=True)
                finish = Finish(job, result)
            except OSError as error:
                finish = Finish(job, str(error), failed=True)
            await queue.call(finish, timeout=60)


def sha256(job: str) -> str:
    """What a job is; it runs in a thread."""
    with Path(job).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append(journal: Path, finish: Finish) -> None:
    """One line, on the disk when this returns."""
    with journal.open("a") as file:
        file.write(json.dumps([finish.job, finish.result, finish.failed]) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(journal: Path) -> dict[str, Finish]:
    """What was done. A last line that a crash cut off is no result, and is taken off."""
    text = journal.read_text() if journal.exists() else ""
    whole, _, torn = text.rpartition("\n")
    if torn:
        journal.write_text(whole + "\n" if whole else "")
    return {finish.job: finish for finish in (Finish(*json.loads(x)) for x in whole.splitlines())}


def tree(journal: Path, jobs: list[str], *, workers: int, intensity: int = 5) -> ChildSpec:
    """The queue first; when it ends the workers begin anew with it, as they wait for answers."""
    pool = [ChildSpec(str(number), Worker) for number in range(workers)]
    return supervisor(
        "root",
        [
            ChildSpec("queue", Queue, (journal, jobs)),
            supervisor("workers", pool, intensity=intensity * workers),
        ],
        strategy=Strategy.REST_FOR_ONE,
        intensity=intensity,
    )


def main() -> int:
    """Do all jobs. 0: each has its result; 1: some failed, or the tree gave up."""
    parser = argparse.ArgumentParser(description="Hash files, whatever is killed meanwhile.")
    parser.add_argument("journal", type=Path, help="what was done; remove it to begin anew")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--workers", type=int, default=4, help="how many at once (4)")
    options = parser.parse_args()
    if options.workers < 1:
        parser.error(f"--workers must be 1 or more, not {options.workers}")
    jobs = list(dict.fromkeys(options.files))
    code = run(tree(options.journal, jobs, workers=options.workers))
    done = read(options.journal)
    for job in jobs:
        if job in done:
            print("failed" if done[job].failed else "done", done[job].result, job)
    return code or int(not all(job in done and not done[job].failed for job in jobs))


if __name__ == "__main__":
    raise SystemExit(main())
