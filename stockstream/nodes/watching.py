"""The actor `watching`: asks each node of this machine, once a second, how it sees the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import httpx
import msgspec
import structlog
import trio

from stockstream.cluster.told import ClusterDocument
from stockstream.decoding import from_json
from stockstream.errors import ConfigurationError
from stockstream.http_client import tls_context
from stockstream.messages import ReadSecrets
from supervision import Actor, handles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structlog.stdlib import BoundLogger

    from stockstream.nodes.processes import NodeProcess, Processes
    from supervision import ExitReason

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 0.9

_log: BoundLogger = structlog.get_logger("nodes")
_readers = trio.CapacityLimiter(4)
"""Threads of its own: a disk that hangs must not block those of others, nor the first that it holds
the next reading."""


@dataclass(frozen=True, slots=True)
class Look:
    """A node, and what it says of the cluster; None when it does not answer."""

    process: NodeProcess
    said: ClusterDocument | None


class Display(Protocol):
    """Shows looks to a person. Its calls are synchronous and short."""

    @property
    def log(self) -> int | None:
        """A descriptor that becomes readable when there are log lines to show; None without."""

    def write(self, text: str) -> None:
        """Write a text that stays."""

    def show_log(self) -> None:
        """Show the log lines."""

    def show(self, looks: Sequence[Look]) -> None:
        """Show how things stand now."""

    def close(self) -> None:
        """Leave the terminal as it was. Idempotent."""


class _LookAgain:
    """Time for the next look."""


class Watching(Actor):
    """Shows the nodes. A node that hangs costs one look its time limit, and the others nothing."""

    owns_tasks: ClassVar[bool] = True

    def __init__(self, processes: Processes, token: Callable[[], str], display: Display) -> None:
        """`token` reads the nodes' token; it blocks."""
        self._processes = processes
        self._token = token
        self._display = display
        self._looking = False
        self._headers: dict[str, str] = {}

    async def init(self) -> None:
        """Begin to look."""
        await self._read()
        self.send_every(LOOK_SECONDS, _LookAgain())
        if self._display.log is not None:
            self.tasks.start_soon(self._show_log, self._display.log)

    async def terminate(self, reason: ExitReason) -> None:  # noqa: ARG002
        """Let the terminal go."""
        self._display.close()

    @handles(ReadSecrets)
    async def _on_read(self, _message: ReadSecrets) -> None:
        await self._read()

    async def _read(self) -> None:
        try:
            token = await trio.to_thread.run_sync(
                self._token, abandon_on_cancel=True, limiter=_readers
            )
        except ConfigurationError as error:
            _log.warning("the token is not read again", reason=str(error))
        else:
            self._headers = {"Authorization": f"Bearer {token}"}

    @handles(_LookAgain)
    def _on_look(self, _message: _LookAgain) -> None:
        if not self._looking:
            self._looking = True
            self.tasks.start_soon(self._look)

    async def _show_log(self, descriptor: int) -> None:
        while True:
            await trio.lowlevel.wait_readable(descriptor)
            self._display.show_log()

    async def _look(self) -> None:
        said: dict[int, ClusterDocument | None] = {}
        async with (
            httpx.AsyncClient(
                verify=tls_context(), trust_env=False, headers=self._headers
            ) as client,
            trio.open_nursery() as nursery,
        ):
            for number, row in self._processes.rows.items():
                said[number] = None
                if row.serves:
                    nursery.start_soon(_ask, client, row.url, number, said)
        rows = self._processes.rows
        self._display.show([Look(rows[number], document) for number, document in said.items()])
        self._looking = False


async def _ask(
    client: httpx.AsyncClient, url: str, number: int, said: dict[int, ClusterDocument | None]
) -> None:
    with trio.move_on_after(ANSWER_SECONDS):
        try:
            answer = await client.get(f"{url}/api/v1/cluster", timeout=ANSWER_SECONDS)
            if answer.status_code == httpx.codes.OK:
                said[number] = from_json(answer.content, ClusterDocument)
        except (httpx.HTTPError, msgspec.MsgspecError):
            return  # shown as a node that does not answer
