"""Tests that run alone although the suite runs in several processes: a lock on two files."""

from __future__ import annotations

import fcntl
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def room(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock shared, or `alone`, for the time of a `with`; waits for its turn.

    All tests take the lock of the door first. A test that wants the room alone keeps the door until
    the room is empty: without a door, two others that take turns could keep it out for ever. A lock
    ends with its process, however the process ends.
    """
    with ExitStack() as inside:
        door = inside.enter_context((folder / "door").open("w"))
        fcntl.flock(door, fcntl.LOCK_EX)
        hall = inside.enter_context((folder / "room").open("w"))
        fcntl.flock(hall, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield
