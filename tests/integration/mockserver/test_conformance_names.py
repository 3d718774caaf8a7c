"""Every field of WireMock's published schema, and every helper in its jar, is supported or said."""

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.bodies import BodyFiles
from mockserver.mappings import read_mapping
from mockserver.problems import FieldError
from mockserver.templating.helpers import HELPERS, UNSUPPORTED
from tests.integration.mockserver.conftest import wiremock_jar

pytestmark = pytest.mark.proves("M18", "M21")

SUPPORTED = {
    "stub-mapping": {
        "id", "uuid", "name", "request", "response", "persistent", "priority", "scenarioName",
        "requiredScenarioState", "newScenarioState", "metadata",
    },
    "request-pattern": {
        "scheme", "host", "port", "method", "url", "urlPath", "urlPathPattern", "urlPattern",
        "urlPathTemplate", "pathParameters", "queryParameters", "formParameters", "headers",
        "clientIp", "basicAuthCredentials", "cookies", "bodyPatterns", "multipartPatterns",
    },
    "response-definition": {
        "status", "statusMessage", "headers", "body", "base64Body", "jsonBody", "bodyFileName",
        "fault", "fixedDelayMilliseconds", "delayDistribution", "chunkedDribbleDelay",
        "fromConfiguredStub", "transformerParameters", "transformers",
    },
    "content-pattern": {
        "equalTo", "caseInsensitive", "contains", "doesNotContain", "matches", "doesNotMatch",
        "absent", "and", "or", "not", "equalToJson", "ignoreArrayOrder", "ignoreExtraElements",
        "matchesJsonPath", "hasExactly", "includes",
    },
}  # fmt: skip
# What does not follow from the type that the schema gives.
SAMPLES: dict[str, Any] = {
    "id": "5f1c0c4e-7f1a-4c59-9d8f-0d5a1b3d0001", "uuid": "5f1c0c4e-7f1a-4c59-9d8f-0d5a1b3d0001",
    "fault": "EMPTY_RESPONSE", "status": 200, "method": "GET", "port": 80,
    "delayDistribution": {"type": "fixed", "milliseconds": 1}, "base64Body": "eA==",
    "chunkedDribbleDelay": {"numberOfChunks": 1, "totalDuration": 1}, "bodyFileName": "x.txt",
    "basicAuthCredentials": {"username": "u", "password": "p"}, "host": {"equalTo": "a"},
    "clientIp": {"equalTo": "a"}, "url": "/a", "urlPath": "/a", "urlPattern": "/a",
    "urlPathPattern": "/a", "urlPathTemplate": "/{a}", "request": {}, "response": {},
    "scenarioName": "s", "equalToJson": "{}", "matchesJsonPath": "$.a", "not": {"equalTo": "a"},
    "and": [{"equalTo": "a"}, {"equalTo": "b"}], "or": [{"equalTo": "a"}, {"equalTo": "b"}],
    "hasExactly": [{"equalTo": "a"}], "includes": [{"equalTo": "a"}],
    "customMatcher": {"name": "m"},
    "postServeActions": [{"name": "w"}], "serveEventListeners": [{"name": "w"}],
    "removeProxyRequestHeaders": ["a"],
}  # fmt: skip


@pytest.fixture(scope="module")
def jar() -> Iterator[zipfile.ZipFile]:
    path = wiremock_jar()
    if path is None or not path.exists():
        pytest.skip("conformance with WireMock IS SKIPPED: its jar is missing")
    with zipfile.ZipFile(path) as opened:
        yield opened


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """Those of a definition, wherever it keeps them."""
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= properties(part)
    return found


def sample(name: str, schema: dict[str, Any]) -> Any:
    by_type = {"string": "text", "integer": 1, "boolean": True, "array": [], "object": {}}
    return SAMPLES.get(name, by_type.get(schema.get("type", ""), {}))


def outcome(mapping: dict[str, Any], name: str, directory: Path) -> str:
    """`supported`, or `said`: the field is named in a notice or an error."""
    try:
        notices = read_mapping(mapping, BodyFiles(directory)).notices
    except FieldError as error:
        return "said" if name in str(error) else f"another error: {error}"
    return "said" if any(name in str(notice) for notice in notices) else "supported"


def test_every_field_of_the_schema(jar: zipfile.ZipFile, tmp_path: Path) -> None:
    """A field that this server does not know is named; so is every condition."""
    (tmp_path / "x.txt").write_text("x")
    schema = json.loads(jar.read("schemas/wiremock-stub-mapping.json"))["definitions"]
    fields = {
        place: properties(schema[place])
        for place in ("stub-mapping", "request-pattern", "response-definition")
    }
    fields["content-pattern"] = {
        name: inner
        for pattern, definition in schema.items()
        if pattern.endswith("-pattern") and pattern != "request-pattern"
        for name, inner in properties(definition).items()
    }
    assert len(fields["content-pattern"]) > 25
    for place, members in fields.items():
        outcomes = {
            name: outcome(mapping_with(place, name, inner), name, tmp_path)
            for name, inner in members.items()
        }
        supported = {name for name, one in outcomes.items() if one == "supported"}
        assert supported == SUPPORTED[place]
        assert {one for name, one in outcomes.items() if name not in supported} <= {"said"}


def mapping_with(place: str, name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A mapping that has nothing but the field `name`, and what this cannot stand without."""
    value = {name: sample(name, schema)}
    if place == "stub-mapping":
        more = {"scenarioName": "s"} if name.endswith("ScenarioState") else {}
        return {"response": {}, **more, **value}
    if place == "response-definition":
        return {"response": value}
    if place == "request-pattern":
        more = {"urlPathTemplate": "/{text}"} if name == "pathParameters" else {}
        return {"request": {**more, **value}}
    owners = {"caseInsensitive": {"equalTo": "a"}, "ignoreArrayOrder": {"equalToJson": "{}"}}
    owners["ignoreExtraElements"] = owners["ignoreArrayOrder"]
    return {"request": {"headers": {"X": {**owners.get(name, {}), **value}}}}


def enum_constants(code: bytes) -> list[str]:
    """The names of the constants of an enum, from its class file (JVM specification, chapter 4)."""
    count = struct.unpack_from(">H", code, 8)[0]
    texts: dict[int, str] = {}
    at, index = 10, 1
    sizes = {
        3: 5,
        4: 5,
        5: 9,
        6: 9,
        7: 3,
        8: 3,
        9: 5,
        10: 5,
        11: 5,
        12: 5,
        15: 4,
        16: 3,
        17: 5,
        18: 5,
    }
    while index < count:
        tag = code[at]
        if tag == 1:
            length = struct.unpack_from(">H", code, at + 1)[0]
            texts[index] = code[at + 3 : at + 3 + length].decode(errors="replace")
            at += 3 + length
        else:
            at += sizes[tag]
        index += 2 if tag in {5, 6} else 1
    interfaces = struct.unpack_from(">H", code, at + 6)[0]
    at += 8 + 2 * interfaces
    fields = struct.unpack_from(">H", code, at)[0]
    at += 2
    names = []
    for _ in range(fields):
        flags, name, _, attributes = struct.unpack_from(">HHHH", code, at)
        at += 8
        for _ in range(attributes):
            at += 6 + struct.unpack_from(">I", code, at + 2)[0]
        if flags & 0x4000:
            names.append(texts[name])
    return names


@pytest.mark.parametrize(
    ("enum", "least"),
    [
        (
            "com/github/tomakehurst/wiremock/extension/responsetemplating/helpers/WireMockHelpers",
            30,
        ),
        ("wiremock/com/github/jknack/handlebars/helper/StringHelpers", 20),
        ("wiremock/com/github/jknack/handlebars/helper/ConditionalHelpers", 8),
    ],
)
def test_every_helper(jar: zipfile.ZipFile, enum: str, least: int, tmp_path: Path) -> None:
    """It is here, or a stub that calls it never matches and says so."""
    names = enum_constants(jar.read(f"{enum}.class"))
    assert len(names) >= least
    assert set(names) <= HELPERS.keys() | UNSUPPORTED
    for name in set(names) - HELPERS.keys():
        for template in (
            f"{{{{{name} 'x'}}}}",
            f"{{{{{name}}}}}",
            f"{{{{#{name}}}}}x{{{{/{name}}}}}",
        ):
            response = {"body": template, "transformers": ["response-template"]}
            notices = read_mapping({"response": response}, BodyFiles(tmp_path)).notices
            assert [notice.disables for notice in notices] == [True], template
            assert name in str(notices[0])
