"""What a task knows of where it runs: the actor it works for, the request it works on."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cell import Cell

current_cell: ContextVar[Cell | None] = ContextVar("current_cell", default=None)
"""The incarnation whose receive loop or task is running; None outside any actor."""

correlation_id: ContextVar[str | None] = ContextVar("correlation_id", default=None)
"""The id of the request a task works for. Messages carry it from sender to handler."""
