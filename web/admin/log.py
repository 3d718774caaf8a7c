"""`/admin/api/log`: the last lines of this node's log, by what they belong to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from quart import Blueprint

from stockstream.kept_lines import LINES, KeptLine
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.parameters import Parameter, Wrong, once, read_query, whole
from web.users.gate import require

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quart import Response

    from web.parameters import Asked

MOST, USUAL = 500, 200
LONGEST = 200
LEVELS = ("debug", "info", "warning", "error", "critical")


class LogDocument(msgspec.Struct, frozen=True):
    """The newest lines that fit, the newest first, of so many that are `kept`."""

    lines: list[KeptLine]
    kept: int


def _text(name: str, description: str) -> Parameter[str]:
    def read(given: Sequence[str], _asked: Asked) -> str:
        text = (once(given) or "").strip()
        if len(text) > LONGEST or not text.isprintable():
            raise Wrong(f"at most {LONGEST} printable characters")
        return text

    return Parameter(name, description, {"type": "string"}, read)


def _level(given: Sequence[str], _asked: Asked) -> str:
    text = once(given) or LEVELS[0]
    if text not in LEVELS:
        raise Wrong(f"one of {', '.join(LEVELS)}")
    return text


CORRELATION = _text("correlation", "Only lines of this correlation id, or of this session.")
PART = _text("part", "Only lines of loggers whose name begins so.")
SEARCH = _text("search", "Only lines with this in them.")
LEVEL: Parameter[str] = Parameter("level", "The least severity.", {}, _level)
LIMIT = whole("limit", "Lines, at most.", least=1, most=MOST, usual=USUAL)


def log_api() -> Blueprint:
    """The route."""
    blueprint = Blueprint("log_api", __name__, url_prefix="/admin/api/log")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def lines() -> Response:
        asked = read_query(CORRELATION, PART, SEARCH, LEVEL, LIMIT)
        found = LINES.find(
            asked[LIMIT],
            correlation=asked[CORRELATION],
            least=asked[LEVEL],
            part=asked[PART],
            search=asked[SEARCH],
        )
        return json_answer(LogDocument(found, len(LINES)))

    return blueprint
