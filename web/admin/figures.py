"""`/admin/api/figures`: the figures of this node over hours, across its restarts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint

from stockstream.figures.rows import FetchCourse
from stockstream.users.roles import Scope
from web.answers import json_answer
from web.asking import ask_database
from web.parameters import read_query, whole
from web.users.gate import require

if TYPE_CHECKING:
    from quart import Response

    from web.parts import Parts

HOUR_MS = 3_600_000
HOURS = whole("hours", "So many hours until now.", least=1, most=168, usual=1)


def figures_api(parts: Parts) -> Blueprint:
    """The route."""
    blueprint = Blueprint("figures_api", __name__, url_prefix="/admin/api/figures")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def figures() -> Response:
        end = parts.settings.wall_clock_ms()
        start = end - read_query(HOURS)[HOURS] * HOUR_MS
        query = FetchCourse(parts.settings.node, start, end)
        return json_answer((await ask_database(parts.database, query)).value)

    return blueprint
