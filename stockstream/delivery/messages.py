"""Messages inside the delivery: between connections, sessions, manager and broadcaster."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio
from msgspec import UNSET, UnsetType

from supervision import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stockstream.delivery.lanes import Client
    from stockstream.delivery.protocol import CommandId, Rejected
    from stockstream.quotes import Symbol, Version
    from stockstream.tables import Subscription


@dataclass(frozen=True, slots=True)
class Attach(Request[None]):
    """A client has connected: from now on the broadcaster writes to it. Idempotent by number.

    `user` is its user, None for a program without a user's cookie.
    """

    connection: int
    client: Client
    welcome: bytes
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Detach:
    """A client has left."""

    connection: int


@dataclass(frozen=True, slots=True)
class Command(Request["Served | Close"]):
    """One message of a client, to its session. `number` rises by one with each.

    `received` is when it came in, on trio's clock, however long it has waited for its turn.
    """

    number: int
    message: str | bytes
    received: float = field(default_factory=trio.current_time)


@dataclass(frozen=True, slots=True)
class Served:
    """The command was handled; its answer is under way."""


@dataclass(frozen=True, slots=True)
class Close:
    """The connection is to be closed with this code."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Change(Request["Changed | Refused"]):
    """Add symbols to a connection's subscription, or take them off; as the client wrote them."""

    connection: int
    symbols: tuple[str, ...]
    subscribe: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """The connection's whole subscription now, and what of the change was not taken."""

    subscription: Subscription
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The change makes no sense as a whole."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Forget:
    """A connection is gone, and its subscription with it."""

    connection: int


@dataclass(frozen=True, slots=True)
class Answer(Request[None]):
    """A subscription has changed: tell the client, send what is new to it, and go on from there.

    `seconds_between` is the least time between two price frames, from the client's `max_rate`.
    """

    connection: int
    command: int
    changed: Changed
    id: CommandId | UnsetType = UNSET
    since: Mapping[Symbol, Version] = field(default_factory=dict)
    seconds_between: float | None = None


@dataclass(frozen=True, slots=True)
class Say(Request[None]):
    """Send one encoded message to a client, as the answer to its command `command`."""

    connection: int
    command: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Notify:
    """Send one encoded message to a client that answers nothing."""

    connection: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class SendAway(Request[None]):
    """As `Farewell`, to one client, which its connection closes then."""

    connection: int
    earliest: float
    latest: float
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Farewell(Request[None]):
    """Tell every client that the server goes away, to come back within a spread of seconds.

    Or to go on with another of the `nodes`, at once.
    """

    earliest: float
    latest: float
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Presence:
    """The connected clients. `symbols` counts connections by symbol named, most wanted first.

    `connections` are all of this node, `subscribed` those with a subscription, `everything`
    those subscribed to all symbols.
    """

    connections: int
    subscribed: int
    everything: int
    symbols: Mapping[Symbol, int]


@dataclass(frozen=True, slots=True)
class GetPresence(Request[Presence]):
    """Ask the subscription manager which clients are connected."""
