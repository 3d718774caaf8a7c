"""The admin API under `/__admin`: WireMock's calls on our `StubServer`, and the outage switches."""

from importlib.metadata import PackageNotFoundError, version
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import trio
from quart import Blueprint, Response, request

from mockserver.delays import MAX_DELAY_MILLISECONDS, read_distribution
from mockserver.json_types import Json, NotJson, read_json, write_json
from mockserver.matching import RequestPattern
from mockserver.outage import read_outage
from mockserver.problems import FieldError, Reader, refuse_unknown
from mockserver.request_patterns import read_request
from mockserver.store import DuplicateId
from mockserver.stub_files import StubFileError
from mockserver.stub_server import DEFAULT_SETTINGS, Settings, StubServer
from mockserver.stub_source import StubSource, log_notices
from mockserver.views import (
    entry_json,
    error_json,
    iso,
    mappings_json,
    request_json,
    scenario_json,
)

HEALTH: Final = "/__admin/health"
_INVALID: Final = 10  # WireMock's code for what cannot be read
_DUPLICATE: Final = 109


class AdminError(Exception):
    """Ends a call with an error answer."""

    def __init__(self, status: int, body: dict[str, Json] | None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


def answer(value: Json, status: int = 200) -> Response:
    """An answer of JSON."""
    return Response(write_json(value), status, content_type="application/json")


def empty(status: int = 200) -> Response:
    """An answer without a body."""
    response = Response(b"", status)
    del response.headers["Content-Type"]
    return response


def admin_blueprint(server: StubServer, source: StubSource) -> Blueprint:
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
        body = error_json(_INVALID, "Error parsing JSON", error.problem, error.pointer)
        return answer(body, 422)

    @admin.errorhandler(NotJson)
    async def not_json(error: NotJson) -> Response:
        detail = f"{error.problem} at line {error.line}, column {error.column}"
        return answer(error_json(_INVALID, "Error parsing JSON", detail), 422)

    @admin.errorhandler(StubFileError)
    async def bad_file(error: StubFileError) -> Response:
        detail = f"{error}; the stubs are as they were"
        return answer(error_json(_INVALID, "A stub file cannot be used", detail), 422)

    _mapping_routes(admin, server, source)
    _request_routes(admin, server)
    _scenario_routes(admin, server)
    _server_routes(admin, server, source)
    return admin


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None when it has none that can be read."""
    try:
        return urlsplit(origin.lower()).netloc or None
    except ValueError:
        return None


async def _sent() -> Json:
    return read_json(await request.get_data(as_text=False))


def _limit() -> slice:
    """The part of a list that `limit` and `offset` of the query ask for."""
    try:
        offset = max(0, int(request.args.get("offset", "0")))
        limit = request.args.get("limit")
        return slice(offset, None if limit is None else offset + max(0, int(limit)))
    except ValueError as error:
        problem = error_json(_INVALID, "limit and offset are whole numbers")
        raise AdminError(400, problem) from error


def _uuid(key: str) -> str:
    try:
        return str(UUID(key))
    except ValueError as error:
        raise AdminError(400, error_json(_INVALID, f"{key} is not a valid UUID")) from error


def _mapping_routes(admin: Blueprint, server: StubServer, source: StubSource) -> None:
    @admin.get("/mappings")
    async def list_mappings() -> Response:
        stubs = server.stubs.newest_first()
        return answer(mappings_json(stubs[_limit()], len(stubs)))

    @admin.post("/mappings")
    async def add_mapping() -> Response:
        # In a thread, since a body may have to be read from its file.
        stub = await trio.to_thread.run_sync(server.read, await _sent())
        try:
            server.stubs.add(stub)
        except DuplicateId as error:
            detail = f"ID of the provided stub mapping '{error}' is already taken by another"
            body = error_json(_DUPLICATE, "Duplicate stub mapping ID", detail)
            raise AdminError(422, body) from error
        log_notices([stub])
        return answer(stub.document, 201)

    @admin.delete("/mappings")
    async def clear_mappings() -> Response:
        server.stubs.fill([])
        server.scenarios.reset()
        return answer({})

    @admin.post("/mappings/reset")
    @admin.post("/reset")
    async def reset() -> Response:
        server.reset(await source.load())
        return empty()

    @admin.get("/mappings/<key>")
    async def get_mapping(key: str) -> Response:
        stub = server.stubs.get(_uuid(key))
        return empty(404) if stub is None else answer(stub.document)

    @admin.put("/mappings/<key>")
    async def replace_mapping(key: str) -> Response:
        identity = _uuid(key)
        if server.stubs.get(identity) is None:
            return empty(404)
        stub = await trio.to_thread.run_sync(server.read, await _sent(), identity)
        log_notices([stub])
        return answer(stub.document) if server.stubs.replace(stub) else empty(404)

    @admin.delete("/mappings/<key>")
    async def remove_mapping(key: str) -> Response:
        return answer({}) if server.stubs.remove(_uuid(key)) else empty(404)


def _request_routes(admin: Blueprint, server: StubServer) -> None:
    @admin.get("/requests")
    async def list_requests() -> Response:
        entries = server.journal.newest_first()
        if request.args.get("unmatched") == "true":
            entries = [entry for entry in entries if not entry.matched]
        listed: list[Json] = [entry_json(entry) for entry in entries[_limit()]]
        return answer(
            {
                "requests": listed,
                "meta": {"total": len(entries)},
                "requestJournalDisabled": False,
            }
        )

    @admin.delete("/requests")
    async def clear_requests() -> Response:
        server.journal.clear()
        return answer({})

    @admin.get("/requests/<key>")
    async def get_request(key: str) -> Response:
        entry = server.journal.get(_uuid(key))
        return empty(404) if entry is None else answer(entry_json(entry))

    @admin.post("/requests/count")
    async def count_requests() -> Response:
        found = server.journal.find(_pattern(await _sent()))
        return answer({"count": len(found), "requestJournalDisabled": False})

    @admin.post("/requests/find")
    async def find_requests() -> Response:
        found = server.journal.find(_pattern(await _sent()))
        listed: list[Json] = [request_json(entry.request, entry.logged) for entry in found]
        return answer({"requests": listed, "requestJournalDisabled": False})

    @admin.get("/requests/unmatched")
    async def unmatched_requests() -> Response:
        listed: list[Json] = [
            request_json(entry.request, entry.logged)
            for entry in server.journal.newest_first()
            if not entry.matched
        ]
        return answer({"requests": listed, "requestJournalDisabled": False})


def _scenario_routes(admin: Blueprint, server: StubServer) -> None:
    @admin.get("/scenarios")
    async def list_scenarios() -> Response:
        views = server.scenarios.views(server.stubs)
        return answer({"scenarios": [scenario_json(view) for view in views]})

    @admin.post("/scenarios/reset")
    async def reset_scenarios() -> Response:
        server.scenarios.reset()
        return answer({})

    @admin.put("/scenarios/<path:name>/state")
    async def set_state(name: str) -> Response:
        views = {view.name: view for view in server.scenarios.views(server.stubs)}
        if name not in views:
            raise AdminError(404, error_json(404, f"Scenario {name} does not exist"))
        body = await request.get_data(as_text=False)
        state = "Started"
        if body:
            members = Reader(read_json(body), (), []).object()
            if "state" in members:
                state = members["state"].text()
        if state not in views[name].possible_states:
            problem = error_json(11, f"Scenario {name} does not support state {state}")
            raise AdminError(422, problem)
        server.scenarios.set(name, state)
        return answer({})


def _server_routes(admin: Blueprint, server: StubServer, source: StubSource) -> None:
    @admin.get("/settings")
    async def get_settings() -> Response:
        return answer({"settings": server.settings.document})

    @admin.post("/settings")
    @admin.put("/settings")
    async def set_settings() -> Response:
        server.settings = _settings(Reader(await _sent(), (), []))
        return empty()

    @admin.get("/outage")
    async def get_outage() -> Response:
        return answer(server.outage.as_json())

    @admin.put("/outage")
    async def set_outage() -> Response:
        server.outage = read_outage(await _sent())
        return answer(server.outage.as_json())

    @admin.delete("/outage")
    async def end_outage() -> Response:
        server.outage = read_outage({})
        return answer(server.outage.as_json())

    @admin.get("/health")
    async def health() -> Response:
        now = server.clock()
        healthy = source.failure is None
        return answer(
            {
                "status": "healthy" if healthy else "unhealthy",
                "message": source.failure or "The stub API is ok",
                "version": _version(),
                "uptimeInSeconds": int((now - server.started).total_seconds()),
                "timestamp": iso(now),
            },
            200 if healthy else 503,
        )

    @admin.get("/version")
    async def show_version() -> Response:
        return answer({"version": _version()})


def _settings(root: Reader) -> Settings:
    members = root.object()
    refuse_unknown(members, frozenset({"fixedDelay", "delayDistribution", "proxyPassThrough"}))
    given = {name: field for name, field in members.items() if field.value is not None}
    if not given:
        _refuse_notices(root)
        return DEFAULT_SETTINGS
    fixed = (
        given["fixedDelay"].whole(0, MAX_DELAY_MILLISECONDS) / 1000
        if "fixedDelay" in given
        else None
    )
    distribution = (
        read_distribution(given["delayDistribution"]) if "delayDistribution" in given else None
    )
    _refuse_notices(root)
    return Settings(fixed, distribution, {name: field.value for name, field in given.items()})


def _pattern(value: Json) -> RequestPattern:
    root = Reader(value, (), [])
    pattern = read_request(root)
    _refuse_notices(root)
    return pattern


def _refuse_notices(root: Reader) -> None:
    """Refuse what has no effect: nobody reads a notice here, and a search would find too much."""
    if root.notices:
        raise FieldError(root.notices[0].pointer, root.notices[0].problem)


def _version() -> str:
    try:
        return version("stockstream")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"
