"""The admin API's reading side: the tree, the overview, the event log. Memory only, no messages.

An observer that asks the actors hangs with them, and one that asks too much brings them down. So
nothing here sends a message: every actor but `web` may be dead.
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from quart import Blueprint, Response, request
from werkzeug.exceptions import ServiceUnavailable, UnprocessableEntity

from stockstream.delivery.protocol import encode
from stockstream.telemetry.tree import tree_document
from supervision import snapshot
from web.admin_auth import require_admin
from web.admin_overview import overview
from web.admin_stream import MOST_STREAMS

if TYPE_CHECKING:
    from web.admin_stream import EventStreams
    from web.parts import Parts

MOST_OF_THE_TIME = 0.02
"""The part of a processor that walking the tree may take, however many pages ask for it."""


class BadParameterError(UnprocessableEntity):
    """A parameter of the address is none."""

    word: ClassVar[str] = "bad_parameter"


class TooManyStreamsError(ServiceUnavailable):
    """As many event streams are open as there may be."""

    word: ClassVar[str] = "too_many_streams"


class Trees:
    """Encoded trees, made anew only so often that making them stays cheap."""

    def __init__(self, parts: Parts) -> None:
        self._system = parts.system
        self._made: dict[int | None, tuple[float, bytes]] = {}
        """Until when it may be used, and the body, by `most_children`."""

    def get(self, most_children: int | None) -> bytes:
        """The tree, with at most so many numbered children of each supervisor.

        Raises:
            ServiceUnavailable: nothing runs.
        """
        began = perf_counter()
        made = self._made.get(most_children)
        if made is not None and began < made[0]:
            return made[1]
        root = snapshot(self._system)
        if root is None:
            raise ServiceUnavailable("nothing runs")
        body = encode(tree_document(root, most_children))
        ended = perf_counter()
        # One at a time: whoever asks for another fold pays for it, and memory is bounded.
        self._made = {most_children: (ended + (ended - began) / MOST_OF_THE_TIME, body)}
        return body


def admin_api(parts: Parts, streams: EventStreams) -> Blueprint:
    """The routes under `/admin/api`."""
    blueprint = Blueprint("admin_api", __name__, url_prefix="/admin/api")
    blueprint.before_request(require_admin)
    trees = Trees(parts)
    events = parts.telemetry.events

    @blueprint.get("/tree")
    async def tree() -> Response:
        most = request.args.get("most")
        return _json(trees.get(None if most is None else _number("most", most)))

    @blueprint.get("/overview")
    async def the_overview() -> Response:
        return _json(encode(overview(parts, len(streams))))

    @blueprint.get("/incidents")
    async def incidents() -> Response:
        since = _number("since", request.args.get("since", "0"))
        return _json(
            encode(
                {
                    "run": events.run,
                    "last": events.last,
                    "now": parts.settings.wall_clock_ms(),
                    "crashes": events.crashes(since),
                    "restarts": events.restarts(since),
                    "transitions": events.transitions(since),
                }
            )
        )

    @blueprint.get("/events")
    async def event_stream() -> Response:
        since = _number("since", request.args.get("since", "0"))
        if streams.full:
            raise TooManyStreamsError(f"{MOST_STREAMS} event streams are open; close one")
        response = Response(streams.pieces(since), content_type="application/x-ndjson")
        response.timeout = None
        response.headers["X-Accel-Buffering"] = "no"
        return response

    return blueprint


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise BadParameterError(f"{name} must be a whole number, not {text[:40]!r}")
    return int(text)


def _json(body: bytes) -> Response:
    return Response(body, content_type="application/json")
