"""What outlives the actors of the cluster, beside the tables that all parts read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stockstream import paths
from stockstream.histogram import Histogram
from supervision import Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.cluster.ownership import Remembered
    from stockstream.cluster.wire import Wants
    from stockstream.shards import NodeId

ECHO_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass(slots=True)
class Figures:
    """Counts of this process, over all lives of the membership, which alone counts here.

    `echoes` is how long own heartbeats took to come back, in seconds; `claims` counts the own ones,
    by shard. `joined` and `gone` count other nodes. `refused` counts heartbeats that told an epoch
    too far ahead.
    """

    echoes: Histogram = field(default_factory=lambda: Histogram(ECHO_SECONDS))
    claims: int = 0
    joined: int = 0
    gone: int = 0
    refused: int = 0
    alone: int = 0


@dataclass(frozen=True, slots=True)
class Memory:
    """`remembered` is who is there and who fetches what, `wants` what their clients want: for the
    next life of the membership. `figures` are for operators.
    """

    remembered: Slot[Remembered] = field(
        default_factory=lambda: Slot("remembered", writer=paths.MEMBERSHIP)
    )
    wants: Slot[Mapping[NodeId, Wants]] = field(
        default_factory=lambda: Slot("wants", writer=paths.MEMBERSHIP)
    )
    figures: Figures = field(default_factory=Figures)
