"""`/admin/api/connections`: the WebSocket clients of this node, and the way to close one.

The lanes are read when somebody asks: a client costs nothing more for being listed.
"""

from __future__ import annotations

from enum import StrEnum
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
import trio
from quart import Blueprint
from werkzeug.exceptions import NotFound, ServiceUnavailable

from stockstream import paths
from stockstream.delivery.lanes import lag
from stockstream.messages import CloseClient
from stockstream.quotes import Symbol, iso_utc
from stockstream.times import tell
from stockstream.users.roles import Scope
from supervision import CallError
from web.admin.bodies import read_body
from web.answers import json_answer
from web.audited import audited, current_author
from web.parameters import Parameter, Wrong, once, read_query, whole
from web.users.gate import allow, require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quart import Response

    from stockstream.delivery.lanes import Lane
    from web.parameters import Asked
    from web.parts import Parts

MOST, USUAL = 200, 50
FARTHEST = 100_000
SYMBOLS_LISTED = 200
LONGEST_SEARCH = 64
LONGEST_REASON = 100
"""With UTF-8 it fits into a close frame, which takes 123 bytes."""
CALL_SECONDS = 5.0


class Order(StrEnum):
    """What the list is sorted by."""

    SINCE = "since"
    LAG = "lag"
    WAITING = "waiting"
    SYMBOLS = "symbols"
    ADDRESS = "address"
    WHO = "who"


class ConnectionRow(msgspec.Struct, frozen=True):
    """A client. What it is sent has not arrived for `lag` seconds; nothing came from it for
    `silent`; so many answers are `waiting` to be sent. `name` is that of its log lines.
    """

    number: int
    name: str
    address: str
    who: str
    agent: str
    since: str | None
    symbols: int
    everything: bool
    lag: float
    silent: float
    waiting: int
    slow: bool
    leaving: bool


class ConnectionsPage(msgspec.Struct, frozen=True):
    """Some of so many `found`, of all that are `connected` to this `node`."""

    node: str
    connected: int
    found: int
    connections: list[ConnectionRow]


class ConnectionDetails(msgspec.Struct, frozen=True):
    """One client: the first of its symbols, and the least seconds between two messages to it."""

    connection: ConnectionRow
    symbols: list[Symbol]
    seconds_between: float | None
    flushes_behind: int


class CloseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name` is that of the connection that is meant: after a restart numbers begin anew."""

    name: str
    reason: Annotated[str, msgspec.Meta(max_length=LONGEST_REASON)] = ""


class NoSuchConnectionError(NotFound):
    """It has left."""

    word: ClassVar[str] = "no_such_connection"


class NotNowError(ServiceUnavailable):
    """The front end hangs."""

    word: ClassVar[str] = "not_now"


def _search(given: Sequence[str], _asked: Asked) -> str:
    text = (once(given) or "").strip()
    if len(text) > LONGEST_SEARCH or not text.isprintable():
        raise Wrong(f"at most {LONGEST_SEARCH} printable characters")
    return text.casefold()


def _order(given: Sequence[str], _asked: Asked) -> Order:
    text = once(given) or Order.LAG
    try:
        return Order(text)
    except ValueError:
        raise Wrong(f"one of {', '.join(Order)}") from None


def _down(given: Sequence[str], _asked: Asked) -> bool:
    text = once(given) or "down"
    if text not in {"up", "down"}:
        raise Wrong("up or down")
    return text == "down"


SEARCH: Parameter[str] = Parameter(
    "search", "Only those with this in name, address, user, program or symbols.", {}, _search
)
SORT: Parameter[Order] = Parameter("sort", "What the list is sorted by.", {}, _order)
WAY: Parameter[bool] = Parameter("way", "Whether the largest comes first: up or down.", {}, _down)
LIMIT = whole("limit", "Clients, at most.", least=1, most=MOST, usual=USUAL)
OFFSET = whole("offset", "So many are left out before.", least=0, most=FARTHEST, usual=0)


def connections_api(parts: Parts) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("connections_api", __name__, url_prefix="/admin/api/connections")
    blueprint.before_request(require(Scope.ADMIN_READ))

    def lane_of(number: int) -> Lane:
        lane = parts.connections.get(number)
        if lane is None:
            raise NoSuchConnectionError(f"no connection has the number {number} any more")
        return lane

    @blueprint.get("")
    async def listed() -> Response:
        asked = read_query(SEARCH, SORT, WAY, LIMIT, OFFSET)
        lanes, search = parts.connections.lanes(), asked[SEARCH]
        found = [lane for lane in lanes if _fits(parts, lane, search)] if search else lanes
        key, last = _key(parts, asked[SORT]), asked[OFFSET] + asked[LIMIT]
        some = (nlargest if asked[WAY] else nsmallest)(last, found, key=key)
        now = trio.current_time()
        rows = [_row(parts, lane, now) for lane in some[asked[OFFSET] :]]
        return json_answer(ConnectionsPage(parts.settings.node, len(lanes), len(found), rows))

    @blueprint.get("/<int:number>")
    async def details(number: int) -> Response:
        lane = lane_of(number)
        return json_answer(
            ConnectionDetails(
                _row(parts, lane, trio.current_time()),
                sorted(lane.want.symbols)[:SYMBOLS_LISTED],
                lane.seconds_between,
                max(0, parts.connections.book.number - lane.seen),
            )
        )

    @blueprint.post("/<int:number>/close")
    async def close(number: int) -> Response:
        allow(Scope.ADMIN_WRITE)
        wanted = await read_body(CloseBody)
        lane = parts.connections.get(number)
        of = "" if lane is None else f" of {lane.client.address}"
        with audited(current_author(), "connection.close", wanted.name + of, after=wanted):
            if lane is None or lane.client.name != wanted.name:
                raise NoSuchConnectionError(f"the connection {number} is not {wanted.name!r}")
            reason = wanted.reason or "an operator closed this connection"
            try:
                order = CloseClient(number, reason)
                there = await parts.system.ref(paths.WEB).call(order, timeout=CALL_SECONDS)
            except CallError as error:
                raise NotNowError(str(error)) from error
        return json_answer({"closed": there, "name": wanted.name})

    return blueprint


def _fits(parts: Parts, lane: Lane, search: str) -> bool:
    facts = parts.tables.sockets.get(lane.number)
    texts = [lane.client.name, lane.client.address]
    texts += [] if facts is None else [facts.who, facts.agent]
    if any(search in text.casefold() for text in texts):
        return True
    return search.upper() in lane.want.symbols


def _key(parts: Parts, order: Order) -> Callable[[Lane], tuple[float | str, int]]:
    sockets, now = parts.tables.sockets, trio.current_time()

    def key(lane: Lane) -> tuple[float | str, int]:
        facts, value = sockets.get(lane.number), float(lane.number)
        match order:
            case Order.SINCE:
                return float(lane.number), lane.number
            case Order.LAG:
                value = lag(lane, now)
            case Order.WAITING:
                value = len(lane.operations)
            case Order.SYMBOLS:
                value = FARTHEST if lane.want.everything else len(lane.want.symbols)
            case Order.ADDRESS:
                return lane.client.address, lane.number
            case Order.WHO:
                return "" if facts is None else facts.who, lane.number
        return value, lane.number

    return key


def _row(parts: Parts, lane: Lane, now: float) -> ConnectionRow:
    facts = parts.tables.sockets.get(lane.number)
    return ConnectionRow(
        number=lane.number,
        name=lane.client.name,
        address=lane.client.address,
        who="" if facts is None else facts.who,
        agent="" if facts is None else facts.agent,
        since=None if facts is None else iso_utc(tell(facts.since)),
        symbols=len(lane.want.symbols),
        everything=lane.want.everything,
        lag=round(lag(lane, now), 1),
        silent=round(now - lane.client.last_received, 1),
        waiting=len(lane.operations),
        slow=lane.slow,
        leaving=lane.leaving,
    )
