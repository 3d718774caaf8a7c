"""The actor that has the nodes start, restart and end together."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import httpx
import structlog
import trio

from stockstream.http_client import tls_context
from stockstream.messages import ReadSecrets
from stockstream.nodes.node import KILLED_SECONDS, STOP_SECONDS, Leave
from supervision import Actor, CallError, Shutdown, handles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from socket import socket

    from structlog.stdlib import BoundLogger

    from stockstream.nodes.parent_file import ParentFile
    from stockstream.nodes.processes import Processes
    from supervision import ExitReason

START_SECONDS = 60.0
LEAVE_SECONDS = STOP_SECONDS + KILLED_SECONDS + 1.0
OPEN_SECONDS = 20.0
"""How long a node that was restarted may take until it takes new clients, before the next one goes.
Without prices from anywhere that is ten seconds after it serves."""
OPEN_POLL_SECONDS = 0.1
RESTART_SIGNAL = signal.SIGUSR1

_log: BoundLogger = structlog.get_logger("nodes")


class NodeFailed(Exception):
    """A node did not start; it has written the reason to standard error."""


class Launcher(Actor):
    """Waits for the first start of all nodes, restarts them in turn, and has them leave at once.

    `paths` names the nodes' actors by number. `listeners` are the sockets that all of them share;
    `file` tells commands of them. SIGUSR1 restarts the nodes, one after another: the next one when
    the last one takes new clients again.
    """

    owns_tasks: ClassVar[bool] = True

    def __init__(
        self,
        paths: Mapping[int, str],
        processes: Processes,
        listeners: tuple[socket, ...],
        file: ParentFile,
    ) -> None:
        self._paths = paths
        self._processes = processes
        self._listeners = listeners
        self._file = file

    async def init(self) -> None:
        """The first time, wait until all nodes serve; one that ends instead fails the start."""
        self.tasks.start_soon(self._watch_signal)
        self.tasks.start_soon(self._keep_file)
        if self.generation > 1:
            return
        rows = self._processes.rows
        with trio.move_on_after(START_SECONDS) as limit:
            await self._processes.until(
                lambda: (
                    all(row.serves for row in rows.values())
                    or any(row.reason for row in rows.values())
                )
            )
        late = f"does not serve after {START_SECONDS:g} s" if limit.cancelled_caught else ""
        for row in rows.values():
            how = row.reason or ("" if row.serves else late)
            if how:
                raise NodeFailed(f"node {row.name} did not start: it {how}")

    async def terminate(self, reason: ExitReason) -> None:
        """At a stop, close the shared port and have all nodes drain at the same time.

        Clients of a node that drained after another would move twice.
        """
        if not isinstance(reason, Shutdown):
            return
        for listener in self._listeners:
            listener.close()
        async with trio.open_nursery() as nursery:
            for number in self._paths:
                nursery.start_soon(self._leave, number, Leave())

    async def _leave(self, number: int, request: Leave) -> bool:
        name = self._processes.rows[number].name
        try:
            how = await self.system.ref(self._paths[number]).call(request, timeout=LEAVE_SECONDS)
        except CallError as error:
            _log.warning("a node was not told to leave", name=name, reason=str(error))
            return False
        _log.info("a node has left", name=name, how=how)
        return True

    async def _watch_signal(self) -> None:
        with trio.open_signal_receiver(RESTART_SIGNAL) as signals:
            async for _ in signals:
                await self._restart_in_turn()

    @handles(ReadSecrets)
    def _on_read(self, _message: ReadSecrets) -> None:
        for number in self._paths:
            self.tasks.start_soon(self._hang_up, number)

    async def _hang_up(self, number: int) -> None:
        """Pass SIGHUP on to a node; to one that starts, as soon as it serves: it may have read
        them before.
        """
        with trio.move_on_after(START_SECONDS):
            await self._processes.until(lambda: self._processes.rows[number].serves)
            pid = self._processes.rows[number].pid
            assert pid is not None  # noqa: S101 - it serves
            # One that has just ended reads them in its next life.
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGHUP)

    async def _keep_file(self) -> None:
        while True:
            self._file.write(self._processes.rows.values())
            await self._processes.changed()

    async def _restart_in_turn(self) -> None:
        """Restart the nodes one after another; end with the first that takes no clients again."""
        _log.info("restarting the nodes, one after another")
        for number, before in dict(self._processes.rows).items():
            if not await self._leave(number, Leave(again=True)):
                return
            with trio.move_on_after(OPEN_SECONDS) as limit:
                await self._processes.until(partial(self._is_back, number, before.lives))
                await until_open(before.url)
            if limit.cancelled_caught:
                _log.error("a restarted node takes no clients; the others stay", name=before.name)
                return
        _log.info("all nodes are restarted")

    def _is_back(self, number: int, lives: int) -> bool:
        row = self._processes.rows[number]
        return row.lives > lives and row.serves


async def until_open(url: str) -> None:
    """Ask a node until it says that new clients may be sent there, also while an upstream is down:
    all nodes have the same one, and a restart may be what mends it.
    """
    async with httpx.AsyncClient(verify=tls_context(), trust_env=False) as client:
        while True:
            try:
                answer = await client.get(f"{url}/health/traffic")
                if answer.status_code == httpx.codes.OK:
                    return
            except httpx.HTTPError:
                _log.debug("a restarted node does not answer yet", url=url)
            await trio.sleep(OPEN_POLL_SECONDS)
