"""A stub mapping: from WireMock's JSON to typed data.

What cannot be right raises `FieldError`, which names the field. What WireMock knows and this
server does not is a `Notice`, so that nothing of a mapping is dropped in silence.
"""

import re
import uuid
from dataclasses import dataclass
from typing import Final

from mockserver.bodies import BodyFiles, read_body
from mockserver.conditions import Condition, compile_regex, read_condition
from mockserver.delays import MAX_DELAY_MILLISECONDS, read_distribution, read_dribble
from mockserver.faults import read_fault
from mockserver.json_types import Json
from mockserver.matching import ANY_URL, PathTemplate, RequestPattern, UrlCondition
from mockserver.problems import Notice, Pointer, Reader, warn_unknown
from mockserver.responses import ResponseDefinition

DEFAULT_PRIORITY: Final = 5
SCENARIO_START: Final = "Started"
_MAPPING_FIELDS: Final = frozenset({
    "id", "uuid", "name", "priority", "request", "response", "persistent", "metadata",
    "scenarioName", "requiredScenarioState", "newScenarioState", "insertionIndex",
})  # fmt: skip
_URL_FIELDS: Final = ("url", "urlPattern", "urlPath", "urlPathPattern", "urlPathTemplate")
_REQUEST_FIELDS: Final = frozenset({
    *_URL_FIELDS, "method", "pathParameters", "queryParameters", "headers", "cookies",
    "bodyPatterns",
})  # fmt: skip
_RESPONSE_FIELDS: Final = frozenset({
    "status", "statusMessage", "headers", "body", "jsonBody", "base64Body", "bodyFileName",
    "fixedDelayMilliseconds", "delayDistribution", "chunkedDribbleDelay", "fault", "transformers",
    "transformerParameters",
})  # fmt: skip
_MOCKSERVER_FIELDS: Final = ("httpRequest", "httpResponse")
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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
    document: dict[str, Json]
    notices: tuple[Notice, ...]
    source: str | None = None

    @property
    def title(self) -> str:
        """What people know the stub by."""
        return self.name or f"{self.request.method} {self.request.url.expected}"


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
    warn_unknown(members, _MAPPING_FIELDS)
    # `request` may be missing, which fits every request, but a mapping without both is a mistake.
    if "request" not in members and "response" not in members:
        raise root.fail("a stub mapping has a request and a response")
    key = identity or _identity(members)
    request = read_request(members["request"]) if "request" in members else RequestPattern()
    response = (
        _response(members["response"], files) if "response" in members else ResponseDefinition()
    )
    priority = DEFAULT_PRIORITY
    if "priority" in members and members["priority"].value is not None:
        priority = members["priority"].whole(1, 2**31 - 1)
    name = members["name"].text() if _given(members, "name") else None
    return StubMapping(
        key, name, priority, request, response, _scenario(members),
        _document(key, members), tuple(root.notices), source,
    )  # fmt: skip


def _given(members: dict[str, Reader], name: str) -> bool:
    return name in members and members[name].value is not None


def _refuse_mockserver(members: dict[str, Reader]) -> None:
    found = next((name for name in _MOCKSERVER_FIELDS if name in members), None)
    if found is not None:
        raise members[found].fail(
            "this is MockServer's format; write a WireMock mapping instead: "
            '{"request": {"method": "GET", "urlPath": "/…"}, '
            '"response": {"status": 200, "body": "…"}}'
        )


def _identity(members: dict[str, Reader]) -> str:
    field = members.get("id", members.get("uuid"))
    if field is None or field.value is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(field.text()))
    except ValueError as error:
        raise field.fail(f"{field.text()!r} is not a UUID") from error


def _scenario(members: dict[str, Reader]) -> Scenario | None:
    if not _given(members, "scenarioName"):
        for name in ("requiredScenarioState", "newScenarioState"):
            if _given(members, name):
                raise members[name].fail("a scenario state needs a scenarioName")
        return None
    required, new = (
        members[name].text() if _given(members, name) else None
        for name in ("requiredScenarioState", "newScenarioState")
    )
    return Scenario(members["scenarioName"].text(), required, new)


def _document(key: str, members: dict[str, Reader]) -> dict[str, Json]:
    document: dict[str, Json] = {"id": key}
    document |= {name: field.value for name, field in members.items() if name not in {"id", "uuid"}}
    request = document.get("request")
    response = document.get("response")
    document["request"] = {"method": "ANY", **(request if isinstance(request, dict) else {})}
    document["response"] = {"status": 200, **(response if isinstance(response, dict) else {})}
    document["uuid"] = key
    return document


def read_request(field: Reader) -> RequestPattern:
    """The request pattern at `field`, of a stub or of a search in the journal."""
    members = field.object()
    warn_unknown(members, _REQUEST_FIELDS)
    method = members["method"].text().upper() if "method" in members else "ANY"
    if _TOKEN.fullmatch(method) is None:
        raise members["method"].fail(f"{method!r} is not an HTTP method")
    given = [name for name in _URL_FIELDS if _given(members, name)]
    if len(given) > 1:
        raise members[given[1]].fail(f"only one of {', '.join(_URL_FIELDS)}; {given[0]} is given")
    template = None
    url = ANY_URL
    if given:
        template = _template(members[given[0]]) if given[0] == "urlPathTemplate" else None
        url = _url(given[0], members[given[0]], template)
    parameters = _conditions(members, "pathParameters")
    names = template.regex.groupindex if template else {}
    for name in parameters:
        if name not in names:
            raise (
                members["pathParameters"]
                .child(name, None)
                .fail("there is no such variable in urlPathTemplate")
            )
    body = (
        tuple(read_condition(item) for item in members["bodyPatterns"].items())
        if _given(members, "bodyPatterns")
        else ()
    )
    return RequestPattern(
        method, url, template, parameters, _conditions(members, "queryParameters"),
        _conditions(members, "headers"), _conditions(members, "cookies"), body,
    )  # fmt: skip


def _url(kind: str, field: Reader, template: PathTemplate | None) -> UrlCondition:
    text = field.text()
    if template is not None:
        return UrlCondition(kind, text, lambda r: template.regex.fullmatch(r.path) is not None)
    if kind == "url":
        return UrlCondition(kind, text, lambda request: request.url == text)
    if kind == "urlPath":
        return UrlCondition(kind, text, lambda request: request.path == text)
    regex = compile_regex(field, text)
    if kind == "urlPattern":
        return UrlCondition(kind, text, lambda request: regex.fullmatch(request.url) is not None)
    return UrlCondition(kind, text, lambda request: regex.fullmatch(request.path) is not None)


def _template(field: Reader) -> PathTemplate:
    text = field.text()
    parts = re.split(r"(\{[^{}]*\})", text)
    regex = ""
    for part in parts:
        name = part[1:-1] if part.startswith("{") and part.endswith("}") else None
        if name is None:
            regex += re.escape(part)
        elif re.fullmatch(r"[A-Za-z_]\w*", name) is None:
            raise field.fail(f"{name!r} is not a name for a path variable")
        elif f"(?P<{name}>" in regex:
            raise field.fail(f"the path variable {name!r} is there twice")
        else:
            regex += f"(?P<{name}>[^/]+)"
    return PathTemplate(text, re.compile(regex))


def _conditions(members: dict[str, Reader], name: str) -> dict[str, Condition]:
    if not _given(members, name):
        return {}
    return {key: read_condition(field) for key, field in members[name].object().items()}


def _response(field: Reader, files: BodyFiles) -> ResponseDefinition:
    members = field.object()
    warn_unknown(members, _RESPONSE_FIELDS)
    templated = _is_templated(members)
    reason = members["statusMessage"].text() if _given(members, "statusMessage") else None
    if reason is not None and re.search(r"[^\t\x20-\x7e]", reason):
        raise members["statusMessage"].fail("only printable ASCII can stand in a status line")
    delay = (
        members["fixedDelayMilliseconds"].whole(0, MAX_DELAY_MILLISECONDS) / 1000
        if _given(members, "fixedDelayMilliseconds")
        else None
    )
    parameters = (
        {name: one.value for name, one in members["transformerParameters"].object().items()}
        if _given(members, "transformerParameters")
        else {}
    )
    headers, body = read_body(members, files, templated=templated)
    return ResponseDefinition(
        # 1xx are not final: a client would wait for the real answer for ever.
        status=members["status"].whole(200, 599) if _given(members, "status") else 200,
        reason=reason,
        headers=headers,
        body=body,
        parameters=parameters,
        fixed_delay_seconds=delay,
        delay_distribution=(
            read_distribution(members["delayDistribution"])
            if _given(members, "delayDistribution")
            else None
        ),
        dribble=(
            read_dribble(members["chunkedDribbleDelay"])
            if _given(members, "chunkedDribbleDelay")
            else None
        ),
        fault=read_fault(members["fault"]) if _given(members, "fault") else None,
    )


def _is_templated(members: dict[str, Reader]) -> bool:
    templated = False
    if _given(members, "transformers"):
        for item in members["transformers"].items():
            if item.text() == "response-template":
                templated = True
            else:
                item.notice(f"the transformer {item.text()!r} is not supported and has no effect")
    return templated
