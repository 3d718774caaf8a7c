"""The stub API and the real WireMock 3, given the same stubs and requests, answer alike."""

import json
import re
import socket
import time
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from tests.integration.mockserver.conftest import Both

pytestmark = pytest.mark.proves("M21")

ID = "5f1c0c4e-7f1a-4c59-9d8f-0d5a1b3d0001"


def shape(value: Any) -> Any:
    """What a JSON value is made of, without its values."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


def alike(answers: tuple[httpx.Response, httpx.Response], *, body: bool = True) -> httpx.Response:
    """Status, headers that matter and body are equal; return ours."""
    wiremock, ours = answers
    assert ours.status_code == wiremock.status_code, (wiremock.text, ours.text)
    for name in ("matched-stub-id", "matched-stub-name"):
        assert ours.headers.get(name) == wiremock.headers.get(name), name
    kinds = [a.headers.get("content-type", "").replace(" ", "").lower() for a in answers]
    assert kinds[0] == kinds[1]
    if body:
        assert ours.content == wiremock.content
    return ours


@pytest.mark.proves("M2", "M3")
@pytest.mark.parametrize(
    "query",
    ["", "?symbol=AAPL", "?symbols=AAPL,MSFT", "?symbols=TSLA&symbols=NFLX", "?symbols=ZZ", "?x=1"],
)
def test_the_bundled_file_runs_unchanged_on_both(both: Both, query: str) -> None:
    """Same symbols in the same order, same shape; prices in range with two decimals on both."""
    answers = both.ask("GET", f"/api/stock-prices{query}")
    alike(answers, body=False)
    listed = [answer.json() for answer in answers]
    assert shape(listed[0]) == shape(listed[1])
    symbols = [[quote["symbol"] for quote in quotes] for quotes in listed]
    assert symbols[0] == symbols[1]
    for answer, quotes in zip(answers, listed, strict=True):
        prices = re.findall(r'"price":(\d+\.\d\d),', answer.text)
        assert len(prices) == len(quotes)
        times = [re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", q["timestamp"]) for q in quotes]
        assert all(times)
    assert answers[0].headers["cache-control"] == answers[1].headers["cache-control"]


MATCHING: list[tuple[dict[str, Any], list[tuple[str, str, dict[str, Any]]]]] = [
    (
        {"url": "/a?x=1"},
        [("GET", "/a?x=1", {}), ("GET", "/a?x=2", {}), ("GET", "/a", {})],
    ),
    ({"urlPattern": r"/a\?x=\d+"}, [("GET", "/a?x=12", {}), ("GET", "/a?x=12&y", {})]),
    ({"urlPath": "/a"}, [("GET", "/a?x=1", {}), ("GET", "/a/", {}), ("GET", "/A", {})]),
    ({"urlPath": "/a%20b"}, [("GET", "/a%20b", {}), ("GET", "/a+b", {})]),
    ({"urlPathPattern": "/v1/[A-Z.]+"}, [("GET", "/v1/BRK.B", {}), ("GET", "/v1/brk", {})]),
    (
        {"urlPathTemplate": "/p/{s}/q", "pathParameters": {"s": {"matches": "[A-Z]+"}}},
        [("GET", "/p/AAPL/q", {}), ("GET", "/p/aapl/q", {}), ("GET", "/p/A/B/q", {})],
    ),
    (
        {"method": "POST", "urlPath": "/a"},
        [("POST", "/a", {}), ("GET", "/a", {}), ("HEAD", "/a", {}), ("PUT", "/a", {})],
    ),
    (
        {"urlPath": "/a", "queryParameters": {"c": {"equalTo": "USD", "caseInsensitive": True}}},
        [("GET", "/a?c=usd", {}), ("GET", "/a?c=EUR&c=Usd", {}), ("GET", "/a?c", {})],
    ),
    (
        {"urlPath": "/a", "queryParameters": {"c": {"absent": True}, "d": {"doesNotMatch": "x.*"}}},
        [
            ("GET", "/a?d=y", {}),
            ("GET", "/a?d=xy", {}),
            ("GET", "/a", {}),
            ("GET", "/a?c=1&d=y", {}),
        ],
    ),
    (
        {"urlPath": "/a", "queryParameters": {"c": {"doesNotContain": "x"}}},
        [("GET", "/a?c=y", {}), ("GET", "/a?c=xy", {}), ("GET", "/a", {})],
    ),
    (
        {"urlPath": "/a", "queryParameters": {"c": {"matches": "a b|ä"}}},
        [("GET", "/a?c=a+b", {}), ("GET", "/a?c=%C3%A4", {}), ("GET", "/a?c=a%20b%20c", {})],
    ),
    (
        {"urlPath": "/a", "headers": {"X-Token": {"contains": "b"}, "Accept": {"matches": ".*"}}},
        [
            ("GET", "/a", {"headers": {"x-token": "abc"}}),
            ("GET", "/a", {"headers": {"x-token": "xyz"}}),
            ("GET", "/a", {}),
        ],
    ),
    (
        {"urlPath": "/a", "cookies": {"s": {"equalTo": "1"}}},
        [
            ("GET", "/a", {"headers": {"Cookie": "t=2; s=1"}}),
            ("GET", "/a", {"headers": {"Cookie": "s=2"}}),
            ("GET", "/a", {}),
        ],
    ),
    (
        {"urlPath": "/a", "bodyPatterns": [{"equalToJson": '{"a":[1,2],"b":null}'}]},
        [
            ("POST", "/a", {"content": '{"b":null,"a":[1.0,2]}'}),
            ("POST", "/a", {"content": '{"b":null,"a":[2,1]}'}),
            ("POST", "/a", {"content": '{"b":null,"a":[1,2],"c":3}'}),
            ("POST", "/a", {"content": "nonsense"}),
            ("POST", "/a", {}),
        ],
    ),
    (
        {
            "urlPath": "/a",
            "bodyPatterns": [
                {
                    "equalToJson": {"a": [1, {"b": 2}]},
                    "ignoreArrayOrder": True,
                    "ignoreExtraElements": True,
                }
            ],
        },
        [
            ("POST", "/a", {"content": '{"a":[{"b":2,"c":3},1,7]}'}),
            ("POST", "/a", {"content": '{"a":[{"b":3},1]}'}),
        ],
    ),
    (
        {"urlPath": "/a", "bodyPatterns": [{"matchesJsonPath": "$.a[?(@.b > 1)]"}]},
        [
            ("POST", "/a", {"content": '{"a":[{"b":2}]}'}),
            ("POST", "/a", {"content": '{"a":[{"b":1}]}'}),
            ("POST", "/a", {"content": "{}"}),
        ],
    ),
    (
        {
            "urlPath": "/a",
            "bodyPatterns": [{"matchesJsonPath": {"expression": "$.a", "equalTo": "7"}}],
        },
        [
            ("POST", "/a", {"content": '{"a":7}'}),
            ("POST", "/a", {"content": '{"a":"7"}'}),
            ("POST", "/a", {"content": '{"a":[6,7]}'}),
            ("POST", "/a", {"content": '{"a":70}'}),
            ("POST", "/a", {"content": '{"b":7}'}),
        ],
    ),
    (
        {
            "urlPath": "/a",
            "bodyPatterns": [{"or": [{"contains": "x"}, {"matches": "a+"}]}, {"contains": "a"}],
        },
        [
            ("POST", "/a", {"content": "aaa"}),
            ("POST", "/a", {"content": "ax"}),
            ("POST", "/a", {"content": "x"}),
            ("POST", "/a", {"content": "ab"}),
        ],
    ),
    (
        {
            "urlPath": "/a",
            "headers": {"A": {"and": [{"contains": "x"}, {"not": {"contains": "y"}}]}},
        },
        [
            ("GET", "/a", {"headers": {"A": "xz"}}),
            ("GET", "/a", {"headers": {"A": "xy"}}),
            ("GET", "/a", {}),
        ],
    ),
]


@pytest.mark.proves("M5")
@pytest.mark.parametrize(("pattern", "requests"), MATCHING)
def test_matching(
    both: Both, pattern: dict[str, Any], requests: list[tuple[str, str, dict[str, Any]]]
) -> None:
    """Each request is taken by both or refused by both; each pattern takes one and refuses one."""
    both.add({"id": ID, "request": pattern, "response": {"status": 299, "body": "taken"}})
    outcomes = set()
    for method, url, options in requests:
        answers = both.ask(method, url, **options)
        assert answers[0].status_code == answers[1].status_code, (method, url, options)
        assert answers[0].status_code in {299, 404}
        outcomes.add(answers[0].status_code)
    assert outcomes == {299, 404}


@pytest.mark.proves("M6")
def test_priorities(both: Both) -> None:
    """1 first, 5 by default, ties to the latest added."""
    for name, priority in [("a", 9), ("b", None), ("c", 5), ("d", 6)]:
        extra = {} if priority is None else {"priority": priority}
        both.add({"name": name, "request": {"urlPath": "/a"}, "response": {"body": name}, **extra})
    answers = both.ask("GET", "/a")
    assert [answer.text for answer in answers] == ["c", "c"]
    both.add({"name": "e", "priority": 1, "request": {"urlPath": "/a"}, "response": {"body": "e"}})
    both.add({"name": "f", "priority": 4, "request": {"urlPath": "/a"}, "response": {"body": "f"}})
    assert [answer.text for answer in both.ask("GET", "/a")] == ["e", "e"]


@pytest.mark.proves("M8")
@pytest.mark.parametrize(
    "response",
    [
        {"body": "héllo", "headers": {"Content-Type": "text/plain;charset=UTF-8"}},
        {"jsonBody": {"a": [1, "x"]}, "headers": {"Content-Type": "application/json"}},
        {"base64Body": "AAH/"},
        {"bodyFileName": "hello.txt"},
        {"bodyFileName": "hello.txt", "transformers": ["response-template"]},
        {"status": 204},
        {"status": 404, "body": "mine"},
        {"status": 503, "body": "x", "headers": {"X-Two": ["a", "b"], "Retry-After": "5"}},
        {},
    ],
)
def test_responses(both: Both, response: dict[str, Any]) -> None:
    """Status, body of every kind, headers, also those given as a list."""
    both.add({"id": ID, "name": "r", "request": {"urlPath": "/a"}, "response": response})
    answers = both.ask("GET", "/a")
    alike(answers, body="jsonBody" not in response)
    if "jsonBody" in response:
        assert answers[0].json() == answers[1].json()
    for name in ("x-two", "retry-after"):
        assert answers[0].headers.get_list(name) == answers[1].headers.get_list(name)


@pytest.mark.proves("M8")
def test_head_and_reason(both: Both) -> None:
    """HEAD has no body; a statusMessage is the reason phrase on the wire."""
    both.add(
        {
            "id": ID,
            "request": {"urlPath": "/a"},
            "response": {"status": 503, "statusMessage": "Closed for lunch", "body": "later"},
        }
    )
    alike(both.ask("HEAD", "/a"))
    answers = both.ask("GET", "/a")
    alike(answers)
    assert [answer.reason_phrase for answer in answers] == ["Closed for lunch"] * 2


@pytest.mark.proves("M8")
@pytest.mark.parametrize("text", ["ä ÿ", "a€b", "a\tb", "a\x01\x7f", "\xa0x\x85", "a\r\nb"])
def test_characters_of_heads(both: Both, text: str) -> None:
    """As Latin-1; what a head cannot hold is a space in a header, a ? in the reason phrase."""
    both.add(
        {
            "id": ID,
            "request": {"urlPath": "/header"},
            "response": {"headers": {"X-Text": text}, "body": "x"},
        }
    )
    both.add({"request": {"urlPath": "/reason"}, "response": {"statusMessage": text}})
    both.add(
        {
            "request": {"urlPath": "/template"},
            "response": {
                "headers": {"X-Text": "{{request.query.x}}"},
                "transformers": ["response-template"],
            },
        }
    )
    for url in ("/header", f"/template?x={quote(text)}"):
        wiremock, ours = (raw_header(answer, b"x-text") for answer in both.ask("GET", url))
        assert ours == wiremock
    wiremock, ours = (answer.extensions["reason_phrase"] for answer in both.ask("GET", "/reason"))
    assert ours == wiremock


def raw_header(answer: httpx.Response, name: bytes) -> bytes:
    (value,) = (value for given, value in answer.headers.raw if given.lower() == name)
    return value


def test_a_reason_phrase_that_is_not_given(both: Both) -> None:
    """Clients show it."""
    both.add({"request": {"urlPath": "/a"}, "response": {"status": 404}})
    assert [answer.reason_phrase for answer in both.ask("GET", "/a")] == ["Not Found"] * 2


TEMPLATES = [
    "{{request.query.symbol}}|{{request.query.m}}|{{request.query.m.[1]}}|{{request.query.m.last}}",
    "{{request.query.m.[-1]}}|{{request.query.no}}|{{request.query.m.[5]}}|{{request.query.m.size}}",
    "{{request.path}}|{{request.path.[1]}}|{{request.pathSegments.[2]}}|{{request.url}}",
    "{{request.headers.X-Foo}}|{{request.headers.x-foo}}|{{request.cookies.c2}}|{{request.method}}",
    "{{request.body}}|{{{request.query.q}}}|{{request.query.q}}|{{request.bodyAsBase64}}",
    "{{jsonPath request.body '$.a.b[1]'}}|{{jsonPath request.body '$.s'}}|{{jsonPath 'x' '$.a'}}",
    "{{jsonPath request.body '$.none'}}|{{jsonPath request.body '$.none' default='d'}}",
    "{{#each (jsonPath request.body '$.a.b') as |v|}}{{v}};{{/each}}",
    "{{#each (array 7 8)}}{{@index}}={{this}}{{#unless @last}},{{/unless}}{{/each}}",
    "{{#each (jsonPath request.body '$.a')}}{{@key}}={{this}}{{/each}}",
    "{{#each (jsonPath '[[1,2],[3]]' '$')}}{{#each this}}{{this}}{{@../index}};{{/each}}{{/each}}",
    "{{math 1 '+' 2}}|{{math 1 '/' 2}}|{{math 4 '/' 2}}|{{math 1.5 '*' 2}}|{{math 7 '%' 4}}",
    "{{math 10 '/' 4}}|{{math 10.0 '/' 4}}|{{math 7 '-' 9}}|{{math 'q' '+' 2}}",
    "{{#if request.query.m}}Y{{else}}N{{/if}}|{{#if 0}}Y{{else}}N{{/if}}|{{#if 'false'}}Y{{/if}}",
    "{{#if false}}a{{else if true}}b{{else}}c{{/if}}|{{#unless false}}a{{else}}b{{/unless}}",
    "{{#eq 'a' 'a'}}Y{{else}}N{{/eq}}|{{eq 1 2}}|{{eq 'a' 'a' yes='Y' no='N'}}|{{neq 1 2}}",
    "{{contains 'abc' 'b'}}|{{#if (contains 'abc' 'z')}}Y{{else}}N{{/if}}|{{matches 'ab' 'a.'}}",
    "{{not true}}|{{and true false}}|{{or false true}}|{{gt 2 1}}|{{gte 2 2}}|{{lte 1 0}}",
    "{{#assign 'x'}} {{request.query.m}} {{/assign}}[{{x}}]|{{val none or='dflt'}}",
    "{{upper 'abc'}}|{{lower 'ABC'}}|{{capitalize 'abc'}}|{{trim ' a '}}|{{join 'a' 'b' ','}}",
    "{{replace 'aXb' 'X' 'y'}}|{{substring 'abcd' 1 3}}|{{size 'abc'}}|{{lookup (array 'a') 0}}",
    "{{#each (range 1 3)}}{{this}}{{/each}}|{{#each (array)}}x{{else}}none{{/each}}",
    "{{#with request}}{{method}}{{/with}}|{{this.request.method}}",
    "{{parameters.x}}|{{#each parameters.stocks}}{{symbol}}{{../parameters.x}};{{/each}}",
    "{{numberFormat 3.149 '0.0'}}|{{numberFormat 1234567.891 '#,##0.00'}}|{{numberFormat 3 '0'}}",
    "{{numberFormat 0.125 '0.00'}}|{{numberFormat 0.135 '0.00'}}|{{numberFormat 2.5 '0'}}",
    "{{numberFormat 12.5 '000.000'}}|{{numberFormat 12.5 '#.#'}}|{{numberFormat 0.5 '#.##'}}",
    "{{numberFormat 0.5 '#.00'}}|{{numberFormat 0 '#.##'}}|{{numberFormat -0.001 '0.00'}}",
    "{{numberFormat 12.5 'integer'}}|{{numberFormat 0.25 'percent'}}|{{numberFormat 1234.5}}",
    "{{now format='yyyy-MM-dd'}}|{{now offset='-3 days' format='yyyy-MM-dd' timezone='GMT+1'}}",
    "{{now format='EEEE EEE MMMM MMM yy d D'}}|{{now offset='2 months' format='yyyy-MM-dd'}}",
    "{{!comment}}a{{!-- c2 {{x}} --}}b|a  {{~#if true~}}  b {{~/if}} c",
    "a\n{{#if true}}\nb\n  {{else}}\nc\n{{/if}}\nd\n",
    "{{base64 'hello'}}|{{base64 'aGVsbG8=' decode=true}}",
]  # fmt: skip


@pytest.mark.proves("M12", "M15")
@pytest.mark.parametrize("template", TEMPLATES)
def test_templates(both: Both, template: str) -> None:
    """Byte for byte the same text, nothing escaped on either side."""
    both.add(
        {
            "id": ID,
            "request": {"urlPathPattern": "/t/.*"},
            "response": {
                "body": template,
                "headers": {"Content-Type": "text/html"},
                "transformers": ["response-template"],
                "transformerParameters": {"x": 5, "stocks": [{"symbol": "A"}, {"symbol": "B"}]},
            },
        }
    )
    alike(
        both.ask(
            "POST",
            "/t/x/y?symbol=AAPL&m=1&m=2&q=a%20b%3C%26",
            content='{"a":{"b":[1,2.5,"x"]},"s":"q\\"z"}',
            headers={"X-Foo": "foo", "Cookie": "c1=v1; c2=v2", "Content-Type": "text/plain"},
        )
    )


@pytest.mark.proves("M12", "M13")
@pytest.mark.parametrize(
    ("template", "form"),
    [
        ("{{randomDecimal lower=145 upper=155}}", r"1(4[5-9]|5[0-4])\.\d{5,}"),
        ("{{randomDecimal lower='1' upper='2'}}", r"1\.\d{5,}"),
        ("{{randomInt lower=1 upper=3}}", "[12]"),
        ("{{randomValue}}", "[a-z0-9]{36}"),
        ("{{randomValue type='UUID'}}", "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f-]{17}"),
        ("{{randomValue length=8 type='ALPHANUMERIC' uppercase=true}}", "[A-Z0-9]{8}"),
        ("{{randomValue length=8 type='NUMERIC'}}", "[0-9]{8}"),
        ("{{randomValue length=8 type='HEXADECIMAL'}}", "[0-9a-f]{8}"),
        ("{{pickRandom 'a' 'b'}}", "[ab]"),
        ("{{now}}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"),
        ("{{now timezone='Europe/Rome'}}", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0[12]:00"),
        ("{{now format='epoch'}}|{{now format='unix'}}", r"\d{13}\|\d{10}"),
        ("{{now format='HH:mm:ss.SSS Z z X'}}", r"\d\d:\d\d:\d\d\.\d{3} \+0000 UTC Z"),
    ],
)
def test_random_and_time(both: Both, template: str, form: str) -> None:
    """What cannot be equal has the same form on both."""
    both.add(
        {
            "id": ID,
            "request": {"urlPath": "/t"},
            "response": {"body": template, "transformers": ["response-template"]},
        }
    )
    for _ in range(5):
        for answer in both.ask("GET", "/t"):
            assert re.fullmatch(form, answer.text), answer.text


@pytest.mark.proves("M14")
@pytest.mark.parametrize(
    "template",
    ["{{math 1 '/' 0}}", "{{now offset='3 bogus'}}", "{{nosuchhelper 1}}", "{{#if true}}x"],
)
def test_template_errors(both: Both, template: str) -> None:
    """500 on both. WireMock 3's text has no [ERROR] yet, or is a stack trace in HTML."""
    both.add(
        {
            "id": ID,
            "request": {"urlPath": "/t"},
            "response": {"body": template, "transformers": ["response-template"]},
        }
    )
    wiremock, ours = both.ask("GET", "/t")
    assert (wiremock.status_code, ours.status_code) == (500, 500)
    assert ours.text.startswith("[ERROR]")


@pytest.mark.proves("M7")
def test_no_match(both: Both) -> None:
    """404 in plain text that names the closest stub, on both."""
    both.add({"name": "near one", "request": {"urlPath": "/near"}, "response": {}})
    answers = both.ask("GET", "/neat")
    alike(answers, body=False)
    assert all("near one" in answer.text for answer in answers)


@pytest.mark.proves("M11")
def test_scenarios(both: Both) -> None:
    """The same states through the same requests and admin calls."""
    for state, new in [("Started", "down"), ("down", "Started")]:
        both.add(
            {
                "scenarioName": "outage",
                "requiredScenarioState": state,
                "newScenarioState": new,
                "request": {"urlPath": "/a"},
                "response": {"body": state},
            }
        )
    for expected in ("Started", "down", "Started"):
        assert [answer.text for answer in both.ask("GET", "/a")] == [expected] * 2
    wiremock, ours = (
        answer.json()["scenarios"] for answer in both.ask("GET", "/__admin/scenarios")
    )
    assert {(s["name"], s["state"]) for s in ours} == {(s["name"], s["state"]) for s in wiremock}
    assert set(ours[0]) == set(wiremock[0])
    assert sorted(ours[0]["possibleStates"]) == sorted(wiremock[0]["possibleStates"])
    path = "/__admin/scenarios/outage/state"
    alike(both.ask("PUT", path, json={"state": "down"}))
    assert [answer.text for answer in both.ask("GET", "/a")] == ["down"] * 2
    for bad, content in [
        (path, {"state": "none"}),
        ("/__admin/scenarios/no/state", {"state": "x"}),
    ]:
        wiremock, ours = both.ask("PUT", bad, json=content)
        assert ours.status_code == wiremock.status_code
        assert ours.json() == wiremock.json()
    both.ask("PUT", path, json={"state": "down"})
    alike(both.ask("POST", "/__admin/scenarios/reset"))
    assert [answer.text for answer in both.ask("GET", "/a")] == ["Started"] * 2


@pytest.mark.proves("M9")
def test_delays(both: Both) -> None:
    """A stub's own delay, the global one, and a dribbled body take as long on both."""
    both.add(
        {
            "request": {"urlPath": "/own"},
            "response": {"body": "x", "fixedDelayMilliseconds": 100},
        }
    )
    both.add(
        {
            "request": {"urlPath": "/drip"},
            "response": {
                "body": "0123456789",
                "chunkedDribbleDelay": {"numberOfChunks": 5, "totalDuration": 200},
            },
        }
    )
    both.add({"request": {"urlPath": "/plain"}, "response": {"body": "x"}})
    alike(both.ask("POST", "/__admin/settings", json={"fixedDelay": 800}), body=False)
    for path, least, most in [("/own", 0.1, 0.8), ("/drip", 0.95, 5), ("/plain", 0.8, 5)]:
        for client in both.each():
            started = time.monotonic()
            assert client.get(path).status_code == 200
            assert least <= time.monotonic() - started < most, (path, client.base_url)


@pytest.mark.proves("M10")
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("EMPTY_RESPONSE", "empty"),
        ("CONNECTION_RESET_BY_PEER", "reset"),
        ("RANDOM_DATA_THEN_CLOSE", "garbage"),
        ("MALFORMED_RESPONSE_CHUNK", "chunk"),
    ],
)
def test_faults(both: Both, fault: str, expected: str) -> None:
    """What a plain socket sees is of the same kind."""
    both.add({"request": {"urlPath": "/f"}, "response": {"fault": fault}})
    for client in both.each():
        assert raw_outcome(client, "/f") == expected, client.base_url


def raw_outcome(client: httpx.Client, path: str) -> str:
    """How a connection ends: reset, empty, garbage, or a good head with a bad chunk."""
    parts = urlsplit(str(client.base_url))
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        try:
            while data := sock.recv(4096):
                received += data
        except ConnectionResetError:
            return "reset"
    if not received:
        return "empty"
    if not received.startswith(b"HTTP/1.1 200"):
        return "garbage"
    head, _, rest = received.partition(b"\r\n\r\n")
    is_chunk = re.match(rb"[0-9a-fA-F]+\r\n", rest) is not None
    return "chunk" if b"chunked" in head.lower() and rest and not is_chunk else "whole"


@pytest.mark.proves("M16")
def test_admin_mappings(both: Both) -> None:
    """Add, get, list, replace, remove, and every error: same status and shape."""
    mapping = {"id": ID, "name": "n", "request": {"url": "/a"}, "response": {"body": "1"}}
    added = both.ask("POST", "/__admin/mappings", json=mapping)
    assert [answer.status_code for answer in added] == [201, 201]
    assert added[0].json() == added[1].json()
    twice = both.ask("POST", "/__admin/mappings", json=mapping)
    assert [answer.status_code for answer in twice] == [422, 422]
    assert shape(twice[0].json()) == shape(twice[1].json())
    path = f"/__admin/mappings/{ID}"
    shown = both.ask("GET", path)
    assert shown[0].json() == shown[1].json()
    listed = [answer.json() for answer in both.ask("GET", "/__admin/mappings")]
    assert [entry["id"] for entry in listed[0]["mappings"]] == [
        entry["id"] for entry in listed[1]["mappings"]
    ]
    assert listed[0]["meta"] == listed[1]["meta"] == {"total": 2}
    one = [answer.json() for answer in both.ask("GET", "/__admin/mappings?limit=1&offset=1")]
    assert [len(answer["mappings"]) for answer in one] == [1, 1]
    replaced = both.ask("PUT", path, json={"request": {"url": "/a"}, "response": {"body": "2"}})
    assert [answer.status_code for answer in replaced] == [200, 200]
    assert replaced[0].json() == replaced[1].json()
    assert [answer.text for answer in both.ask("GET", "/a")] == ["2", "2"]
    removed = both.ask("DELETE", path)
    assert [answer.status_code for answer in removed] == [200, 200]
    for method, url, options in [
        ("GET", path, {}),
        ("DELETE", path, {}),
        ("PUT", path, {"json": mapping}),
        ("GET", "/__admin/mappings/nouuid", {}),
        ("GET", "/a", {}),
        ("POST", "/__admin/mappings", {"content": '{"request":'}),
        ("POST", "/__admin/mappings", {"json": {"request": {"urlPattern": "["}}}),
        ("POST", "/__admin/mappings", {"json": {"response": {"status": "abc"}}}),
        ("GET", "/__admin/nothing", {}),
    ]:
        wiremock, ours = both.ask(method, url, **options)
        assert ours.status_code == wiremock.status_code, (method, url)
        if wiremock.headers.get("content-type") == "application/json":
            assert ours.json()["errors"][0].keys() >= {"code", "title"}


@pytest.mark.proves("M16")
def test_admin_reset(both: Both) -> None:
    """Back to the files, with an empty journal."""
    both.add({"request": {"url": "/a"}, "response": {}})
    both.ask("GET", "/a")
    for path in ("/__admin/mappings/reset", "/__admin/reset"):
        answers = both.ask("POST", path)
        assert [answer.status_code for answer in answers] == [200, 200]
        assert [answer.status_code for answer in both.ask("GET", "/a")] == [404, 404]
    both.ask("POST", "/__admin/reset")
    for answer in both.ask("GET", "/__admin/requests"):
        assert answer.json()["requests"] == []
    assert [a.status_code for a in both.ask("GET", "/api/stock-prices")] == [200, 200]


@pytest.mark.proves("M16")
def test_admin_requests(both: Both) -> None:
    """The journal: everything WireMock tells of a request that clients read, we tell too."""
    both.add({"request": {"urlPath": "/a"}, "response": {"body": "x"}})
    both.ask("POST", "/a?x=1&x=2", content=b"hello", headers={"Cookie": "a=b", "X-Foo": "f"})
    both.ask("GET", "/none?1")
    both.ask("GET", "/none?2")
    wiremock, ours = (answer.json() for answer in both.ask("GET", "/__admin/requests"))
    assert ours["meta"] == wiremock["meta"] == {"total": 3}
    assert ours["requestJournalDisabled"] is wiremock["requestJournalDisabled"] is False
    for mine, theirs in zip(ours["requests"], wiremock["requests"], strict=True):
        assert mine["wasMatched"] == theirs["wasMatched"]
        for name in ("url", "method", "clientIp", "body", "bodyAsBase64", "cookies", "queryParams",
                     "protocol", "scheme", "host", "browserProxyRequest"):  # fmt: skip
            assert mine["request"][name] == theirs["request"][name], name
        assert mine["responseDefinition"] == theirs["responseDefinition"]
        assert mine["response"]["status"] == theirs["response"]["status"]
        assert set(mine["request"]) | {"formParams"} == set(theirs["request"])
    assert ours["requests"][2]["request"]["headers"]["X-Foo"] == "f"
    for pattern in (
        {"method": "POST", "urlPath": "/a"},
        {"urlPath": "/a", "queryParameters": {"x": {"equalTo": "2"}}},
        {"url": "/nothing"},
        {},
    ):
        counts = both.ask("POST", "/__admin/requests/count", json=pattern)
        assert counts[0].json() == counts[1].json()
        found = [a.json() for a in both.ask("POST", "/__admin/requests/find", json=pattern)]
        urls = [[asked["url"] for asked in one["requests"]] for one in found]
        assert urls[0] == urls[1], pattern
    unmatched = [answer.json() for answer in both.ask("GET", "/__admin/requests/unmatched")]
    urls = [[asked["url"] for asked in one["requests"]] for one in unmatched]
    assert urls[0] == urls[1]
    assert len(urls[1]) == 2
    assert set(unmatched[0]) == set(unmatched[1])
    cleared = both.ask("DELETE", "/__admin/requests")
    assert [answer.status_code for answer in cleared] == [200, 200]
    for answer in both.ask("GET", "/__admin/requests"):
        assert answer.json()["meta"] == {"total": 0}


@pytest.mark.proves("M16")
def test_admin_settings_and_health(both: Both) -> None:
    """Settings are kept as they were sent; health has the same fields."""
    sent = {"fixedDelay": 5, "delayDistribution": {"type": "uniform", "lower": 1, "upper": 2}}
    both.ask("POST", "/__admin/settings", json=sent)
    wiremock, ours = (answer.json() for answer in both.ask("GET", "/__admin/settings"))
    for name, value in sent.items():
        assert ours["settings"][name] == wiremock["settings"][name] == value
    wiremock, ours = (answer.json() for answer in both.ask("GET", "/__admin/health"))
    assert shape(ours) == shape(wiremock)
    assert ours["status"] == wiremock["status"] == "healthy"
    json.dumps(ours)
