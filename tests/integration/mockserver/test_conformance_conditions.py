"""Conditions on requests mean the same in the real WireMock and here, case by case."""

import base64
import gzip
from typing import Any

import pytest

from tests.integration.mockserver.conftest import Both

pytestmark = pytest.mark.proves("M5", "M21")

TAKEN = 299
Asked = tuple[str, str, dict[str, Any]]


def outcomes(both: Both, mapping: dict[str, Any], asked: list[Asked]) -> list[list[bool]]:
    """Which of the requests each of the two takes."""
    both.add({"response": {"status": TAKEN}, **mapping})
    answers = [both.ask(method, url, **options) for method, url, options in asked]
    for pair in answers:
        assert {answer.status_code for answer in pair} <= {TAKEN, 404}, pair[1].text
    return [[pair[index].status_code == TAKEN for pair in answers] for index in (0, 1)]


def path(expression: str, **condition: Any) -> dict[str, Any]:
    return {"matchesJsonPath": {"expression": expression, **condition}}


VALUES = (
    "{}",
    '{"v":"x"}',
    '{"v":"y"}',
    '{"v":null}',
    '{"v":[]}',
    '{"v":{}}',
    '{"v":["b","x"]}',
    "x",
)
OBJECTS = (
    '{"v":{"a":1}}',
    '{"v":1}',
    '{"v":1.0}',
    '{"v":[1]}',
    '{"v":[[1]]}',
    '{"v":true}',
    '{"v":"1"}',
)
ONES = ('{"id":5}', '{"id":"A"}', '{"id":true}', '{"id":null}', "{}", '{"id":{}}', '{"id":"a"}')

BODIES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"matches": '.*"symbol"\\s*:\\s*"AAPL".*'}, ('{\n "symbol": "AAPL"\n}', "AAPL")),
    ({"doesNotMatch": ".*AAPL.*"}, ("\nAAPL\n", "MSFT", "A\nAPL")),
    *(
        ({"matches": regex}, texts)
        for regex, texts in [
            (r"\d+", ("12", "١٢")),
            ("[a-z&&[^b]]+", ("acd", "abd")),
            ("[a-c[x-z]]+", ("ax", "dx")),
            (r"\0101", ("A", "B")),
            (r"\p{L}+", ("äb", "1")),
            (r"\p{Alpha}+", ("ab", "ä")),
            (r"\Qa.b\E+", ("a.bb", "axb")),
            (r"a\Rb\z", ("a\r\nb", "a b")),
            (r"(?<n>a)\k<n>", ("aa", "ab")),
            ("a(?i)b", ("aB", "AB")),
            (r"[\s-.]+", (" -.", "a")),
            ("(?<=a|bc)d|xd", ("xd", "d")),
            ("(?i)ä", ("ä", "Ä")),
            (r"^a$|^\w+$", ("a", "ä", "a\n")),
            ("[^a-z&&[^b]]", ("b", "c", "A")),
            (r"(?m)^a$\n^b$", ("a\nb", "ab")),
        ]
    ),
    *(
        ({"equalToJson": f'{{"id":"${{json-unit.{placeholder}"}}'}, ONES)
        for placeholder in (
            "any-string}", "any-number}", "any-boolean}", "ignore}", "ignore-element}",
            "regex}[A-Z]+",
        )
    ),
    ({"equalToJson": '{"id":"#{json-unit.any-string}"}'}, ONES),
    ({"equalToJson": '["${json-unit.ignore-element}",1]'}, ('["x",1]', "[1]")),
    ({"equalToJson": '{"a":1}'}, ('{"a":1.0}', '{"a":"1"}', '{"a":1,"b":null}', "", "null")),
    ({"equalToJson": '{"a":null}'}, ("{}", '{"a":null}')),
    ({"equalToJson": "[1,2]", "ignoreExtraElements": True}, ("[1,2,3]", "[0,1,2]", "[1,3,2]")),
    (
        {"equalToJson": "[1,2]", "ignoreExtraElements": True, "ignoreArrayOrder": True},
        ("[3,2,1]", "[1]"),
    ),
    ({"equalToJson": '{"a":1}', "ignoreExtraElements": None}, ('{"a":1}', '{"a":1,"b":1}')),
    ({"equalToJson": '{"a":1}', "ignoreExtraElements": "true"}, ('{"a":1,"b":1}', '{"a":2}')),
    ({"equalToJson": "1"}, ("1", "1.0", "2")),
    *(
        (path("$.v", **condition), VALUES)
        for condition in (
            {"doesNotMatch": "x"}, {"doesNotContain": "x"}, {"not": {"equalTo": "x"}},
            {"or": [{"equalTo": "x"}, {"absent": True}]}, {"absent": True},
            {"absent": "(absent)"}, {"matches": ".*"}, {"equalTo": "null"},
        )
    ),
    *(
        (path("$.v", **condition), OBJECTS)
        for condition in (
            {"equalTo": '{"a":1}'}, {"contains": "a"}, {"equalTo": "1"}, {"equalTo": "true"},
            {"equalToJson": '{"a":1}'}, {"matchesJsonPath": "$.a"},
        )
    ),
    ({"matchesJsonPath": "$.v"}, (*VALUES, '{"v":0}', '{"v":false}', '{"v":""}', "[]", "")),
    *(
        ({"matchesJsonPath": expression}, bodies)
        for expression, bodies in [
            ("$.n[?(@.v == 2)]", ('{"n":[{"v":"2"}]}', '{"n":[{"v":2.0}]}', '{"n":[{"v":3}]}')),
            ("$.n[?(@.d == '2.3')]", ('{"n":[{"d":2.3}]}', '{"n":[{"d":2}]}')),
            ("$.n[?(@.n =~ /2/)]", ('{"n":[{"n":2}]}', '{"n":[{"n":22}]}')),
            ("$['a','b']", ('{"a":1}', '{"a":1,"b":2}', "{}")),
            ("$.[?(@.a=='x')]", ('{"a":"x"}', '[{"a":"x"}]', "{}")),
            ("[?(@.a=='x')]", ('{"a":"x"}', "{}")),
            ("a.b", ('{"a":{"b":1}}', "{}")),
            ("$.a[?(@.b in ['x','y'])]", ('{"a":[{"b":"x"}]}', '{"a":[{"b":"z"}]}')),
            ("$.a[?(@.b nin ['x'])]", ('{"a":[{"b":"x"}]}', '{"a":[{"b":"z"}]}')),
            ("$[?($.a == 1)]", ('{"a":1}', '{"a":2}')),
            ("$.a.length()", ('{"a":[1]}', '{"a":"abc"}', "{}", '{"a":[]}')),
            ("$[?(@.a.size() == 2)]", ('{"a":[1,2]}', '{"a":[1]}', '{"a":"ab"}')),
            ("$[?(@.a size 2)]", ('{"a":[1,2]}', '{"a":[1]}')),
            ("$[?(@.a empty true)]", ('{"a":[]}', '{"a":[1]}')),
            ("$[?(@.a contains 'x')]", ('{"a":["x"]}', '{"a":"axb"}', '{"a":["y"]}')),
            ("$[?(@.a subsetof ['x','y'])]", ('{"a":["x"]}', '{"a":["z"]}')),
            ("$[?(@.a anyof ['x','y'])]", ('{"a":["x","z"]}', '{"a":["z"]}')),
            ("$[?(@.a noneof ['x'])]", ('{"a":["z"]}', '{"a":["x"]}')),
            *(
                (f"$[?({compared})]", ("{}", '{"b":null}', '{"b":5}', '{"b":{"c":1}}', '{"b":[]}'))
                for compared in (
                    "@.b =~ /.*/", "@.b =~ /[0-9]*/", "/.*/ =~ @.b", "@.b =~ /null/",
                    "@.b == @.b", "@.z == @.y", "@.b != @.b", "@.b noneof ['q']",
                )
            ),
            ("$[?(@.b =~ /.*/)]", ('{"b":[[1]]}', '{"b":[null]}', '{"b":[{"c":1}]}')),
            ("$.@type", ('{"@type":"x"}', "{}")),
            ("$.a ", ('{"a":1}', "{}")),
            ("$[?(@.a =~ /X/iu)]", ('{"a":"x"}', '{"a":"y"}')),
            ("$[?(@.a != null)]", ('{"a":null}', "{}", '{"a":1}')),
            ("$[?(@.a > '1')]", ('{"a":2}', '{"a":"2"}')),
            ("$[?('x' == @.a)]", ('{"a":"x"}', "{}")),
            ("$[?(@ == 'x')]", ('["x"]', '["y"]')),
            ("$[?(@.a == [1,2])]", ('{"a":[1,2]}', '{"a":[1]}')),
            ("$.['a'].['b']", ('{"a":{"b":1}}', "{}")),
            ("$.a-b", ('{"a-b":1}', "{}")),
            ("$..a", ('{"b":{"a":1}}', "{}")),
            ("$..[?(@.a == 1)]", ('{"b":{"a":1}}', '{"b":[{"a":1}]}', '{"a":2}')),
            ("$.a[?(@.b == 12345678901234567890)]",
             ('{"a":[{"b":12345678901234567890}]}', '{"a":[{"b":12345678901234567891}]}')),
        ]
    ),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "bodies"), BODIES)
def test_bodies(both: Both, pattern: dict[str, Any], bodies: tuple[str, ...]) -> None:
    """Regexes in Java's dialect, placeholders of json-unit, paths of Jayway."""
    asked: list[Asked] = [("POST", "/a", {"content": body.encode()}) for body in bodies]
    wiremock, ours = outcomes(both, {"request": {"url": "/a", "bodyPatterns": [pattern]}}, asked)
    assert ours == wiremock


def get(url: str, **options: Any) -> Asked:
    return ("GET", url, options)


def part(name: str, content: bytes, kind: str = "text/plain") -> tuple[str, tuple[str, bytes, str]]:
    return (name, ("n.txt", content, kind))


def post(**options: Any) -> Asked:
    return ("POST", "/a", options)


LATIN = {"Content-Type": "text/plain;charset=ISO-8859-1"}
DISPOSITION = {"Content-Disposition": {"contains": 'name="f"'}}
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
REQUESTS: list[tuple[dict[str, Any], list[Asked]]] = [
    *(
        ({"url": "/a", name: {"username": "u", "password": "p"}},
         [get("/a"), get("/a", auth=("u", "p")), get("/a", auth=("u", "q"))])
        for name in ("basicAuth", "basicAuthCredentials")
    ),
    (
        {"url": "/a", "formParameters": {"t": {"equalTo": "W"}}},
        [
            post(data={"t": "W"}), post(data={"t": "X"}), post(content="t=W"), post(),
            post(content="t=X&t=W", headers=FORM),
        ],
    ),
    ({"url": "/a", "formParameters": {"t": {"absent": True}}},
     [post(data={"t": "W"}), post(data={"x": "W"}), get("/a")]),
    ({"url": "/a", "multipartPatterns": [{"bodyPatterns": [{"equalTo": "hello"}]}]},
     [post(files=[part("f", b"hello")]), post(files=[part("f", b"bye")]), post(content="hello")]),
    ({"url": "/a", "multipartPatterns": [
        {"matchingType": "ALL", "bodyPatterns": [{"contains": "h"}]}]},
     [post(files=[part("f", b"hello"), part("g", b"oh")]),
      post(files=[part("f", b"hello"), part("g", b"o")])]),
    ({"url": "/a", "multipartPatterns": [{"headers": {"Content-Type": {"contains": "text"}}}]},
     [post(files=[part("f", b"h")]), post(files=[part("f", b"h", "a/b")])]),
    ({"url": "/a", "multipartPatterns": [{"headers": DISPOSITION}]},
     [post(files=[part("f", b"h")]), post(files=[part("g", b"h")])]),
    ({"url": "/a", "host": {"equalTo": "foo.com"}},
     [get("/a"), get("/a", headers={"Host": "foo.com:80"})]),
    ({"url": "/a", "port": 80}, [get("/a"), get("/a", headers={"Host": "foo.com"})]),
    ({"url": "/a", "scheme": "http"}, [get("/a")]),
    ({"url": "/a", "scheme": "https"}, [get("/a")]),
    ({"url": "/a", "clientIp": {"equalTo": "127.0.0.1"}}, [get("/a")]),
    ({"url": "/a", "clientIp": {"equalTo": "10.0.0.1"}}, [get("/a")]),
    ({"url": "/a", "method": "GET_OR_HEAD"}, [get("/a"), ("HEAD", "/a", {}), post()]),
    ({"urlPath": "/a", "queryParameters": {
        "m": {"hasExactly": [{"equalTo": "1"}, {"equalTo": "2"}]}}},
     [get("/a?m=1&m=2"), get("/a?m=2&m=1"), get("/a?m=1"), get("/a?m=1&m=2&m=3")]),
    ({"urlPath": "/a", "queryParameters": {
        "m": {"includes": [{"equalTo": "1"}, {"equalTo": "2"}]}}},
     [get("/a?m=1&m=2&m=3"), get("/a?m=1")]),
    ({"url": "/a", "headers": {"X": {"absent": False}}},
     [get("/a"), get("/a", headers={"X": "1"})]),
    ({"url": "/a", "headers": {"X": {"absent": "(absent)"}}},
     [get("/a"), get("/a", headers={"X": "1"})]),
    ({"urlPathTemplate": "/v1/**"}, [get("/v1/a"), get("/v1/a/b"), get("/v1/"), get("/v1")]),
    ({"urlPathTemplate": "/v1/{a}/**"}, [get("/v1/a"), get("/v1/a/b"), get("/v1/a/")]),
    ({"urlPathTemplate": "/v1/{a-b}/{a.c}", "pathParameters": {"a-b": {"equalTo": "x"}}},
     [get("/v1/x/y"), get("/v1/y/y")]),
    ({"urlPathTemplate": "/v1/{a}", "pathParameters": {"b": {"absent": True}}}, [get("/v1/x")]),
    ({"urlPathTemplate": "/v1/{a}", "pathParameters": {"a": {"equalTo": "x y"}}},
     [get("/v1/x%20y")]),
    ({"url": "/a", "bodyPatterns": [{"equalTo": "ä"}]},
     [
         post(content="ä".encode("latin-1"), headers=LATIN),
         post(content="ä".encode("utf-16"), headers={"Content-Type": "text/plain;charset=UTF-16"}),
         post(content=gzip.compress("ä".encode()), headers={"Content-Encoding": "gzip"}),
         post(content="ä".encode("latin-1")),
     ]),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "asked"), REQUESTS)
def test_requests(both: Both, pattern: dict[str, Any], asked: list[Asked]) -> None:
    """Credentials, forms, parts, host, port, client, several values, charsets, path templates."""
    wiremock, ours = outcomes(both, {"request": pattern}, asked)
    assert ours == wiremock


@pytest.mark.parametrize(
    "mapping",
    [
        {"request": {"url": "/a"}, "response": {"status": "299"}},
        {"request": {"url": "/a"}, "response": {"status": 299.0}},
        {"request": {"url": "/a"}, "priority": "1"},
        {"request": {"url": "/a"}, "priority": 0},
        {"request": {"url": "/a", "method": None}, "id": ""},
        {"request": {"url": "/a"}, "response": {"status": 299, "headers": None}},
        {"request": {"url": "/a"}, "response": {"status": 299, "body": 5}},
        {"request": {"url": "/a"}, "response": {"status": 299, "fixedDelayMilliseconds": "1"}},
        {"request": {"url": "/a"}, "newScenarioState": "x"},
        {"request": None, "$schema": "x", "name": 5},
        {"request": {"url": "/a"}, "persistent": "false", "metadata": {"a": [1]}},
    ],
)
def test_values_that_are_written_otherwise(both: Both, mapping: dict[str, Any]) -> None:
    """Numbers as text, null, priority 0: what WireMock takes is taken."""
    assert outcomes(both, mapping, [get("/a")]) == [[True], [True]]


@pytest.mark.proves("M18")
@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ({"request": {"urlPath": "/a", "bodyPatterns": [{"equalToXml": "<a/>"}]}}, "equalToXml"),
        ({"request": {"urlPath": "/a", "headers": {"X": {"before": "now"}}}}, "before"),
        ({"response": {"proxyBaseUrl": "http://127.0.0.1:1"}}, "proxyBaseUrl"),
        ({"request": {"urlPattern": "/a\\G.*"}}, r"\G"),
        (
            {"response": {"body": "{{xPath '<a/>' '/a'}}", "transformers": ["response-template"]}},
            "xPath",
        ),
    ],
)
def test_what_only_wiremock_has_is_said(both: Both, mapping: dict[str, Any], words: str) -> None:
    """The stub is taken and never matches; who asks reads why."""
    both.add(mapping)
    _, ours = both.ask("GET", "/a")
    assert ours.status_code == 404
    assert words in ours.text
    assert "never matches" in ours.text


def test_credentials_are_those_that_clients_send(both: Both) -> None:
    """What httpx sends for a user and password is what is compared with."""
    header = base64.b64encode(b"u:p").decode()
    wiremock, ours = outcomes(
        both,
        {"request": {"url": "/a", "basicAuth": {"username": "u", "password": "p"}}},
        [get("/a", headers={"Authorization": f"Basic {header}"})],
    )
    assert ours == wiremock == [True]
