"""The actor `postgres`: owns the embedded PostgreSQL server, a process of its own.

A server that ends is started again. Trouble with it is an outage, never a crash of this actor. If
several nodes share a data directory, the node that holds the lock runs the server; the others find
it by `postgres.url` and stand by to take over.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, ClassVar

import structlog
import trio

from stockstream.database.embedded import files
from stockstream.database.embedded.exchange import settle
from stockstream.database.embedded.files import Layout
from stockstream.database.embedded.programs import EmbeddedFailed
from stockstream.database.embedded.user import choose_user
from stockstream.messages import DatabaseFault, DisturbDatabase, ServerFailed, ServerReady
from stockstream.pauses import Pauses
from supervision import Actor, Backoff, Caller, handles, replies_later

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from structlog.stdlib import BoundLogger

    from stockstream.child_process import ChildProcess
    from stockstream.database.embedded.user import ServerUser

READY_SECONDS = 60.0
"""Recovery after a crash replays the log; if it takes longer than this, trouble is reported."""
FAST_SECONDS = 3.0
QUIT_SECONDS = 1.0
RETRIES = Backoff(first=0.05, longest=5.0)
STANDBY_SECONDS = 1.0
"""How often a node that found the lock taken tries it again."""

_log: BoundLogger = structlog.get_logger("postgres")


class _FaultOver:
    """The time of a fault is over."""

    def __init__(self, until: float) -> None:
        self.until = until


class Postgres(Actor):
    """See the module. `watchers` are told each time the server is up, or why it does not start.

    It takes so many `connections`, of all nodes together.
    """

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self,
        directory: Path,
        watchers: Sequence[str] = (),
        connections: int = files.CONNECTIONS,
    ) -> None:
        self._settings = {**files.SETTINGS, "max_connections": str(connections)}
        self._layout = Layout(directory.absolute())
        self._watchers = tuple(watchers)
        self._process: ChildProcess | None = None
        self._fault: DatabaseFault | None = None
        self._fault_until = 0.0
        self._lifted = trio.Event()

    async def init(self) -> None:
        """Begin; the tree does not wait for the server."""
        self.tasks.start_soon(self._run)

    @replies_later(DisturbDatabase)
    def _on_disturb(self, request: DisturbDatabase, caller: Caller[bool]) -> None:
        self._lift()
        if request.fault is None:
            caller.reply(True)
            return
        process = self._process
        if process is None or files.postmaster(self._layout) is None:
            caller.reply(False)
            return
        self._fault = request.fault
        self._fault_until = trio.current_time() + request.seconds
        self.send_after(request.seconds, _FaultOver(self._fault_until))
        self.tasks.start_soon(self._disturb, process, request, caller)

    async def _disturb(
        self, process: ChildProcess, request: DisturbDatabase, caller: Caller[bool]
    ) -> None:
        """Do it, and answer whether its effect was seen."""
        seen = False
        with trio.move_on_after(FAST_SECONDS):
            if request.fault is DatabaseFault.STOP:
                process.send_signal(signal.SIGINT)
                while process.status is None:  # noqa: ASYNC110 - `_serve` is who waits for it
                    await trio.sleep(files.READY_POLL_SECONDS)
                seen = True
            else:
                seen = await self._pause(process)
        caller.reply(seen)

    async def _pause(self, process: ChildProcess) -> bool:
        # The postmaster first: then it can start no more children, and the list is complete.
        _tell([process.pid], signal.SIGSTOP)
        while not files.are_stopped(members := files.family(process.pid)):
            if self._fault is not DatabaseFault.PAUSE or process.status is not None:
                return False
            _tell(members, signal.SIGSTOP)
            await trio.sleep(files.READY_POLL_SECONDS)
        return process.status is None

    @handles(_FaultOver)
    def _on_fault_over(self, message: _FaultOver) -> None:
        if message.until == self._fault_until:
            self._lift()

    def _lift(self) -> None:
        if self._fault is DatabaseFault.PAUSE and self._process is not None:
            _tell(files.family(self._process.pid), signal.SIGCONT)
        self._fault = None
        self._lifted.set()
        self._lifted = trio.Event()

    async def _run(self) -> None:
        pauses, told = Pauses(RETRIES), ""
        while True:
            try:
                lock = await self._lock()
                try:
                    if await self._serve():
                        pauses.reset()
                        told = ""
                finally:
                    os.close(lock)
            except (EmbeddedFailed, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    _log.error("the embedded PostgreSQL does not run; trying on", reason=told)
                self._tell_watchers(ServerFailed(told))
            if self._fault is DatabaseFault.STOP:
                await self._lifted.wait()
            await trio.sleep(pauses.take())

    async def _lock(self) -> int:
        self._layout.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        told = False
        while (lock := files.take_lock(self._layout)) is None:
            if not told:
                told = True
                _log.info("another process runs the embedded PostgreSQL here; it is used")
                self._tell_watchers(ServerReady())
            await trio.sleep(STANDBY_SECONDS)
        return lock

    async def _serve(self) -> bool:
        """Run the server once; whether it was ready before it ended.

        Raises:
            EmbeddedFailed: it does not start.
        """
        layout = self._layout
        await files.end_stray(layout, FAST_SECONDS)
        files.forget_url(layout)
        user = await choose_user()
        self._settle()
        await files.prepare(layout, user)
        folder = files.socket_folder(layout, user)
        process = files.start_server(layout, user, folder, self._settings)
        self._process = process
        ready = False
        try:
            if await self._until_ready(process):
                ready = True
                files.write_url(layout, files.socket_url(folder))
                self._tell_up(process, user)
                self._tell_watchers(ServerReady())
                status = await process.wait()
                if self._fault is None:
                    _log.warning("PostgreSQL ended and is started again", exit_status=status)
        finally:
            self._process = None
            self._layout.url_file.unlink(missing_ok=True)
            await _end(process)
            files.remove_socket_folder(layout, folder)
        if not ready:
            raise EmbeddedFailed(
                f"DATA_DIRECTORY: PostgreSQL does not start: {files.last_words(layout)}"
            )
        return ready

    def _settle(self) -> None:
        try:
            told = settle(self._layout)
        except OSError as error:
            raise EmbeddedFailed(f"DATA_DIRECTORY: {error.filename}: {error.strerror}") from error
        if told is not None:
            _log.warning(told)

    async def _until_ready(self, process: ChildProcess) -> bool:
        with trio.move_on_after(READY_SECONDS):
            while process.status is None:
                if files.postmaster(self._layout) == process.pid and files.is_ready(self._layout):
                    return True
                await trio.sleep(files.READY_POLL_SECONDS)
        return False

    def _tell_up(self, process: ChildProcess, user: ServerUser) -> None:
        if user.is_another:
            _log.info(
                "PostgreSQL is up; it refuses to be root, so it runs as nobody",
                process=process.pid,
                user=user.uid,
                programs=str(user.programs),
            )
        else:
            _log.info("PostgreSQL is up", process=process.pid, mode=user.mode)

    def _tell_watchers(self, message: ServerReady | ServerFailed) -> None:
        for name in self._watchers:
            self.system.ref(name).cast(message)


async def _end(process: ChildProcess) -> None:
    """Stop the server: fast (clients are cut off, all is written), then harder."""
    steps = (signal.SIGINT, FAST_SECONDS), (signal.SIGQUIT, QUIT_SECONDS), (signal.SIGKILL, 3.0)
    for number, seconds in steps:
        if process.status is not None:
            break
        _tell(files.family(process.pid), signal.SIGCONT)
        process.send_signal(number)
        with trio.move_on_after(seconds, shield=True):
            await process.wait()
    process.close()


def _tell(processes: Sequence[int], number: signal.Signals) -> None:
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue  # it has just ended
