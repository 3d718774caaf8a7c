"""Messages between the membership and the bus: all that the bus is asked, and all that it tells.

Beside these the bus is told `QuotesPublished` and `UpstreamTold`, and tells `BatchReceived` to the
streamer and `UpstreamTold` to the feeds (`stockstream/messages.py`). Whatever stands at its path
and keeps to this is a bus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervision import Request

if TYPE_CHECKING:
    from stockstream.cluster.nats_access import NatsAccess
    from stockstream.cluster.wire import MemberMessage, Said, Wants
    from stockstream.shards import NodeId


@dataclass(frozen=True, slots=True)
class BusWanted:
    """From a membership that has just started: tell `BusUp` or `BusDown` again, if known."""


@dataclass(frozen=True, slots=True)
class AccessChanged:
    """The next connection is made in this way."""

    access: NatsAccess


@dataclass(frozen=True, slots=True)
class Say:
    """Tell all nodes, now or never: without a connection it is dropped, and counted.

    In a heartbeat the bus fills in `batch`, the number of its last message of prices.
    """

    message: Said


@dataclass(frozen=True, slots=True)
class SayLast(Request[bool]):
    """Tell all nodes, and answer when the server has it; False: it may not have it."""

    message: Said


@dataclass(frozen=True, slots=True)
class Probe:
    """Ask whether anybody listens as that node. If not, `NobodyThere` comes; else nothing."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class AskWants:
    """Ask that node for what its clients want; the answer comes as `Heard`, or none."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class BusUp:
    """There is a connection, and what the others say comes from now on."""


@dataclass(frozen=True, slots=True)
class BusDown:
    """There is none, for this `reason`, which holds no password."""

    reason: str


@dataclass(frozen=True, slots=True)
class Heard:
    """A node said this. The own heartbeats and claims come back, too; the own wants do not."""

    message: MemberMessage | Wants


@dataclass(frozen=True, slots=True)
class NobodyThere:
    """No connection listens as that node: it is dead, or cut off."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class TableFull:
    """All prices that the others have stand in the table; or nobody could be asked for them."""
