"""Seeing that an actor died, and that it came back: by the system's own events."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from supervision import Event, Exited, Started

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision import ExitReason, System


class Witness:
    """Watches one path for the end of a generation and the start of a later one."""

    def __init__(self, path: str, generation: int) -> None:
        self._path = path
        self._generation = generation
        self._changed = trio.Event()
        self.exit_reason: ExitReason | None = None
        self.back_as: int | None = None
        self.back_at: float | None = None

    def take(self, event: Event) -> None:
        """Take an event of the system."""
        match event:
            case Exited(self._path, self._generation, reason):
                self.exit_reason = reason
            case Started(self._path, generation) if generation > self._generation:
                self.back_as = generation
                self.back_at = trio.current_time()
            case _:
                return
        self._changed.set()
        self._changed = trio.Event()

    async def until_back(self, seconds: float) -> bool:
        """Wait for a later generation; whether it came in time."""
        with trio.move_on_after(seconds):
            while self.back_as is None:
                await self._changed.wait()
        return self.back_as is not None


@contextmanager
def witness(system: System, path: str, generation: int) -> Iterator[Witness]:
    """Watch `path` for the time of a `with`."""
    watching = Witness(path, generation)
    unsubscribe = system.subscribe(watching.take)
    try:
        yield watching
    finally:
        unsubscribe()
