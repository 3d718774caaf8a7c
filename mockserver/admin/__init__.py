"""The admin API under `/__admin`: WireMock's calls on our `StubServer`, and the outage switches."""

from typing import Final
from urllib.parse import urlsplit

from quart import Blueprint, Response, request

from mockserver.admin.answers import INVALID, AdminError, answer, empty
from mockserver.admin.files import file_routes
from mockserver.admin.mappings import mapping_routes
from mockserver.admin.requests import request_routes
from mockserver.admin.settings import scenario_routes, server_routes
from mockserver.admin.streams import stream_routes
from mockserver.json_types import NotJson
from mockserver.limits import TooMuchWork
from mockserver.problems import FieldError
from mockserver.saving import CannotSave
from mockserver.streams.channels import Channels
from mockserver.stub_files import StubFileError
from mockserver.stub_server import StubServer
from mockserver.stub_source import StubSource
from mockserver.views import error_json

__all__ = ["HEALTH", "admin_blueprint", "answer"]

HEALTH: Final = "/__admin/health"
_ELSEWHERE: Final = 50
"""Our code for a call that WireMock has and this server has not."""


def admin_blueprint(server: StubServer, source: StubSource, channels: Channels) -> Blueprint:
    """The routes of the admin API."""
    admin = Blueprint("admin", __name__, url_prefix="/__admin")

    @admin.before_request
    async def refuse_other_sites() -> Response | None:
        """A page of another site, open in somebody's browser, must not change stubs here."""
        origin = request.headers.get("Origin")
        if request.method in {"GET", "HEAD", "OPTIONS"} or origin is None:
            return None
        if _host_of(origin) == request.headers.get("Host", "").lower():
            return None
        return answer(error_json(403, f"the origin {origin} is not this server"), 403)

    @admin.errorhandler(AdminError)
    async def failed(error: AdminError) -> Response:
        return empty(error.status) if error.body is None else answer(error.body, error.status)

    @admin.errorhandler(FieldError)
    async def bad_field(error: FieldError) -> Response:
        body = error_json(INVALID, "Error parsing JSON", error.problem, error.pointer)
        return answer(body, 422)

    @admin.errorhandler(NotJson)
    async def not_json(error: NotJson) -> Response:
        detail = f"{error.problem} at line {error.line}, column {error.column}"
        return answer(error_json(INVALID, "Error parsing JSON", detail), 422)

    @admin.errorhandler(StubFileError)
    async def bad_file(error: StubFileError) -> Response:
        detail = f"{error}; the stubs are as they were"
        return answer(error_json(INVALID, "A stub file cannot be used", detail), 422)

    @admin.errorhandler(CannotSave)
    async def not_saved(error: CannotSave) -> Response:
        return answer(error_json(INVALID, str(error)), 500)

    @admin.errorhandler(TooMuchWork)
    async def too_much(error: TooMuchWork) -> Response:
        return answer(error_json(INVALID, str(error)), 422)

    mapping_routes(admin, server, source)
    request_routes(admin, server)
    file_routes(admin, server, source)
    scenario_routes(admin, server)
    server_routes(admin, server, source)
    stream_routes(admin, channels)

    @admin.route("/<path:call>", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
    async def no_such_call(call: str) -> Response:
        problem = f"{request.method} /__admin/{call} is no call of this server"
        detail = "recordings, proxying, certificates and documents of WireMock are not supported"
        return answer(error_json(_ELSEWHERE, problem, detail), 404)

    return admin


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None when it has none that can be read."""
    try:
        return urlsplit(origin.lower()).netloc or None
    except ValueError:
        return None
