"""The actor of one node: one life of its process."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream.nodes.inherited import READY
from supervision import Actor, Caller, Request, Shutdown, replies_later

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.nodes.processes import Processes
    from supervision import ExitReason

STOP_SECONDS = 14.0
"""How long a node that is told to end may take: its drain of 7 s, and the rest of its tree."""
KILLED_SECONDS = 5.0

_log: BoundLogger = structlog.get_logger("nodes")


@dataclass(frozen=True, slots=True)
class NodePlan:
    """How to run a node. Its environment has secrets."""

    number: int
    name: str
    command: Sequence[str]
    descriptors: Sequence[int]
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Leave(Request[str]):
    """End the process in order; the answer says how it ended.

    With `again` this life of the actor is over too, and its supervisor starts the next one.
    """

    again: bool = False


class Node(Actor):
    """Runs the process. When that ends, so does this actor, and is started again by its supervisor.

    The process ends with ours, however suddenly that ends: its standard input is our pipe.
    """

    owns_tasks: ClassVar[bool] = True
    tasks_run_in_terminate: ClassVar[bool] = True

    def __init__(self, plan: NodePlan, processes: Processes) -> None:
        self._plan = plan
        self._processes = processes
        self._leaving = False

    async def init(self) -> None:
        """Start the process. It is not waited for: its siblings start at the same time."""
        self._process: trio.Process = await self.tasks.start(self._run)

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002
        """End the process in order."""
        await self._end()

    @replies_later(Leave)
    def _on_leave(self, request: Leave, caller: Caller[str]) -> None:
        self.tasks.start_soon(self._leave, request, caller)

    async def _leave(self, request: Leave, caller: Caller[str]) -> None:
        caller.reply(await self._end())
        if request.again:
            self.stop()

    async def _run(self, task_status: trio.TaskStatus[trio.Process]) -> None:
        plan = self._plan
        process = await trio.lowlevel.open_process(
            list(plan.command),
            env=plan.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=tuple(plan.descriptors),
            start_new_session=True,  # Ctrl+C in our terminal must not reach it
        )
        self._processes.started(plan.number, process.pid)
        try:
            task_status.started(process)
            if await _says_ready(process):
                self._processes.serving(plan.number)
            how = _how(await process.wait())
        finally:
            # Still alive, it is the actor that was killed: nothing may be left behind.
            with trio.move_on_after(2 * KILLED_SECONDS, shield=True):
                await _kill(process)
            self._processes.ended(plan.number, _how(process.returncode))
        if not self._leaving:
            self.stop(Shutdown(f"node {plan.name} {how}"))

    async def _end(self) -> str:
        """End it in order, else by force; how it ended."""
        process, self._leaving = self._process, True
        if process.returncode is None:
            self._processes.leaving(self._plan.number)
            process.terminate()
            process.send_signal(signal.SIGCONT)  # one that is stopped would not hear it
            with trio.move_on_after(STOP_SECONDS) as limit:
                await process.wait()
            if limit.cancelled_caught:
                _log.warning("a node does not end and is killed", name=self._plan.name)
                await _kill(process)
        return _how(process.returncode)


async def _says_ready(process: trio.Process) -> bool:
    """Read its announcement. It closes the pipe after that, so this waits for no more."""
    said = b""
    if process.stdout is not None:
        async with process.stdout:
            async for piece in process.stdout:
                said += piece
    return said.startswith(READY)


async def _kill(process: trio.Process) -> None:
    if process.returncode is None:
        process.kill()
        with trio.move_on_after(KILLED_SECONDS):
            await process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            await pipe.aclose()


def _how(status: int | None) -> str:
    if status is None:
        return "cannot be killed"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"
