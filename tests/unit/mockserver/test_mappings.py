"""Reading mappings: what is refused, what is warned of, what is answered."""

import base64

import pytest

from mockserver.json_types import Json
from mockserver.problems import FieldError
from mockserver.wire_answers import header_bytes
from tests.unit.mockserver.support import mapping, request, server, stub


@pytest.mark.proves("M1", "M5", "M8")
@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ([], (), "expected an object, found a list"),
        ({}, (), "a request and a response"),
        ({"request": 1}, ("request",), "expected an object, found a number"),
        ({"request": {"url": 1}}, ("request", "url"), "expected text"),
        ({"request": {"urlPattern": "["}}, ("request", "urlPattern"), "regular expression"),
        ({"request": {"method": "G T"}}, ("request", "method"), "HTTP method"),
        (
            {"request": {"headers": {"A": {"matches": "("}}}},
            ("request", "headers", "A", "matches"),
            "regular expression",
        ),
        (
            {"request": {"bodyPatterns": [{"equalToJson": "{"}]}},
            ("request", "bodyPatterns", 0, "equalToJson"),
            "not valid JSON",
        ),
        ({"response": {"status": "2OO"}}, ("response", "status"), "whole number"),
        ({"response": {"status": 200.5}}, ("response", "status"), "whole number"),
        ({"response": {"status": 99}}, ("response", "status"), "between 200 and 599"),
        ({"response": {"body": "a", "jsonBody": 1}}, ("response", "jsonBody"), "only one of"),
        ({"response": {"base64Body": "?"}}, ("response", "base64Body"), "Base64"),
        ({"response": {"headers": {"A": {"b": 1}}}}, ("response", "headers", "A"), "a text"),
        ({"response": {"headers": {"A B": "x"}}}, ("response", "headers", "A B"), "header name"),
        ({"response": {"fault": "BANG"}}, ("response", "fault"), "EMPTY_RESPONSE"),
        (
            {"response": {"delayDistribution": {"type": "uniform", "lower": 2, "upper": 1}}},
            ("response", "delayDistribution"),
            "lower is above upper",
        ),
        ({"response": {}, "priority": "high"}, ("priority",), "whole number"),
        ({"response": {}, "id": "x"}, ("id",), "UUID"),
    ],
)
def test_what_is_wrong_is_named(document: Json, pointer: tuple[str | int, ...], words: str) -> None:
    """The error says which field and what about it."""
    with pytest.raises(FieldError) as caught:
        mapping(document)
    assert caught.value.pointer == pointer
    assert words in caught.value.problem


@pytest.mark.proves("M1")
def test_mockservers_format_is_recognised() -> None:
    """The error says what to write instead."""
    with pytest.raises(FieldError) as caught:
        mapping({"httpRequest": {"path": "/a"}, "httpResponse": {"statusCode": 200}})
    assert caught.value.pointer == ("httpRequest",)
    assert "MockServer" in caught.value.problem
    assert '"urlPath"' in caught.value.problem


TEMPLATED: dict[str, Json] = {"transformers": ["response-template"]}


@pytest.mark.proves("M18")
@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"response": {}, "postServeActions": [{"name": "webhook"}]}, "postServeActions"),
        ({"response": {"transformers": ["webhook"]}}, "response.transformers[0]"),
        ({"response": {"headers": {"Content-Length": "5"}}}, "response.headers.Content-Length"),
        ({"response": {}, "newScenarioState": "x"}, "newScenarioState"),
        ({"response": {"body": "{{now}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{nosuch 'x'}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{#if}}"}}, "response.body"),
        ({"request": {"urlPath": "a"}}, "request.urlPath"),
        (
            {"request": {"urlPathTemplate": "/{a}", "pathParameters": {"b": {"absent": True}}}},
            "request.pathParameters.b",
        ),
    ],
)
def test_what_has_no_effect_is_warned_of(document: Json, place: str) -> None:
    """The stub answers as WireMock does, and a notice names the field."""
    (notice,) = mapping(document).notices
    assert str(notice).partition(":")[0] == place
    assert not notice.disables


@pytest.mark.proves("M18")
@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"response": {}, "prioritty": 1}, "prioritty"),
        ({"request": {"methd": "GET"}}, "request.methd"),
        ({"request": {"method": "get"}}, "request.method"),
        ({"request": {"customMatcher": {"name": "x"}}}, "request.customMatcher"),
        ({"request": {"urlPattern": "[a-"}}, None),
        ({"request": {"urlPattern": r"\Ga"}}, "request.urlPattern"),
        ({"request": {"urlPathTemplate": "/{a}/{a}"}}, "request.urlPathTemplate"),
        ({"request": {"headers": {"A": {"before": "now"}}}}, "request.headers.A"),
        ({"request": {"headers": {"A": {"equalT": "a"}}}}, "request.headers.A"),
        ({"request": {"headers": {"A": {"not": {"before": "now"}}}}}, "request.headers.A.not"),
        ({"request": {"headers": {"A": {"equalTo": "a", "x": 1}}}}, "request.headers.A.x"),
        (
            {"request": {"headers": {"A": {"equalTo": "a", "contains": "b"}}}},
            "request.headers.A.contains",
        ),
        ({"request": {"basicAuth": {"username": "u", "password": "p", "x": 1}}},
         "request.basicAuth.x"),
        ({"request": {"bodyPatterns": [{"matchesJsonPath": "$.["}]}},
         "request.bodyPatterns[0].matchesJsonPath"),
        ({"request": {"bodyPatterns": [{"equalToJson": {"a": "${json-unit.matches:m}"}}]}},
         "request.bodyPatterns[0].equalToJson"),
        ({"request": {"bodyPatterns": [{"equalToXml": "<a/>"}]}}, "request.bodyPatterns[0]"),
        ({"response": {"proxyBaseUrl": "http://a"}}, "response.proxyBaseUrl"),
        ({"response": {"boddy": "x"}}, "response.boddy"),
        ({"response": {"delayDistribution": {"type": "x"}}}, "response.delayDistribution.type"),
        ({"response": {**TEMPLATED, "body": "{{soapXPath 'x' 'y'}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{#formatXml}}<a/>{{/formatXml}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{request.metod}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{request.requestLine.metod}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{parameter.x}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{#bogus}}x{{/bogus}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{randomValue type=UUID}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "body": "{{now truncateTo='x'}}"}}, "response.body"),
        ({"response": {**TEMPLATED, "headers": {"A": "{{bogus}}"}}}, "response.headers.A"),
    ],
)  # fmt: skip
def test_what_is_not_supported_never_matches(document: Json, place: str | None) -> None:
    """The mapping is taken, a notice names the field, and the stub answers nothing."""
    if place is None:
        with pytest.raises(FieldError):
            mapping(document)
        return
    taken = mapping(document)
    (notice,) = taken.notices
    assert str(notice).partition(":")[0] == place
    assert notice.disables
    assert str(notice).endswith(", so this stub never matches")
    running = server(taken)
    for asked in (request("/"), request("/", "POST", b'{"a":1}', A="a")):
        answer = running.answer(asked)
        assert answer.status == 404
        assert str(notice) in answer.body.decode()


@pytest.mark.proves("M18")
@pytest.mark.parametrize(
    "template",
    [
        "{{#assign 'x'}}1{{/assign}}{{x}}",
        "{{parseJson '{}' 'doc'}}{{doc.a.b}}",
        "{{val 1 assign='y'}}{{#if y}}{{y}}{{/if}}",
        "{{regexExtract 'a1' '(a)(1)' 'parts'}}{{parts.0}}",
        "{{#each parameters.stocks as |stock|}}{{stock.symbol}}{{symbol}}{{@index}}{{/each}}",
        "{{#with request}}{{method}}{{/with}}{{parameters.anything}}{{@root.request.id}}",
    ],
)
def test_names_that_a_template_makes_are_known(template: str) -> None:
    """What is assigned, what a block names, and what stands inside a value that is walked."""
    assert mapping({"response": {**TEMPLATED, "body": template}}).notices == ()


@pytest.mark.proves("M1", "M8")
@pytest.mark.parametrize(
    "document",
    [
        {"response": {"status": "201", "fixedDelayMilliseconds": "1"}},
        {"response": {"status": 201.0}},
        {"response": {"status": 201, "headers": None, "statusMessage": None}},
        {"response": {"status": 201, "body": 5}, "priority": "1", "id": "", "name": 7},
        {"request": {"method": None, "headers": None}, "response": {"status": 201}, "priority": 0},
        {"$schema": "x", "request": None, "response": {"status": 201}, "priority": -1},
    ],
)
def test_values_are_taken_as_wiremock_takes_them(document: Json) -> None:
    """Numbers as text, null as nothing, any whole priority."""
    taken = mapping(document)
    assert taken.notices == ()
    assert server(taken).answer(request("/")).status == 201


@pytest.mark.proves("M18")
def test_a_supported_mapping_gives_no_notice() -> None:
    """What works is not warned of."""
    taken = mapping(
        {
            "id": "5f1c0c4e-7f1a-4c59-9d8f-0d5a1b3d0001",
            "name": "n",
            "priority": 3,
            "metadata": {"any": ["thing"]},
            "persistent": True,
            "request": {"method": "GET", "urlPath": "/a"},
            "response": {"status": 200, "body": "{{now}}", "transformers": ["response-template"]},
        }
    )
    assert taken.notices == ()


@pytest.mark.proves("M8")
@pytest.mark.parametrize(
    ("response", "body"),
    [
        ({"body": "héllo"}, "héllo".encode()),
        ({"jsonBody": {"a": [1, 2.5, None, "x"]}}, b'{"a":[1,2.5,null,"x"]}'),
        ({"base64Body": base64.b64encode(b"\x00\xff").decode()}, b"\x00\xff"),
        ({}, b""),
        (
            {"jsonBody": {"m": "{{request.method}}"}, "transformers": ["response-template"]},
            b'{"m":"GET"}',
        ),
        ({"body": "{{request.method}}"}, b"{{request.method}}"),
    ],
)
def test_bodies(response: dict[str, Json], body: bytes) -> None:
    """One of body, jsonBody or base64Body; templated only when asked for."""
    assert server(stub(response, urlPath="/")).answer(request("/")).body == body


@pytest.mark.proves("M8")
def test_status_reason_and_headers() -> None:
    """All go out as written, header values as templates too; a list gives the header twice."""
    answer = server(
        stub(
            {
                "status": 503,
                "statusMessage": "Closed for lunch",
                "headers": {"X-One": "{{request.method}}", "X-Two": ["a", "b"]},
                "transformers": ["response-template"],
            }
        )
    ).answer(request("/"))
    assert (answer.status, answer.reason) == (503, "Closed for lunch")
    assert answer.headers[:3] == (("X-One", "GET"), ("X-Two", "a"), ("X-Two", "b"))


@pytest.mark.proves("M14")
@pytest.mark.parametrize(
    "response",
    [
        {"body": "{{math 1 '/' 0}}"},
        {"body": "{{#if}}"},
        {"body": "{{nosuchhelper 1}}"},
        {"headers": {"X": "{{now offset='x'}}"}},
    ],
)
def test_a_template_error_is_a_500_that_begins_with_error(response: dict[str, Json]) -> None:
    """Whether it cannot be read, fails, or would break a header apart."""
    failing = stub({**response, "transformers": ["response-template"]}, urlPath="/")
    answer = server(failing).answer(request("/?x=a%0d%0ab"))
    assert answer.status == 500
    assert answer.body.startswith(b"[ERROR]")
    assert ("Content-Type", "text/plain;charset=UTF-8") in answer.headers


def test_a_mapping_is_shown_with_its_defaults_and_both_ids() -> None:
    """As WireMock shows it."""
    shown = mapping({"request": {"url": "/a"}, "response": {"body": "x"}}).document
    assert shown["request"] == {"method": "ANY", "url": "/a"}
    assert shown["response"] == {"status": 200, "body": "x"}
    assert shown["id"] == shown["uuid"]


@pytest.mark.proves("M8")
@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("plain", b"plain"),
        ("x\r\nSet-Cookie: a=b", b"x  Set-Cookie: a=b"),
        ("\0a\vb\fc", b"a b c"),
        ("ä€", b"\xe4"),
        (" \ta\t", b"a"),
    ],
)
def test_a_header_is_one_line_of_latin_1(value: str, sent: bytes) -> None:
    """Whatever a template made of a request: nothing breaks the head apart."""
    assert header_bytes(value) == sent
