"""What outlives the membership, beside the tables that all parts read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from stockstream import paths
from supervision import Slot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.cluster.ownership import Remembered
    from stockstream.cluster.wire import Wants
    from stockstream.shards import NodeId


@dataclass(frozen=True, slots=True)
class Memory:
    """`remembered` is who is there and who fetches what, `wants` what their clients want: for the
    next life of the membership. On a `disk` that hangs, it waits for what the last one began there.
    """

    remembered: Slot[Remembered] = field(
        default_factory=lambda: Slot("remembered", writer=paths.MEMBERSHIP)
    )
    wants: Slot[Mapping[NodeId, Wants]] = field(
        default_factory=lambda: Slot("wants", writer=paths.MEMBERSHIP)
    )
    disk: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))
