"""What clients and stubs may send to hold the event loop or fill the memory ends in an answer."""

import gzip
import json
import time
from pathlib import Path

import pytest

from mockserver.bodies import BodyFiles
from mockserver.json_types import Json
from mockserver.mappings import read_mapping
from mockserver.responses import BodyChoice
from tests.unit.mockserver.support import request, server, stub

pytestmark = pytest.mark.proves("M14", "M17")

SECONDS = 10.0  # of a busy machine; without its limit each of these takes minutes or all memory
TEMPLATED: dict[str, Json] = {"transformers": ["response-template"]}
GROWING = "{{val (array 1 2) assign='a'}}" + "{{val (array a a) assign='a'}}" * 60
TWICE = GROWING + GROWING.replace("'a'", "'b'").replace("a a", "b b")
ROWS = json.dumps([[{"y": number} for number in range(300)] for _ in range(100)])
CUBE: Json = [[[1] * 20] * 20] * 20
OTHER_CUBE: Json = [[[2] * 20] * 20] * 20


def answered(stubbed: dict[str, Json], body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Status and text of the answer, which is in the journal too."""
    response = stubbed.pop("response", {})
    running = server(stub(response, urlPath="/a", **stubbed))  # type: ignore[arg-type]
    begun = time.monotonic()
    answer = running.answer(request("/a", "POST", body, **headers))
    assert time.monotonic() - begun < SECONDS
    (entry,) = running.journal.newest_first()
    assert entry.answer == answer
    return answer.status, answer.body.decode()


@pytest.mark.parametrize(
    "template",
    [
        GROWING + "{{toJson a}}",
        GROWING + "{{a}}",
        GROWING + "{{jsonPath a '$..*'}}",
        TWICE + "{{eq a b}}",
        "{{val 'x' assign='a'}}" + "{{val (join a a '') assign='a'}}" * 60,
        "{{replace request.body 'a' request.body}}",
        "{{rjust 'a' size=99999999}}",
        "{{#each (range 1 99999)}}{{#each (range 1 99999)}}{{/each}}{{/each}}",
        "{{matches request.body '(a|aa)+$'}}",
        "{{math '1e99999999' '+' 1}}",
        "{{numberFormat '1' '0.00' minimumFractionDigits=999999999}}",
    ],
)
def test_templates_that_grow_without_end(template: str) -> None:
    """500, and what was too much."""
    body = b"a" * 200_000 + b"b"
    body = body if "matches" not in template else b"a" * 60 + b"b"
    status, text = answered({"response": {**TEMPLATED, "body": template}}, body)
    assert status == 500
    assert text.startswith("[ERROR]")


@pytest.mark.parametrize(
    ("condition", "body"),
    [
        ({"matchesJsonPath": "$..[?(@..[?(@..x)])]"}, ROWS),
        ({"matchesJsonPath": "$..*..*..*..*..zz"}, ROWS),
        ({"equalToJson": CUBE, "ignoreArrayOrder": True}, json.dumps(OTHER_CUBE)),
        ({"matches": "(?:a{1,50}){1,50}b"}, "a" * 100),
    ],
)
def test_conditions_that_need_too_much(condition: Json, body: str) -> None:
    """500 too: that it does not fit is not known."""
    status, text = answered({"bodyPatterns": [condition]}, body.encode())
    assert status == 500
    assert text.startswith("[ERROR]")


@pytest.mark.parametrize(
    "charset",
    [
        "idna",
        "punycode",
        "undefined",
        "hex",
        "none",
        "utf-7",
        "unicode_escape",
        "raw_unicode_escape",
    ],
)
def test_charsets_that_are_none(charset: str) -> None:
    """The body is read as UTF-8, so that the journal can be written: `+2AA-` is half a pair."""
    kind = f"text/plain;charset={charset}"
    echo: dict[str, Json] = {**TEMPLATED, "body": "{{request.body}}"}
    body = rb"xx +2AA- \ud800"
    contains: dict[str, Json] = {"bodyPatterns": [{"contains": "xx"}], "response": echo}
    assert answered(contains, body, Content_Type=kind) == (200, body.decode())


def test_a_body_that_unpacks_to_gigabytes_is_not_unpacked() -> None:
    """It is looked at as it came."""
    packed = gzip.compress(b"x" * 50_000_000)
    status, _ = answered({"bodyPatterns": [{"contains": "xxx"}]}, packed, Content_Encoding="gzip")
    assert status == 404


def test_many_fields_and_parts() -> None:
    """Each is looked at once."""
    form = "application/x-www-form-urlencoded"
    fields = {"formParameters": {"a": {"equalTo": "2"}}}
    assert answered(dict(fields), b"a=1&" * 200_000, Content_Type=form)[0] == 404
    part = b"--b\r\n" + b"A: b\r\n" * 200_000 + b"\r\nx\r\n--b--"
    parts: dict[str, Json] = {"multipartPatterns": [{"bodyPatterns": [{"equalTo": "x"}]}]}
    assert answered(parts, part, Content_Type="multipart/form-data; boundary=b")[0] == 200


def test_a_name_of_a_body_with_many_expressions(tmp_path: Path) -> None:
    """The files it can become are found at once."""
    for name in ("x" * 200, "x" * 200 + "y", "zx" * 40):
        (tmp_path / name).write_text("found")
    body = {**TEMPLATED, "bodyFileName": "{{a}}x" * 40}
    begun = time.monotonic()
    made = read_mapping({"request": {}, "response": body}, BodyFiles(tmp_path))
    assert time.monotonic() - begun < SECONDS
    assert isinstance(made.response.body, BodyChoice)
    assert set(made.response.body.files) == {"x" * 200, "zx" * 40}
