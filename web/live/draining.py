"""Clients that are told to leave, spread over a time: a share of them, or all.

A client that is told goes to another node where there is one, and else comes back here after a
moment. Nobody is cut off: it is told when to come back, and its connection closed with 1012.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import structlog
import trio

from stockstream.delivery.messages import SendAway
from stockstream.statuses import DrainStatus
from supervision import CallError
from web.nodes import other_nodes, others_are_ready

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from structlog.stdlib import BoundLogger

    from stockstream.messages import DrainClients
    from web.live.client import Client
    from web.parts import Parts

CODE_RESTART = 1012
MOVED = "this node has you go elsewhere"
TELL_SECONDS = 1.0
EARLIEST_RETURN_SECONDS, LATEST_RETURN_SECONDS = 0.5, 5.0
LATEST_MOVE_SECONDS = 1.0
ALL = 100.0

_log: BoundLogger = structlog.get_logger("web.clients")


def return_seconds(parts: Parts) -> tuple[float, float]:
    """Between which seconds a client that is told to leave is to come back, by chance.

    Where another node serves already, at this address or at one of its own, nobody is to be without
    prices for more than three seconds (N13). Elsewhere they are not to come back all at once.
    """
    if others_are_ready(parts.tables.members.value):
        return 0.0, LATEST_MOVE_SECONDS
    return EARLIEST_RETURN_SECONDS, LATEST_RETURN_SECONDS


class Draining:
    """See the module; of one life of `web`. `clients` are those that are there, by number."""

    def __init__(self, parts: Parts, clients: Mapping[int, Client]) -> None:
        self._parts = parts
        self._clients = clients
        self._scope = trio.CancelScope()
        self._slot = parts.tables.drain
        if self.status is not None and (self.status.running or self.status.closed):
            self._put(running=False, closed=False)  # it ended with the life of `web` before

    @property
    def status(self) -> DrainStatus | None:
        """The last drain, None before the first."""
        return self._slot.value

    def begin(
        self,
        wanted: DrainClients,
        start_soon: Callable[[Callable[[], Awaitable[None]]], object],
    ) -> DrainStatus:
        """Choose who has to leave, and begin to tell them; a drain that runs is over. New clients
        that it has turned away are so until `end`, also where fewer are to leave now.
        """
        self._scope.cancel()
        self._scope = trio.CancelScope()
        there = list(self._clients)
        chosen = random.sample(there, round(len(there) * wanted.share / 100))
        closed = wanted.share >= ALL or (self.status is not None and self.status.closed)
        if closed:
            self._parts.settings.traffic.drain()
        status = DrainStatus(
            share=wanted.share,
            seconds=wanted.seconds,
            began=self._parts.settings.wall_clock_ms(),
            chosen=len(chosen),
            told=0,
            running=bool(chosen),
            closed=closed,
        )
        self._slot.put(status)
        _log.warning(
            "clients are told to leave",
            share=wanted.share,
            seconds=wanted.seconds,
            chosen=len(chosen),
        )
        scope, began = self._scope, trio.current_time()

        async def run() -> None:
            with scope:
                await self._tell(chosen, began, wanted.seconds)
                self._put(running=False)

        start_soon(run)
        return status

    def end(self) -> DrainStatus | None:
        """Tell nobody else, and let new clients in again."""
        self._scope.cancel()
        if self.status is not None:
            if self.status.closed:
                self._parts.settings.traffic.begin()
            self._put(running=False, closed=False)
        return self.status

    async def _tell(self, chosen: list[int], began: float, seconds: float) -> None:
        for place, number in enumerate(chosen):
            await trio.sleep_until(began + seconds * place / len(chosen))
            client = self._clients.get(number)
            if client is not None:
                await self._send_away(client)
                # The shield has held off the end of this drain: what is told is of the next one.
                await trio.lowlevel.checkpoint_if_cancelled()
            self._put(told=place + 1)

    async def _send_away(self, client: Client) -> None:
        nodes = tuple(other_nodes(self._parts.tables.members.value))
        away = SendAway(client.number, *return_seconds(self._parts), nodes)
        # Who is told is closed, too.
        with trio.move_on_after(2 * TELL_SECONDS, shield=True):
            try:
                await self._parts.broadcaster.call(away, timeout=TELL_SECONDS)
            except CallError as error:  # the code alone says that it may come back
                _log.debug("a client was not told where to go", why=str(error))
            client.ask_to_close(CODE_RESTART, MOVED)

    def _put(self, **changes: object) -> None:
        status = self.status
        assert status is not None  # noqa: S101 - there is a drain
        self._slot.put(msgspec.structs.replace(status, **changes))
