"""Whether new clients should be sent to this process, for whoever shares them out."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from stockstream.statuses import NodeState
from stockstream.times import Moment

if TYPE_CHECKING:
    from stockstream.tables import Tables

LONGEST_START_SECONDS = 10.0
"""Whoever has no price by then gets none by waiting outside. A page that is let in says why."""


class TrafficState(StrEnum):
    """How this process stands with new clients."""

    STARTING = "starting"
    OPEN = "open"
    DRAINING = "draining"


class Traffic:
    """The answer of `/health/traffic`; one for all lives of `web`.

    What every node would say at the same time has no part in it, the upstream and the database
    above all: a balancer would be left without a node, and clients with an error in place of the
    last prices. So it closes for what this process alone can do something about: it has just
    started, or it ends.
    """

    def __init__(self) -> None:
        self._opened: Moment | None = None
        self._draining = False

    def begin(self) -> None:
        """A life of `web` begins. Only the first one of the process has to wait for prices."""
        self._opened = self._opened or Moment.now()
        self._draining = False

    def drain(self) -> None:
        """No new clients from now on."""
        self._draining = True

    def state(self, tables: Tables) -> TrafficState:
        """How it stands now. Before the first `begin` it is starting."""
        if self._draining:
            return TrafficState.DRAINING
        if self._opened is None:
            return TrafficState.STARTING
        late = self._opened.age >= LONGEST_START_SECONDS
        ready = _has_prices(tables) and not _is_joining(tables)
        return TrafficState.OPEN if late or ready else TrafficState.STARTING


def _has_prices(tables: Tables) -> bool:
    """Prices came from an upstream or from other nodes; or an upstream has none and said so."""
    return bool(tables.quotes) or any(row.as_of is not None for row in tables.feeds.rows.values())


def _is_joining(tables: Tables) -> bool:
    """It is not a node yet that others would send their clients to when they go."""
    members = tables.members.value
    return members is not None and members.state is NodeState.JOINING
