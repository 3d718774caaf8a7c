"""A wrong row of the table of prices is found when the file is read, and named by its symbol."""

import json
from pathlib import Path

import pytest

from mockserver.json_types import Json
from mockserver.stub_files import StubFileError, StubFiles
from tests.unit.mockserver.support import mapping

pytestmark = pytest.mark.proves("M1", "M4")


def row(symbol: Json = "AAPL", low: Json = 145, high: Json = 155) -> dict[str, Json]:
    return {"symbol": symbol, "from": low, "to": high}


def write(directory: Path, rows: list[Json]) -> StubFiles:
    """One row to a line, from line 5 on."""
    lines = ",\n".join(json.dumps(one) for one in rows)
    (directory / "prices.json").write_text(
        '{\n"response": {\n"transformerParameters": {\n"stocks": [\n' + lines + "]}}}"
    )
    return StubFiles(directory)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (row("MSFT", 320, 305), "MSFT: from (320) must be below to (305)"),
        (row("MSFT", 305, 305), "MSFT: from (305) must be below to (305)"),
        ({"symbol": "MSFT", "from": 305}, "MSFT: to is missing"),
        ({"symbol": "MSFT"}, "MSFT: from is missing"),
        (row("MSFT", "low", 320), 'MSFT: from must be a number, not "low"'),
        (row("MSFT", "305", 320), 'MSFT: from must be a number, not "305"'),
        (row("MSFT", True, 320), "MSFT: from must be a number, not true"),
        (row("MSFT", None, 320), "MSFT: from must be a number, not null"),
        (row(5), "a symbol is text, not 5"),
        (row(" MSFT"), '" MSFT" is no symbol'),
        (row("A,B"), '"A,B" is no symbol'),
        (row('A"B'), "is no symbol"),
        (row(["A"]), 'a symbol is text, not ["A"]'),
        (row("MSFT", -1, 320), "MSFT: from must be from 0 to 1e+12"),
        (row("MSFT", 1, 10**400), "MSFT: to must be from 0 to 1e+12"),
        (row("AAPL", 1, 2), "AAPL is there twice"),
        (row(""), "a row of stocks needs a symbol"),
        ({"from": 1, "to": 2}, "a row of stocks needs a symbol"),
        (5, "expected an object"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, wrong: Json, words: str) -> None:
    """File, line, the row's place and the symbol; so a reload says it too."""
    with pytest.raises(StubFileError) as caught:
        write(tmp_path, [row(), wrong]).load()
    assert "prices.json:6: response.transformerParameters.stocks[1]" in str(caught.value)
    assert words in str(caught.value)


def test_right_rows_are_taken(tmp_path: Path) -> None:
    """As in the file that is shipped."""
    (stub,) = write(tmp_path, [row(), row("MSFT", 0, 0.5)]).load()
    assert stub.notices == ()


def test_other_peoples_stocks_are_not_looked_at() -> None:
    """A parameter of that name without ranges is theirs."""
    for theirs in ([{"symbol": "A"}, {"symbol": "A"}], ["AAPL"], "AAPL", {"a": 1}):
        parameters: Json = {"stocks": theirs}
        assert mapping({"response": {"transformerParameters": parameters}}).notices == ()


@pytest.mark.proves("M18")
def test_strict_refuses_what_would_never_match(tmp_path: Path) -> None:
    """With file, line and field; without it, the other stubs of the file serve."""
    (tmp_path / "a.json").write_text(
        '[{"request": {"urlPath": "/a"},\n"response": {"proxyBaseUrl": "http://x"}},\n'
        '{"request": {"urlPath": "/b"}, "response": {}}]'
    )
    proxy, plain = StubFiles(tmp_path).load()
    (obstacle,) = proxy.obstacles
    assert str(obstacle).startswith("[0].response.proxyBaseUrl: this field of WireMock is not")
    assert str(obstacle).endswith(", so this stub never matches")
    assert list(plain.obstacles) == []
    with pytest.raises(
        StubFileError, match=r"a\.json:2: \[0\]\.response\.proxyBaseUrl: this field"
    ):
        StubFiles(tmp_path, strict=True).load()
