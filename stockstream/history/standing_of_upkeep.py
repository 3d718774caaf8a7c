"""Whether the upkeep of the history goes on, by the rows of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stockstream.tables import Tables

UPKEEP = ("retention", "purge", "roll_ups")
"""The jobs without which the database grows."""


def trouble_of_upkeep(tables: Tables) -> str | None:
    """Why one of them has failed for over a minute; None where none has."""
    rows = [tables.jobs.get(name) for name in UPKEEP]
    return next((row.failing for row in rows if row is not None and row.failing), None)


def upkeep(tables: Tables) -> str:
    """How it goes, for an operator."""
    retention = tables.jobs.get("retention")
    waits = retention.note if retention is not None and retention.outcome == "waits" else None
    return trouble_of_upkeep(tables) or waits or "goes on"
