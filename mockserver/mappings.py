"""A stub mapping: from WireMock's JSON to typed data.

What cannot be right raises `FieldError`, which names the field. What WireMock knows and this
server does not is a `Notice`, and the stub never matches, so that nothing is dropped in silence.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mockserver.bodies import BodyFiles
from mockserver.json_types import Json
from mockserver.matching import RequestPattern
from mockserver.problems import Notice, Pointer, Reader, given, refuse_unknown
from mockserver.request_patterns import read_request
from mockserver.response_fields import read_response
from mockserver.responses import ResponseDefinition

DEFAULT_PRIORITY: Final = 5
SCENARIO_START: Final = "Started"
# Wrappers of what was sent, and an editor's hint, which WireMock takes too.
_FIELDS: Final = frozenset({
    "id", "uuid", "name", "priority", "request", "response", "persistent", "metadata",
    "scenarioName", "requiredScenarioState", "newScenarioState", "insertionIndex", "$schema",
})  # fmt: skip
_AFTERWARDS: Final = frozenset({"postServeActions", "serveEventListeners"})
_MOCKSERVER_FIELDS: Final = ("httpRequest", "httpResponse")


@dataclass(frozen=True, slots=True)
class Scenario:
    """The state machine a stub belongs to: in which state it answers, and the state it leads to."""

    name: str
    required: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class StubMapping:
    """One stub. `document` is its JSON with defaults filled in, for the admin API."""

    id: str
    name: str | None
    priority: int
    request: RequestPattern
    response: ResponseDefinition
    scenario: Scenario | None
    persistent: bool
    document: dict[str, Json]
    notices: tuple[Notice, ...]
    source: str | None = None

    @property
    def title(self) -> str:
        """What people know the stub by."""
        return self.name or f"{self.request.method} {self.request.url.expected}"

    @property
    def obstacles(self) -> Iterator[Notice]:
        """Why it never matches; nothing where it may."""
        return (notice for notice in self.notices if notice.disables)


def read_mapping(
    value: Json,
    files: BodyFiles,
    *,
    pointer: Pointer = (),
    identity: str | None = None,
    source: str | None = None,
) -> StubMapping:
    """The mapping in `value`, which stands at `pointer`. `identity` overrules its id.

    Raises `FieldError`.
    """
    root = Reader(value, pointer, [])
    members = root.object()
    _refuse_mockserver(members)
    for listener in _AFTERWARDS & members.keys():
        if members[listener].value not in (None, [], {}):
            members[listener].notice(
                "webhooks and listeners are not supported; the stub answers, and that is all"
            )
    refuse_unknown(members, _FIELDS | _AFTERWARDS)
    # `request` may be missing, which fits every request, but a mapping without both is a mistake.
    if "request" not in members and "response" not in members:
        raise root.fail("a stub mapping has a request and a response")
    key = identity or _identity(members)
    request, response = given(members, "request"), given(members, "response")
    priority, name = given(members, "priority"), given(members, "name")
    persistent, metadata = given(members, "persistent"), given(members, "metadata")
    if metadata is not None:
        metadata.object()
    return StubMapping(
        id=key,
        name=name.scalar() if name else None,
        request=read_request(request) if request else RequestPattern(),
        response=read_response(response, files) if response else ResponseDefinition(),
        priority=priority.whole(-(2**31), 2**31 - 1) if priority else DEFAULT_PRIORITY,
        scenario=_scenario(members),
        persistent=persistent.flag() if persistent else False,
        document=_document(key, members),
        notices=tuple(root.notices),
        source=source,
    )


def _refuse_mockserver(members: dict[str, Reader]) -> None:
    found = next((name for name in _MOCKSERVER_FIELDS if name in members), None)
    if found is not None:
        raise members[found].fail(
            "this is MockServer's format; write a WireMock mapping instead: "
            '{"request": {"method": "GET", "urlPath": "/…"}, '
            '"response": {"status": 200, "body": "…"}}'
        )


def _identity(members: dict[str, Reader]) -> str:
    field = given(members, "id") or given(members, "uuid")
    if field is None or field.value == "":
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(field.text()))
    except ValueError as error:
        raise field.fail(f"{field.text()!r} is not a UUID") from error


def _scenario(members: dict[str, Reader]) -> Scenario | None:
    scenario = given(members, "scenarioName")
    if scenario is None:
        for name in ("requiredScenarioState", "newScenarioState"):
            if (state := given(members, name)) is not None:
                state.notice("without a scenarioName it has no effect, as in WireMock")
        return None
    required, new = (
        state.scalar() if (state := given(members, name)) is not None else None
        for name in ("requiredScenarioState", "newScenarioState")
    )
    return Scenario(scenario.scalar(), required, new)


def _document(key: str, members: dict[str, Reader]) -> dict[str, Json]:
    document: dict[str, Json] = {"id": key}
    document |= {
        name: field.value
        for name, field in members.items()
        if name not in {"id", "uuid", "$schema"}
    }
    request = document.get("request")
    response = document.get("response")
    document["request"] = {"method": "ANY", **(request if isinstance(request, dict) else {})}
    document["response"] = {"status": 200, **(response if isinstance(response, dict) else {})}
    document["uuid"] = key
    return document
