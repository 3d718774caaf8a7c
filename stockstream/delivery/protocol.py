"""The WebSocket protocol, version 1: every message as a struct, both ways.

Text messages, one JSON object each. The design's page has the rules; `docs/asyncapi.yaml` is
tested against these classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from stockstream.quotes import Version, iso_utc
from stockstream.statuses import SymbolState
from stockstream.times import Moment, tell
from stockstream.told_alert import ToldAlert
from stockstream.told_quote import ToldDay, ToldQuote, told_top

if TYPE_CHECKING:
    from stockstream.statuses import QuoteRow, Unconfirmed

PROTOCOL_VERSION = 1
EVERYTHING = "*"

LONGEST_ID = 128

LONGEST_REASON = 200

CommandId = Annotated[str, Meta(max_length=LONGEST_ID)] | int | float
"""A client's own mark on a command; echoed in the answer. It waits with the answer for a slow
client, so it has a limit."""


TraceParent = Annotated[
    str, Meta(pattern="^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", max_length=LONGEST_ID)
]


class Subscribe(Struct, tag_field="action", tag="subscribe", frozen=True):
    """Ask for symbols; "*" for all. `since` are the versions the client has already.

    `max_rate` limits the client's price frames per second from now on; None changes nothing.
    `traceparent` (W3C Trace Context) has the server trace the command, if it traces at all.
    """

    symbols: list[str] | Literal["*"]
    id: CommandId | UnsetType = UNSET
    since: dict[str, tuple[int, int]] = {}
    max_rate: Annotated[float, Meta(gt=0)] | None = None
    traceparent: TraceParent | UnsetType = UNSET


class Unsubscribe(Struct, tag_field="action", tag="unsubscribe", frozen=True):
    """Give symbols up; "*" for all. `traceparent` is as in `Subscribe`."""

    symbols: list[str] | Literal["*"]
    id: CommandId | UnsetType = UNSET
    traceparent: TraceParent | UnsetType = UNSET


class Ping(Struct, tag_field="action", tag="ping", frozen=True):
    """Ask for a pong with the server's time."""

    id: CommandId | UnsetType = UNSET


ClientMessage = Subscribe | Unsubscribe | Ping


class Limits(Struct, frozen=True):
    """What a client may do; told in `welcome`. Sizes in bytes, rates per second."""

    message_size: int
    message_rate: float
    message_burst: int
    symbols: int


class Welcome(Struct, tag_field="type", tag="welcome", frozen=True):
    """The first message. `heartbeat` is the seconds between the server's pings.

    `steady` is the server's monotonic clock in ms, as in all messages: the difference of two such
    times is right whatever the wall clocks do. It means nothing outside the server's process.
    `nodes` are the public addresses of the other nodes that are ready; left out where there are
    none, as on a single node and behind a balancer.
    """

    session: str
    node: str
    server_time: str
    steady: int
    heartbeat: float
    limits: Limits
    protocol: int = PROTOCOL_VERSION
    nodes: list[str] | UnsetType = UNSET


class Rejected(Struct, frozen=True):
    """A symbol that was not taken, and why."""

    symbol: str
    code: str
    reason: str


class Subscriptions(Struct, tag_field="type", tag="subscriptions", frozen=True):
    """The answer to subscribe and unsubscribe: the whole current state."""

    symbols: list[str]
    rejected: list[Rejected]
    id: CommandId | UnsetType = UNSET


class NotServed(Struct, tag_field="type", tag="not_served", frozen=True):
    """Symbols of the client that have no price and get none, since their provider says so.

    What is not among `symbols` stays as it was told; those in `served` wait for a price again. One
    that gets a price is served, too.
    """

    symbols: list[Rejected]
    served: list[str]


class SnapshotQuote(ToldQuote[int], frozen=True):
    """All of a quote, what never changes included.

    `changed` and `confirmed` are by the clock of `steady`. `confirmed` is None where it is
    `fetched`, as mostly.
    """


class Snapshot(Struct, tag_field="type", tag="snapshot", frozen=True):
    """What was subscribed, as of the last flush.

    `as_of` is the last successful fetch in wall time, `fetched` the same by the clock of `steady`,
    which was read when this was made. Comes again for symbols whose other fields than the price
    have changed.
    """

    as_of: str | None
    steady: int
    fetched: int | None
    quotes: list[SnapshotQuote]


class PriceUpdate(Struct, frozen=True):
    """What changes in a quote. `state`, `reason` and `confirmed` come when the state changes, and
    the whole `day` when something in it has changed since the last price. `bid`, `ask` and
    `quoted_at` are those of this price: without them none are known any more.
    """

    symbol: str
    price: float
    timestamp: str
    version: Version
    state: SymbolState | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    confirmed: int | UnsetType = UNSET
    day: ToldDay | UnsetType = UNSET
    bid: float | UnsetType = UNSET
    ask: float | UnsetType = UNSET
    quoted_at: str | UnsetType = UNSET


class Prices(Struct, tag_field="type", tag="prices", frozen=True):
    """Updates; empty as a heartbeat. The times are as in `Snapshot`."""

    as_of: str | None
    steady: int
    fetched: int | None
    prices: list[PriceUpdate]


class Status(Struct, tag_field="type", tag="status", frozen=True, omit_defaults=True):
    """How the feed and the circuit breaker do. `interval` is the feed's, in seconds.

    `feed` is the worst of all upstreams. `partly` says that another one is live: then `fetched` is
    the oldest fetch of those that are, and the symbols of the others are stale by themselves.
    `steady` and `fetched` are as in `Snapshot`. An open breaker tries again at `next_probe` in wall
    time, which is `probe_in` ms after `steady`.
    """

    feed: str
    circuit: str
    interval: float
    next_probe: str | None = None
    reason: Annotated[str, Meta(max_length=LONGEST_REASON)] | None = None
    partly: bool = False
    probe_in: int | None = None
    steady: int = 0
    fetched: int | None = None


class Pong(Struct, tag_field="type", tag="pong", frozen=True):
    """The answer to ping."""

    server_time: str
    id: CommandId | UnsetType = UNSET


class Error(Struct, tag_field="type", tag="error", frozen=True):
    """A message that could not be served; `temporary` says whether trying again may help."""

    code: str
    reason: str
    temporary: bool = False
    id: CommandId | UnsetType = UNSET


class Alert(ToldAlert, tag_field="type", tag="alert", frozen=True):
    """A rule of the user fired; on each connection that brought the user's cookie."""


class AlertsChanged(Struct, tag_field="type", tag="alerts_changed", frozen=True):
    """The user's rules have changed, or alerts were read, somewhere: read them again."""


class GoingAway(Struct, tag_field="type", tag="going_away", frozen=True):
    """The server is about to close; come back after that many seconds.

    `nodes` are as in `Welcome`: whoever has another one to go to need not wait.
    """

    reconnect_after: float
    nodes: list[str] | UnsetType = UNSET


class Expiring(Struct, tag_field="type", tag="expiring", frozen=True, rename={"seconds": "in"}):
    """What let the client in ends after so many seconds, and the connection with it, by 4503.

    A session that ends as it was not used goes on when it is used: any request does.
    """

    seconds: int


ServerMessage = (
    Welcome
    | Subscriptions
    | NotServed
    | Snapshot
    | Prices
    | Status
    | Pong
    | Error
    | Alert
    | AlertsChanged
    | GoingAway
    | Expiring
)


def _told(value: object) -> int:
    """Moments are told in wall time, in ms since 1970."""
    if isinstance(value, Moment):
        return tell(value)
    raise NotImplementedError(type(value).__qualname__)


encode = msgspec.json.Encoder(enc_hook=_told).encode
"""A message as the bytes of one text message."""

_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


class BadMessage(Exception):
    """A client's message is invalid; `reason` names the field. `id` is its mark, if readable."""

    def __init__(self, reason: str, command_id: CommandId | UnsetType = UNSET) -> None:
        super().__init__(reason)
        self.reason = reason
        self.id = command_id


class _Marked(Struct):
    id: CommandId | UnsetType = UNSET


_mark_decoder = msgspec.json.Decoder(_Marked)


def decode(message: str | bytes) -> ClientMessage:
    """Read a client's message.

    Raises:
        BadMessage: it is binary, not JSON, or not one of ours.
    """
    if isinstance(message, bytes):
        raise BadMessage("binary messages are not understood; send JSON text")
    try:
        return _decoder.decode(message)
    except msgspec.ValidationError as error:
        raise BadMessage(_shortened(str(error)), mark(message)) from error
    except RecursionError as error:
        raise BadMessage("it is nested too deeply") from error
    except msgspec.DecodeError as error:
        raise BadMessage(_shortened(f"not JSON: {error}")) from error


def _shortened(reason: str) -> str:
    """Cut the reason: it may quote the client's text, which may be as long as a message."""
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 1]}…"


def mark(message: str | bytes) -> CommandId | UnsetType:
    """The `id` of a message that need not be one of ours; UNSET when there is none to be read."""
    if isinstance(message, bytes):
        return UNSET
    try:
        return _mark_decoder.decode(message).id
    except (msgspec.MsgspecError, RecursionError):
        return UNSET


def price_update(row: QuoteRow, *, figures: bool = False) -> bytes:
    """The part of a quote that changes, encoded: for a `prices` message put together of such.

    With its `figures` of the day, where they have changed.
    """
    quote = row.quote
    update = PriceUpdate(quote.symbol, quote.price, iso_utc(quote.timestamp), quote.version)
    put = msgspec.structs.force_setattr
    if figures:
        put(update, "day", _day(row))
    if quote.top is not None:
        bid, ask, quoted_at = told_top(quote.top)
        put(update, "bid", bid)
        put(update, "ask", ask)
        put(update, "quoted_at", quoted_at)
    return encode(update)


def _day(row: QuoteRow) -> ToldDay | UnsetType:
    figures = row.quote.figures
    return UNSET if figures is None else ToldDay.of(figures)


def state_update(row: QuoteRow, unconfirmed: Unconfirmed | None) -> bytes:
    """The same with the state of the symbol and the figures of its day, for clients that may have
    been told others.
    """
    quote = row.quote
    reason, confirmed = unconfirmed or (None, UNSET)
    return encode(
        PriceUpdate(
            quote.symbol,
            quote.price,
            iso_utc(quote.timestamp),
            quote.version,
            SymbolState.LIVE if reason is None else SymbolState.STALE,
            UNSET if reason is None else reason,
            confirmed,
            _day(row),
            *told_top(quote.top),
        )
    )


LIST_TAIL = b"]}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """The times at the head of a message: see `Snapshot`."""

    as_of: str | None
    steady: int
    fetched: int | None


def prices_head(stamp: Stamp) -> bytes:
    """A `prices` message up to its updates; they follow with commas between, then the tail."""
    head = Prices(stamp.as_of, stamp.steady, stamp.fetched, [])
    return encode(head).removesuffix(LIST_TAIL)


def snapshot_head(stamp: Stamp) -> bytes:
    """The same of a `snapshot` message up to its quotes."""
    head = Snapshot(stamp.as_of, stamp.steady, stamp.fetched, [])
    return encode(head).removesuffix(LIST_TAIL)


def snapshot_part(row: QuoteRow, unconfirmed: Unconfirmed | None) -> bytes:
    """All of a quote, encoded: for a `snapshot` message put together of such."""
    reason, confirmed = unconfirmed or (None, None)
    told = SnapshotQuote.of(row, changed=row.changed, reason=reason, confirmed=confirmed)
    return encode(told)
