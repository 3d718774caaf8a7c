"""What the parent knows of its nodes, and the waiting for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Phase(StrEnum):
    """Where a node's process is."""

    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """A node as its parent sees it. `url` is its own address, the same through all its lives.

    `lives` counts the processes so far; `pid` is the last one's. `reason` says how that one ended.
    """

    name: str
    url: str
    phase: Phase = Phase.ENDED
    pid: int | None = None
    lives: int = 0
    reason: str = ""

    @property
    def serves(self) -> bool:
        """Whether it takes clients."""
        return self.phase is Phase.SERVING


class Processes:
    """By number, from 1. The actor of each node writes its own; anybody of this process reads."""

    def __init__(self, nodes: Mapping[int, NodeProcess]) -> None:
        self._rows = dict(nodes)
        self._changed = trio.Event()

    @property
    def rows(self) -> Mapping[int, NodeProcess]:
        """All of them, as they are now."""
        return self._rows

    def started(self, number: int, pid: int) -> None:
        """A process runs, and does not serve yet."""
        lives = self._rows[number].lives + 1
        self._put(number, phase=Phase.STARTING, pid=pid, lives=lives)

    def serving(self, number: int) -> None:
        """It takes clients."""
        self._put(number, phase=Phase.SERVING)

    def leaving(self, number: int) -> None:
        """It was told to end, and drains."""
        self._put(number, phase=Phase.LEAVING)

    def ended(self, number: int, reason: str) -> None:
        """There is no process, until it is started again."""
        self._put(number, phase=Phase.ENDED, pid=None, reason=reason)

    async def changed(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until it holds. It is asked again after each change, so no state is missed."""
        while not holds():
            await self._changed.wait()

    def _put(self, number: int, **changes: object) -> None:
        self._rows[number] = replace(self._rows[number], **changes)  # type: ignore[arg-type]
        self._changed.set()
        self._changed = trio.Event()
