"""Loading stub files: shapes, order, and errors that name file, line and field."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mockserver
from mockserver.json_lines import line_of
from mockserver.json_types import Json
from mockserver.stub_files import StubFileError, StubFiles
from tests.unit.mockserver.support import request, server


def write(directory: Path, **files: object) -> StubFiles:
    """Files by name without `.json`; text as it is, anything else as JSON."""
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (directory / f"{name}.json").write_text(text, encoding="utf-8")
    return StubFiles(directory)


def one(name: str) -> dict[str, Json]:
    return {"name": name, "request": {"urlPath": "/a"}, "response": {"body": name}}


@pytest.mark.proves("M1")
def test_every_shape_of_file_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    """One mapping, a list, `mappings`; also in directories below."""
    (tmp_path / "deeper").mkdir()
    write(tmp_path / "deeper", z=one("z"))
    files = write(
        tmp_path,
        a=one("a"),
        b=[one("b1"), one("b2")],
        c={"mappings": [one("c")]},
        e={"mappings": []},
    )
    (tmp_path / "notes.txt").write_text("not a stub")
    assert [stub.name for stub in files.load()] == ["a", "b1", "b2", "c", "z"]


@pytest.mark.proves("M1", "M8")
def test_bodies_come_from_the_files_directory_and_nowhere_else(tmp_path: Path) -> None:
    """`__files` beside the mappings, or of a WireMock root; no way out of it."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "__files" / "sub").mkdir(parents=True)
    (tmp_path / "__files" / "sub" / "body.json").write_text('{"m":"{{request.method}}"}')
    (tmp_path / "secret").write_text("secret")
    response: dict[str, Json] = {
        "bodyFileName": "sub/body.json",
        "transformers": ["response-template"],
    }
    write(tmp_path / "mappings", a={"request": {"urlPath": "/a"}, "response": response})
    files = StubFiles(tmp_path)
    (stub,) = files.load()
    assert server(stub).answer(request("/a")).body == b'{"m":"GET"}'
    for bad in ("../secret", "/etc/passwd"):
        write(tmp_path / "mappings", b={"response": {"bodyFileName": bad}})
        with pytest.raises(StubFileError, match=r"b\.json:1: response\.bodyFileName: "):
            files.load()


@pytest.mark.proves("M1", "M8")
@pytest.mark.parametrize("name", ["none.json", "user-{{request.pathSegments.[1]}}.json"])
def test_a_body_file_that_is_not_there_does_not_stop_the_rest(tmp_path: Path, name: str) -> None:
    """Its stub never matches, and says why; `--strict` refuses it."""
    write(
        tmp_path, a={"request": {"urlPath": "/b"}, "response": {"bodyFileName": name}}, b=one("b")
    )
    missing, there = StubFiles(tmp_path).load()
    assert server(missing, there).answer(request("/a")).status == 200
    answer = server(missing, there).answer(request("/b"))
    assert answer.status == 404
    assert f"{name}: No such file" in answer.body.decode()
    assert ("needs a transformer" in answer.body.decode()) == ("{{" in name)
    with pytest.raises(StubFileError, match="No such file"):
        StubFiles(tmp_path, strict=True).load()


@pytest.mark.proves("M1")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{\n "request": {\n  "url":\n}', r"x\.json:4:1: not JSON: "),
        ('{"request": NaN}', r"x\.json:1:13: not JSON: NaN"),
        ('{"NaN": "NaN",\n "a": -Infinity}', r"x\.json:2:7: not JSON: -Infinity"),
        ('{"a": 1,\n"b": ' + "1" * 5_000 + "}", r"x\.json:2:6: not JSON: .* 1000 digits"),
        (
            '{"mappings": [\n {"response": {}},\n {"request": {\n   "urlPattern": "["}}]}',
            r"x\.json:4: mappings\[1\]\.request\.urlPattern: ",
        ),
        ('[\n{"response": {\n"status": "x"}}]', r"x\.json:3: \[0\]\.response\.status: "),
        ('\n\n{"httpRequest": {}}', r"x\.json:3: httpRequest: this is MockServer's format"),
        (
            '{"response": {},\n"request": {"url": "/a",\n"url": "/b"}}',
            r"x\.json:3: the key 'url' is there twice",
        ),
        ("[1]", r"x\.json:1: \[0\]: expected an object, found a number"),
        ("{}", r"x\.json:1: the document: a stub mapping has"),
    ],
)
def test_a_broken_file_is_an_error_with_file_line_and_field(
    tmp_path: Path, text: str, message: str
) -> None:
    """One line that says where and what."""
    with pytest.raises(StubFileError, match=message) as caught:
        write(tmp_path, a=one("a"), x=text).load()
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.proves("M1")
def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A missing directory, bytes that are not text, an id that is there twice."""
    with pytest.raises(StubFileError, match="none: there is no such directory"):
        StubFiles(tmp_path / "none").load()
    (tmp_path / "a.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(StubFileError, match=r"a\.json: the file is not UTF-8"):
        StubFiles(tmp_path).load()
    twice = {**one("a"), "id": "5f1c0c4e-7f1a-4c59-9d8f-0d5a1b3d0001"}
    with pytest.raises(StubFileError, match=r"b\.json: the id 5f1c.* is already that of 'a' in "):
        write(tmp_path, a=twice, b=twice).load()


@given(
    st.recursive(
        st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=10,
    )
)
def test_lines_of_values_are_found(document: Json) -> None:
    """With one value or bracket to a line, the line of every value is that of the printer."""
    text = json.dumps(document, indent=1)
    lines = text.split("\n")

    def check(value: Json, pointer: tuple[str | int, ...]) -> None:
        line = lines[line_of(text, pointer) - 1].strip().rstrip(",")
        key = f"{json.dumps(pointer[-1])}: " if pointer and isinstance(pointer[-1], str) else ""
        whole = not value or not isinstance(value, (dict, list))
        assert line == key + (json.dumps(value) if whole else json.dumps(value)[0])
        if isinstance(value, dict):
            for name, inner in value.items():
                check(inner, (*pointer, name))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                check(inner, (*pointer, index))

    check(document, ())


RANGES = {
    "AAPL": (145, 155),
    "GOOGL": (2700, 2800),
    "MSFT": (305, 320),
    "TSLA": (240, 260),
    "AMZN": (180, 200),
    "NFLX": (450, 550),
}


@pytest.mark.proves("M2", "M3")
def test_the_bundled_stubs_answer_prices_in_their_ranges() -> None:
    """All six, one or several; new values at every call; numbers with two decimals."""
    running = server(*StubFiles(Path(mockserver.__file__).parent / "expectations").load())

    def ask(query: str = "") -> list[dict[str, Json]]:
        answer = running.answer(request(f"/api/stock-prices{query}"))
        assert (answer.status, answer.headers[0]) == (200, ("Content-Type", "application/json"))
        listed: list[dict[str, Json]] = json.loads(answer.body)
        return listed

    last: dict[str, float] = {}
    for _ in range(50):
        quotes = ask()
        assert [quote["symbol"] for quote in quotes] == list(RANGES)
        for quote in quotes:
            low, high = RANGES[str(quote["symbol"])]
            assert isinstance(quote["price"], float)
            assert low <= quote["price"] <= high
            assert round(quote["price"], 2) == quote["price"]
            assert quote["timestamp"] == "2026-11-22T10:00:00Z"
            assert set(quote) == {"symbol", "price", "bid", "ask", "timestamp"}
            below, above = quote["bid"], quote["ask"]
            assert isinstance(below, float)
            assert isinstance(above, float)
            assert below < quote["price"] < above < below * 1.0005
            assert (round(below, 2), round(above, 2)) == (below, above)
            assert quote["price"] != last.get(str(quote["symbol"]))
            last[str(quote["symbol"])] = quote["price"]
    for query, symbols in {
        "?symbol=AAPL": ["AAPL"],
        "?symbols=AAPL,MSFT": ["AAPL", "MSFT"],
        "?symbols=AAPL%2CMSFT": ["AAPL", "MSFT"],
        "?symbols=AAPL&symbols=TSLA": ["AAPL", "TSLA"],
        "?symbols=ZZZZ,NFLX": ["NFLX"],
        "?symbol=ZZZZ": [],
        "?symbol=APL": [],
    }.items():
        assert [quote["symbol"] for quote in ask(query)] == symbols


@pytest.mark.proves("M2")
def test_the_text_of_a_bundled_price_has_two_decimals() -> None:
    """On the wire too: 150.50, not 150.5."""
    running = server(*StubFiles(Path(mockserver.__file__).parent / "expectations").load())
    text = running.answer(request("/api/stock-prices?symbol=AAPL")).body.decode()
    price = text.partition('"price":')[2].partition(",")[0]
    assert price[:1] == "1"
    assert len(price.partition(".")[2]) == 2
