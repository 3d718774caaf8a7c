"""Lines of CSV and NDJSON: what goes out comes in the same, and a bad line is named."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.history.candles import Tick
from stockstream.history.transfer import BadLine, Lines, pages, read_lines, write_lines

HEADER = "symbol,exchange,price,ts,received,epoch,seq\n"
GOOD = "AAPL,SIM,1.5,2026-11-22T10:00:00.123Z,2026-11-22T10:00:00.200Z,5,6\n"
moments = st.integers(0, 4_102_444_800_000)
ticks = st.builds(
    Tick,
    st.sampled_from(["AAPL", "BRK.B", "^GSPC", "BTC-USD"]),
    st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
    st.floats(1e-9, 1e12),
    moments,
    moments,
    st.integers(0, 2**62),
    st.integers(0, 2**62),
)


@given(st.lists(ticks), st.sampled_from(["csv", "ndjson"]))
@pytest.mark.proves("H12")
def test_what_is_written_is_read_back(given_ticks: list[Tick], form: Any) -> None:
    """Prices to the last bit, times to the millisecond."""
    text = write_lines(given_ticks, form, header=True)
    assert list(read_lines(text.splitlines(keepends=True), form)) == given_ticks


@pytest.mark.proves("H12")
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("AAPL,SIM,x,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3.*price"),
        ("AAPL,SIM,-1,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3: price"),
        ("AAPL,SIM,nan,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3: price"),
        ("AAPL,SIM,1,yesterday,2026-11-22T10:00:00Z,5,6\n", "line 3: ts"),
        ("AAPL,SIM,1,2026-11-22T10:00:00,2026-11-22T10:00:00Z,5,6\n", "line 3: ts"),
        ("A PL,SIM,1,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3: invalid symbol"),
        ("AAPL,SIM,1\n", "line 3: 3 columns"),
    ],
)
def test_a_bad_line_is_named(line: str, why: str) -> None:
    """Its number and what is wrong with it; what stood before it was read."""
    found = []
    with pytest.raises(BadLine, match=why):
        found.extend(read_lines([HEADER, GOOD, line], "csv"))
    for text in ('{"symbol": 1}\n', "{\n", '{"symbol":"AAPL","more":1}\n'):
        with pytest.raises(BadLine, match="line 1"):
            list(read_lines([text], "ndjson"))


@pytest.mark.proves("H12")
def test_other_columns_are_refused() -> None:
    """A file that export did not write is no half import."""
    with pytest.raises(BadLine, match="the columns must be symbol,exchange"):
        list(read_lines(["a,b\n", "1,2\n"], "csv"))


@pytest.mark.proves("H12")
@pytest.mark.parametrize(
    ("line", "why"),
    [(b"AAPL,\xff\n", "line 2: not UTF-8"), (b"AAPL," + 20_000 * b"x", "line 2: longer than")],
)
def test_a_line_that_is_no_text_is_named(line: bytes, why: str) -> None:
    """Bytes that are no UTF-8; a line without an end, of which no more than a piece is read."""
    with pytest.raises(BadLine, match=why):
        list(read_lines(Lines(io.BytesIO(HEADER.encode() + line)), "csv"))


@pytest.mark.proves("H12")
def test_ticks_before_a_bad_line_come_first() -> None:
    """Pages of a size, what is left of one at the bad line, then its error; bytes are counted."""
    good = [GOOD.replace(",6", f",{n}") for n in range(5)]
    text = "".join([HEADER, *good, "x\n", GOOD])
    lines = Lines(io.BytesIO(text.encode()))
    there = pages(read_lines(lines, "csv"), 2)
    assert [[tick.seq for tick in next(there)] for _ in range(3)] == [[0, 1], [2, 3], [4]]
    with pytest.raises(BadLine, match="line 7"):
        next(there)
    assert lines.bytes == len(text) - len(GOOD)
