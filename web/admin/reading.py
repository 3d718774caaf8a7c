"""The admin API's reading side: the tree, the overview, the event log. Memory only, no messages.

An observer that asks the actors hangs with them, and one that asks too much overloads them. So
nothing here sends a message, and it works even if every actor but `web` is dead.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint, Response
from werkzeug.exceptions import NotFound, ServiceUnavailable

from stockstream.delivery.protocol import encode
from stockstream.quotes import InvalidSymbol, parse_symbol
from stockstream.telemetry.tree import tree_document
from stockstream.users.roles import Scope
from supervision import snapshot
from web.admin.overview import overview
from web.admin.stream import MOST_STREAMS
from web.admin.symbols import symbol_document
from web.answers import encoded_answer, json_answer
from web.parameters import read_query, texts, whole
from web.users.gate import require
from web.users.principal import current_principal

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from web.admin.stream import EventStreams
    from web.parts import Parts
    from web.users.principal import Principal

    Hold = Callable[[int, Principal], AbstractContextManager[None]]

MOST_OF_THE_TIME = 0.02
"""The part of a processor that encoding one document may take, for any number of pages."""
CHILDREN_SHOWN = 20
"""Clients of one supervisor that a folded tree shows; the others are counted."""

FOLDED = texts("folded", "Given at all: show only some clients of each supervisor.")
SINCE = whole("since", "Only what came after this number.", least=0, most=10**15, usual=0)


class TooManyStreamsError(ServiceUnavailable):
    """The limit of open event streams is reached."""

    word: ClassVar[str] = "too_many_streams"


class CachedDocument:
    """An encoded document, made again only when `MOST_OF_THE_TIME` allows it."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._body = b""
        self._good_until = 0.0

    def get(self) -> bytes:
        """The document; it may be a moment old."""
        began = perf_counter()
        if began >= self._good_until:
            self._body = self._make()
            ended = perf_counter()
            self._good_until = ended + (ended - began) / MOST_OF_THE_TIME
        return self._body


def admin_api(parts: Parts, streams: EventStreams, hold: Hold) -> Blueprint:
    """The routes under `/admin/api`. `hold` looks after what let the reader of a stream in."""
    blueprint = Blueprint("admin_api", __name__, url_prefix="/admin/api")
    blueprint.before_request(require(Scope.ADMIN_READ))
    events = parts.telemetry.events
    folded = CachedDocument(lambda: _tree(parts, CHILDREN_SHOWN))
    the_overview = CachedDocument(lambda: encode(overview(parts, len(streams))))

    @blueprint.get("/tree")
    async def tree() -> Response:
        # Whole for a command that asks once, folded for pages that ask each second.
        if not read_query(FOLDED)[FOLDED]:
            return encoded_answer(_tree(parts, None))
        return encoded_answer(folded.get())

    @blueprint.get("/overview")
    async def look_over() -> Response:
        return encoded_answer(the_overview.get())

    @blueprint.get("/symbols/<symbol>")
    async def symbol(symbol: str) -> Response:
        try:
            document = symbol_document(parts.tables, parse_symbol(symbol))
        except InvalidSymbol as error:
            raise NotFound(str(error)) from error
        if document is None:
            raise NotFound(f"no upstream has told {symbol}")
        return json_answer(document)

    @blueprint.get("/incidents")
    async def incidents() -> Response:
        since = read_query(SINCE)[SINCE]
        return json_answer(
            {
                "run": events.run,
                "last": events.last,
                "now": parts.settings.wall_clock_ms(),
                "crashes": events.crashes(since),
                "restarts": events.restarts(since),
                "transitions": events.transitions(since),
            }
        )

    @blueprint.get("/events")
    async def event_stream() -> Response:
        since = read_query(SINCE)[SINCE]
        if streams.full:
            raise TooManyStreamsError(f"{MOST_STREAMS} event streams are open; close one")
        held = hold(next(parts.settings.numbers), current_principal())
        response = Response(streams.pieces(since, held), content_type="application/x-ndjson")
        response.timeout = None
        response.headers["X-Accel-Buffering"] = "no"
        return response

    return blueprint


def _tree(parts: Parts, most_dynamic: int | None) -> bytes:
    root = snapshot(parts.system, most_dynamic=most_dynamic)
    if root is None:
        raise ServiceUnavailable("nothing runs")
    return encode(tree_document(root))
