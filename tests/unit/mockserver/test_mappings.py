"""Reading mappings: what is refused, what is warned of, what is answered."""

import base64

import pytest

from mockserver.json_types import Json
from mockserver.problems import FieldError
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
            {"request": {"headers": {"A": {"equalTo": "a", "contains": "b"}}}},
            ("request", "headers", "A", "contains"),
            "a second condition",
        ),
        (
            {"request": {"bodyPatterns": [{"equalToJson": "{"}]}},
            ("request", "bodyPatterns", 0, "equalToJson"),
            "not valid JSON",
        ),
        (
            {"request": {"bodyPatterns": [{"matchesJsonPath": "a"}]}},
            ("request", "bodyPatterns", 0, "matchesJsonPath"),
            "JSONPath",
        ),
        ({"request": {"urlPathTemplate": "/{a}/{a}"}}, ("request", "urlPathTemplate"), "twice"),
        (
            {"request": {"urlPathTemplate": "/{a}", "pathParameters": {"b": {"absent": True}}}},
            ("request", "pathParameters", "b"),
            "no such variable",
        ),
        ({"response": {"status": "200"}}, ("response", "status"), "whole number"),
        ({"response": {"status": 99}}, ("response", "status"), "between 200 and 599"),
        ({"response": {"body": "a", "jsonBody": 1}}, ("response", "jsonBody"), "only one of"),
        ({"response": {"base64Body": "?"}}, ("response", "base64Body"), "Base64"),
        ({"response": {"headers": {"A": "x\r\nB: y"}}}, ("response", "headers", "A"), "one line"),
        ({"response": {"headers": {"A B": "x"}}}, ("response", "headers", "A B"), "header name"),
        ({"response": {"statusMessage": "é"}}, ("response", "statusMessage"), "ASCII"),
        ({"response": {"fault": "BANG"}}, ("response", "fault"), "EMPTY_RESPONSE"),
        (
            {"response": {"delayDistribution": {"type": "uniform", "lower": 2, "upper": 1}}},
            ("response", "delayDistribution"),
            "lower is above upper",
        ),
        ({"response": {}, "priority": 0}, ("priority",), "between 1"),
        ({"response": {}, "id": "x"}, ("id",), "UUID"),
        ({"response": {}, "newScenarioState": "x"}, ("newScenarioState",), "scenarioName"),
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


@pytest.mark.proves("M18")
@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"response": {}, "postServeActions": []}, "postServeActions"),
        ({"request": {"host": {"equalTo": "a"}}}, "request.host"),
        ({"response": {"proxyBaseUrl": "http://a"}}, "response.proxyBaseUrl"),
        ({"response": {"transformers": ["webhook"]}}, "response.transformers[0]"),
        ({"request": {"headers": {"A": {"before": "now"}}}}, "request.headers.A"),
        (
            {"request": {"headers": {"A": {"equalTo": "a", "x": 1}}}},
            "request.headers.A.x",
        ),
        ({"response": {"headers": {"Content-Length": "5"}}}, "response.headers.Content-Length"),
        ({"response": {"delayDistribution": {"type": "x"}}}, "response.delayDistribution.type"),
        (
            {"response": {"transformers": ["response-template"], "body": "{{soapXPath 'x'}}"}},
            "response.body",
        ),
    ],
)
def test_what_is_not_supported_is_warned_of(document: Json, place: str) -> None:
    """The mapping is taken, and a notice names the field."""
    assert [str(notice).partition(":")[0] for notice in mapping(document).notices] == [place]


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


@pytest.mark.proves("M18")
def test_a_condition_that_cannot_be_tested_is_never_met() -> None:
    """A stub that answers what it should not would be the worse surprise."""
    wary = stub(urlPath="/", headers={"A": {"before": "now"}})
    assert not wary.request.matches(request("/", A="2020-01-01"))


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
        {"headers": {"X": "{{request.query.x}}"}},
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
