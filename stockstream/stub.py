"""The actor `stub`: owns the bundled stub price API, a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream.pauses import Pauses
from supervision import Actor, Backoff, Continue, handles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.stdlib import BoundLogger

STOP_SECONDS = 3.0
"""How long a process that is told to end may take before it is killed."""
RETRIES = Backoff(first=0.2, longest=5.0)

_log: BoundLogger = structlog.get_logger("stub")


class StubFailed(Exception):
    """The stub API did not start; it has written the reason to standard error."""


class _Begin:
    """Start the process, now that the start of the tree need not wait for it."""


class Stub(Actor):
    """Runs `python -m mockserver`, and runs it again when it ends.

    The first start of all is waited for, and its failure is a failed start: an operator should
    hear at once of a port that is taken. After that an ended process is an outage outside, and
    the circuit breaker's business; this actor lives on and tries again.
    """

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self, port: int, allowed_hosts: Sequence[str] = (), log_format: str = "console"
    ) -> None:
        """`log_format` as `LOG_FORMAT`: the stub's lines stand among ours."""
        self._port = port
        self._allowed_hosts = allowed_hosts
        self._log_format = log_format

    async def init(self) -> Continue | None:
        """Start the process; the first time, wait until it listens."""
        if self.generation > 1:
            return Continue(_Begin())
        await self.tasks.start(self._keep_running)
        return None

    @handles(_Begin)
    def _on_begin(self, _message: _Begin) -> None:
        self.tasks.start_soon(self._keep_running)

    async def _keep_running(
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        pauses, ready = Pauses(RETRIES), False
        while True:
            process = await self._open()
            try:
                if await self._read_announcement(process):
                    if not ready:
                        ready = True
                        task_status.started()
                    pauses.reset()
                    status = await process.wait()
                    _log.warning("the stub API ended and is started again", exit_status=status)
                elif not ready and self.generation == 1:
                    raise StubFailed(f"the stub API did not start on port {self._port}")
                else:
                    _log.warning("the stub API does not start; trying again")
            finally:
                await self._end(process)
            await trio.sleep(pauses.take())

    async def _open(self) -> trio.Process:
        # Its standard input is our pipe: when this process dies, however suddenly, the stub
        # reads end-of-file there and ends too.
        command = [sys.executable, "-P", "-m", "mockserver", "--port", str(self._port)]
        command += ["--allowed-hosts", ",".join(self._allowed_hosts)]
        command += ["--log-format", self._log_format]
        return await trio.lowlevel.open_process(
            [*command, "--announce", "--exit-with-parent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl+C in our terminal must not reach it
        )

    async def _read_announcement(self, process: trio.Process) -> bool:
        if process.stdout is None:
            return False
        line = b""
        while not line.endswith(b"\n"):
            piece = await process.stdout.receive_some(1024)
            if not piece:
                return False
            line += piece
        _log.info("the stub API is up", url=line.decode().removeprefix("ready ").strip())
        return True

    async def _end(self, process: trio.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        with trio.move_on_after(STOP_SECONDS, shield=True) as limit:
            await process.wait()
        if limit.cancelled_caught:
            process.kill()
            with trio.move_on_after(STOP_SECONDS, shield=True):
                await process.wait()
