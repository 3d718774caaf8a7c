"""Levels of loggers at run time: what is in force, and a lease of another level."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
from quart import Blueprint
from werkzeug.exceptions import NotFound, ServiceUnavailable

from stockstream import paths
from stockstream.telemetry.log_levels import (
    LOGGERS,
    LONGEST_SECONDS,
    USUAL_SECONDS,
    LendLevel,
    Level,
    TakeBackLevel,
)
from stockstream.users.roles import Scope
from supervision import CallError
from web.admin.bodies import read_body
from web.answers import json_answer
from web.audited import audited, current_author
from web.users.gate import admin_name, allow, require

if TYPE_CHECKING:
    from quart import Response

    from stockstream.telemetry.log_levels import LoggerRow, LogLevels
    from supervision import Request, System

CALL_SECONDS = 5.0


class LevelBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which severity on, and for how long."""

    level: Level
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_SECONDS)] = USUAL_SECONDS


class UnknownLoggerError(NotFound):
    """There is no logger of ours of that name."""

    word: ClassVar[str] = "unknown_logger"


class NoOwnerError(ServiceUnavailable):
    """The actor that lends levels restarts, or hangs."""

    word: ClassVar[str] = "no_owner"


def loggers_api(system: System, levels: LogLevels) -> Blueprint:
    """The routes under `/admin/api/loggers`."""
    blueprint = Blueprint("loggers_api", __name__, url_prefix="/admin/api/loggers")
    blueprint.before_request(require(Scope.ADMIN_READ))

    @blueprint.get("")
    async def look() -> Response:
        return json_answer({"loggers": levels.rows()})

    @blueprint.get("/<name>")
    async def look_at_one(name: str) -> Response:
        return json_answer(levels.row(_known(name)))

    @blueprint.put("/<name>")
    async def lend(name: str) -> Response:
        allow(Scope.ADMIN_WRITE)
        known, wanted = _known(name), await read_body(LevelBody)
        request = LendLevel(known, wanted.level, wanted.seconds, admin_name())
        with audited(current_author(), "log_level.lend", known, after=wanted) as act:
            act.before = {"level": levels.row(known).level}
            return json_answer(await _call(system, request))

    @blueprint.delete("/<name>")
    async def take_back(name: str) -> Response:
        allow(Scope.ADMIN_WRITE)
        known = _known(name)
        with audited(current_author(), "log_level.take_back", known) as act:
            act.before = {"level": levels.row(known).level}
            row = await _call(system, TakeBackLevel(known, admin_name()))
            act.after = {"level": row.level}
        return json_answer(row)

    return blueprint


def _known(name: str) -> str:
    if name in LOGGERS:
        return name
    close = get_close_matches(name, LOGGERS, n=1)
    hint = f"did you mean {close[0]}?" if close else "GET /admin/api/loggers lists them all"
    raise UnknownLoggerError(f"there is no logger {name[:64]!r}; {hint}")


async def _call(system: System, request: Request[LoggerRow]) -> LoggerRow:
    try:
        return await system.ref(paths.TELEMETRY).call(request, timeout=CALL_SECONDS)
    except CallError as error:
        raise NoOwnerError(f"the level could not be changed: {error}") from error
