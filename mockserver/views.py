"""The admin API's JSON, in WireMock's shapes."""

import base64
from datetime import UTC, datetime

from mockserver.incoming import Request
from mockserver.journal import Entry
from mockserver.json_types import Json
from mockserver.mappings import StubMapping
from mockserver.scenarios import ScenarioView


def mappings_json(stubs: list[StubMapping], total: int) -> dict[str, Json]:
    """A list of stubs, and how many there are in all."""
    return {"mappings": [stub.document for stub in stubs], "meta": {"total": total}}


def request_json(request: Request, logged: datetime) -> dict[str, Json]:
    """A request of the journal."""
    return {
        "url": request.url,
        "absoluteUrl": request.absolute_url,
        "method": request.method,
        "clientIp": request.client_ip,
        # ASGI has names in lower case; this is how clients mostly write them.
        "headers": {
            name.title(): _one_or_many(values) for name, values in request.header_values.items()
        },
        "cookies": {name: _one_or_many(values) for name, values in request.cookies.items()},
        "browserProxyRequest": False,
        "loggedDate": int(logged.timestamp() * 1000),
        "loggedDateString": iso(logged),
        "bodyAsBase64": base64.b64encode(request.body).decode(),
        "body": request.text,
        "protocol": request.protocol,
        "scheme": request.scheme,
        "host": request.host,
        "port": request.port,
        "queryParams": {
            name: {"key": name, "values": list(values)} for name, values in request.query.items()
        },
    }


def entry_json(entry: Entry) -> dict[str, Json]:
    """An entry of the journal: the request, the stub that answered and the answer."""
    answer = entry.answer
    response: dict[str, Json] = {
        "status": answer.status,
        "headers": dict(answer.headers),
        "bodyAsBase64": base64.b64encode(answer.body).decode(),
        "body": answer.body.decode(errors="replace"),
    }
    if answer.fault is not None:
        response["fault"] = answer.fault.value
    event: dict[str, Json] = {
        "id": entry.id,
        "request": request_json(entry.request, entry.logged),
        "responseDefinition": (
            entry.stub.document["response"]
            if entry.stub
            else {"status": 404, "fromConfiguredStub": False}
        ),
        "response": response,
        "wasMatched": entry.matched,
    }
    if entry.stub is not None:
        event["stubMapping"] = entry.stub.document
    return event


def near_miss_json(
    request: Request, logged: datetime, stub: StubMapping, far: float
) -> dict[str, Json]:
    """A stub that a request came near to."""
    return {
        "request": request_json(request, logged),
        "stubMapping": stub.document,
        "matchResult": {"distance": far},
    }


def pattern_miss_json(
    request: Request, logged: datetime, pattern: Json, far: float
) -> dict[str, Json]:
    """A request that came near to a pattern."""
    return {
        "request": request_json(request, logged),
        "requestPattern": pattern,
        "matchResult": {"distance": far},
    }


def scenario_json(scenario: ScenarioView) -> dict[str, Json]:
    """A scenario with its stubs."""
    return {
        "id": scenario.name,
        "name": scenario.name,
        "state": scenario.state,
        "possibleStates": list(scenario.possible_states),
        "mappings": [stub.document for stub in scenario.mappings],
    }


def error_json(
    code: int, title: str, detail: str | None = None, pointer: tuple[str | int, ...] | None = None
) -> dict[str, Json]:
    """An error answer."""
    error: dict[str, Json] = {"code": code, "title": title}
    if pointer:
        error["source"] = {"pointer": "/" + "/".join(map(str, pointer))}
    if detail is not None:
        error["detail"] = detail
    return {"errors": [error]}


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_or_many(values: tuple[str, ...]) -> Json:
    return values[0] if len(values) == 1 else list(values)
