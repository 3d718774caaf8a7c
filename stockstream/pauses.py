"""Pauses of endless retry loops: they grow, and jitter keeps two loops from retrying in step."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervision import Backoff


class Pauses:
    """One loop's place in a `Backoff`. `rng` is for tests that want the same pauses again."""

    def __init__(self, backoff: Backoff, rng: random.Random | None = None) -> None:
        self._backoff = backoff
        self._rng = rng or random.Random()
        self._attempt = 0

    def take(self) -> float:
        """The next pause, in seconds."""
        self._attempt += 1
        return self._backoff.wait(self._attempt - 1, self._rng)

    def reset(self) -> None:
        """The try succeeded: begin with the shortest pause again."""
        self._attempt = 0
