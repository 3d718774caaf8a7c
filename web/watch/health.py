"""Whether the process lives, is ready to serve, and should be sent new clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quart import Blueprint

from web.answers import json_answer
from web.readiness import readiness
from web.traffic import TrafficState

if TYPE_CHECKING:
    from collections.abc import Callable

    from quart import Response

    from stockstream.tables import Tables
    from web.traffic import Traffic


def health(tables: Tables, traffic: Traffic, wall_clock_ms: Callable[[], int]) -> Blueprint:
    """The routes under `/health`."""
    blueprint = Blueprint("health", __name__, url_prefix="/health")

    @blueprint.get("/live")
    async def live() -> Response:
        return json_answer({"status": "live"})

    @blueprint.get("/ready")
    async def ready() -> Response:
        is_ready, checks = readiness(tables, wall_clock_ms())
        body = {"status": "ready" if is_ready else "not_ready", "checks": checks}
        return json_answer(body, 200 if is_ready else 503)

    @blueprint.get("/traffic")
    async def new_clients() -> Response:
        state = traffic.state(tables)
        return json_answer({"status": state}, 200 if state is TrafficState.OPEN else 503)

    return blueprint
