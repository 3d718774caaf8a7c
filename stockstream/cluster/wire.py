"""What nodes say to each other, as it stands on the bus: maps of MessagePack.

Nodes of different releases meet on one bus. A reader ignores fields that it does not know and puts
the default in for one that is missing, so a field may be added at any time: with a default, and
never with another meaning. What an older reader would misunderstand takes a new `PROTOCOL`.
"""

from __future__ import annotations

# Not only for type checking: msgspec reads the annotations.
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, TypeVar

import msgspec

from stockstream.messages import Alert
from stockstream.quotes import LATEST_TIMESTAMP, Symbol
from stockstream.shards import Claim, NodeId, Shard

PROTOCOL = 1
"""The version of all messages here."""

MOST = 2**53 - 1
"""The largest integer: browsers read no larger one exactly, and those that follow it by one each,
as the numbers of versions do, and sums over all nodes, can still be written."""
Count = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
MOST_REVOKED = 10_000
"""Credentials in one message."""
NodeName = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class UnknownProtocol(ValueError):
    """A message of another protocol, which cannot be read; `sender` said it."""

    def __init__(self, sender: NodeId, protocol: int) -> None:
        self.sender = sender
        self.protocol = protocol
        super().__init__(
            f"node {sender.name!r} speaks version {protocol} of the cluster's protocol, "
            f"this one speaks {PROTOCOL}"
        )


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The head of each message: its protocol, and the node that said it."""

    name: NodeName
    boot: Count
    protocol: int = PROTOCOL

    @property
    def sender(self) -> NodeId:
        """Who said it."""
        return NodeId(self.name, self.boot)


class Heartbeat(Said, frozen=True, kw_only=True, tag="heartbeat"):
    """A node lives. `number` rises with each one of a boot.

    A node that begins to listen says `hello`, which all answer at once; one that stops says `bye`.
    `claims` are all that it knows, not its own ones only: what one node has missed, another tells.
    `unfit` names the upstreams that it should not fetch from. `batch` and `wants` are the numbers
    of what it last told of each kind, so that a receiver finds out what it missed.
    `fingerprints` are HMACs by the name of a setting, to be compared with one's own. `clock` is the
    sender's wall clock, in ms; 0 from who does not tell it.
    """

    number: Count
    kind: Literal["beat", "hello", "bye"] = "beat"
    ready: bool = False
    unfit: tuple[str, ...] = ()
    claims: Mapping[Shard, Claim] = {}
    batch: Count = 0
    wants: Count = 0
    product: str = ""
    address: str = ""
    public_url: str = ""
    load: float = 0.0
    clients: Count = 0
    clock: Count = 0
    fingerprints: Mapping[str, str] = {}


class ClaimMessage(Said, frozen=True, kw_only=True, tag="claim"):
    """From now on the sender fetches these shards; it holds once the sender has heard it itself."""

    claims: Mapping[Shard, Claim]


class Wants(Said, frozen=True, kw_only=True, tag="wants"):
    """What the clients of a node want; `number` rises by one with each that it tells.

    `symbols` counts connections by symbol named. `everything` are those that want all there are,
    `subscribers` those with any subscription, `connections` all.
    """

    number: Count
    symbols: Mapping[Symbol, Count] = {}
    everything: Count = 0
    subscribers: Count = 0
    connections: Count = 0


class AlertsTold(Said, frozen=True, kw_only=True, tag="alerts"):
    """Alerts that the sender has fired: each node tells its own clients. May be told twice."""

    alerts: tuple[Alert, ...]

    def __post_init__(self) -> None:
        for alert in self.alerts:
            epoch, seq = alert.version
            times = alert.timestamp, alert.fired_at
            if not (
                all(0 < time <= LATEST_TIMESTAMP for time in times)
                and all(0 <= number <= MOST for number in (epoch, seq, alert.rule, alert.crossings))
            ):
                raise ValueError(f"{alert.symbol!r:.32}: no alert has such numbers")


class RulesTold(Said, frozen=True, kw_only=True, tag="rules"):
    """Rules were changed in the database; a hint, since all read them again in some seconds.

    Of an `owner`, whose connections are told: the pages read them again, and what was read. A node
    of before does not tell.
    """

    owner: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Revoked(Said, frozen=True, kw_only=True, tag="revoked"):
    """Sessions and API tokens that have ended, by their numbers in the database, and accounts that
    were changed. A hint, since each node asks the database again in some seconds: a node of before
    that cannot read it counts it, and goes on.
    """

    sessions: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MOST_REVOKED)] = ()
    tokens: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MOST_REVOKED)] = ()
    accounts: Annotated[tuple[Count, ...], msgspec.Meta(max_length=MOST_REVOKED)] = ()


class ProbeMessage(Said, frozen=True, kw_only=True, tag="probe"):
    """A question: does anybody listen? And its answer."""


class WantsWanted(Said, frozen=True, kw_only=True, tag="wants_wanted"):
    """A question: what do your clients want? The answer is `Wants`."""


MemberMessage: TypeAlias = Heartbeat | ClaimMessage

T = TypeVar("T")

_heads = msgspec.msgpack.Decoder(Said)


def decode(data: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    """`data` as `decoder` reads it.

    Raises:
        UnknownProtocol: it is of another version; the rest of it was not looked at.
        msgspec.ValidationError: it is no such message; the error names the field.
        msgspec.DecodeError: it is no message at all.
    """
    try:
        message = _read(data, decoder)
    except msgspec.ValidationError:
        _check_protocol(_read(data, _heads))
        raise
    if isinstance(message, Said):
        _check_protocol(message)
    return message


def _check_protocol(message: Said) -> None:
    if message.protocol != PROTOCOL:
        raise UnknownProtocol(message.sender, message.protocol)


def _read(data: bytes, decoder: msgspec.msgpack.Decoder[T]) -> T:
    # msgspec lets these two errors through, as `decoding.py` says of JSON.
    try:
        return decoder.decode(data)
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is not UTF-8: {error.reason}") from error
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error
