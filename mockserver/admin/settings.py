"""The admin API's calls on scenarios, settings, the outage switches and health."""

from importlib.metadata import PackageNotFoundError, version

from quart import Blueprint, Response, request

from mockserver.admin.answers import AdminError, answer, empty, refuse_notices, sent
from mockserver.delays import MAX_DELAY_MILLISECONDS, read_distribution
from mockserver.json_types import read_json
from mockserver.outage import read_outage
from mockserver.problems import Reader, refuse_unknown
from mockserver.stub_server import DEFAULT_SETTINGS, Settings, StubServer
from mockserver.stub_source import StubSource
from mockserver.views import error_json, iso, scenario_json


def scenario_routes(admin: Blueprint, server: StubServer) -> None:
    """Add the routes of scenarios to `admin`."""

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


def server_routes(admin: Blueprint, server: StubServer, source: StubSource) -> None:
    """Add the routes of settings, switches and health to `admin`."""

    @admin.get("/settings")
    async def get_settings() -> Response:
        return answer({"settings": server.settings.document})

    @admin.post("/settings")
    @admin.put("/settings")
    async def set_settings() -> Response:
        server.settings = _settings(Reader(await sent(), (), []))
        return empty()

    @admin.get("/outage")
    async def get_outage() -> Response:
        return answer(server.outage.as_json())

    @admin.put("/outage")
    async def set_outage() -> Response:
        server.outage = read_outage(await sent())
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
        refuse_notices(root)
        return DEFAULT_SETTINGS
    fixed = (
        given["fixedDelay"].whole(0, MAX_DELAY_MILLISECONDS) / 1000
        if "fixedDelay" in given
        else None
    )
    distribution = (
        read_distribution(given["delayDistribution"]) if "delayDistribution" in given else None
    )
    refuse_notices(root)
    return Settings(fixed, distribution, {name: field.value for name, field in given.items()})


def _version() -> str:
    try:
        return version("stockstream")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"
