"""Lines of CSV and NDJSON: what goes out comes in the same, and a bad line is named."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.history.candles import LARGEST_LEAD_MS, Tick
from stockstream.history.tick_lines import BadLine, Lines, pages, read_lines, write_lines

HEADER = "symbol,exchange,price,ts,received,epoch,seq\n"
NOW = 4_102_444_800_000
GOOD = "AAPL,SIM,1.5,2026-11-22T10:00:00.123Z,2026-11-22T10:00:00.200Z,5,6\n"
moments = st.integers(-5_364_662_400_000, NOW)
ticks = st.builds(
    Tick,
    st.sampled_from(["AAPL", "BRK.B", "^GSPC", "BTC-USD"]),
    st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1),
    st.floats(1e-9, 1e12),
    moments,
    st.just(NOW) | moments,
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.none() | st.sampled_from(["USD", "GBX"]),
    st.none() | st.sampled_from(["us", "crypto"]),
    st.none() | st.floats(0, 1e12),
).filter(lambda tick: tick.ts - tick.received <= LARGEST_LEAD_MS)


@given(st.lists(ticks), st.sampled_from(["csv", "ndjson"]))
@pytest.mark.proves("H12")
def test_what_is_written_is_read_back(given_ticks: list[Tick], form: Any) -> None:
    """Prices to the last bit, times to the millisecond."""
    text = write_lines(given_ticks, form, header=True)
    found = read_lines(text.splitlines(keepends=True), form, NOW)
    assert [tick for _, tick in found] == given_ticks


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
        ("AAPL,SIM,1,2026-11-24T10:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3: received, 2026"),
        ("AAPL,SIM,1\n", "line 3: 3 columns"),
        ("AAPL,S\0M,1,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3: exchange.*NUL"),
        (f"AAPL,SIM,1,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,{2**63},6\n", "line 3: .*epoch"),
        (f"AAPL,SIM,1,2026-11-22T10:00:00Z,2026-11-22T10:00:00Z,5,{-(2**70)}\n", "line 3: .*seq"),
        ("AAPL,SIM,1,0001-01-01T00:00:00Z,2026-11-22T10:00:00Z,5,6\n", "line 3: ts must lie"),
        ("AAPL,SIM,1,9999-12-31T23:59:59-14:00,2026-11-22T10:00:00Z,5,6\n", "line 3: ts must"),
        ("AAPL,SIM,1,2026-11-22T10:00:00Z,9999-01-01T00:00:00Z,5,6\n", "line 3: received must"),
    ],
)
def test_a_bad_line_is_named(line: str, why: str) -> None:
    """Its number and what is wrong with it; what stood before it was read."""
    found = []
    with pytest.raises(BadLine, match=why):
        found.extend(read_lines([HEADER, GOOD, line], "csv", NOW))
    for text in ('{"symbol": 1}\n', "{\n", '{"symbol":"AAPL","more":1}\n'):
        with pytest.raises(BadLine, match="line 1"):
            list(read_lines([text], "ndjson", NOW))


@pytest.mark.proves("H12")
def test_the_byte_order_mark_of_a_spreadsheet_is_left_out() -> None:
    """Before the first line, and nowhere else."""
    lines = Lines(io.BytesIO(b"\xef\xbb\xbf" + (HEADER + GOOD).encode()))
    assert [(line, tick.seq) for line, tick in read_lines(lines, "csv", NOW)] == [(2, 6)]
    lines = Lines(io.BytesIO((HEADER + "\ufeff" + GOOD).encode()))
    with pytest.raises(BadLine, match="line 2: invalid symbol"):
        list(read_lines(lines, "csv", NOW))


@pytest.mark.proves("H12")
def test_a_file_of_an_older_release_is_read() -> None:
    """It has no currency and no source; later ones have no volume."""
    (found,) = read_lines([HEADER, GOOD], "csv", NOW)
    assert (found.tick.exchange, found.tick.currency, found.tick.source) == ("SIM", None, None)
    whole = HEADER.strip() + ",currency,source\n", GOOD.strip() + ",USD,\n"
    (found,) = read_lines(whole, "csv", NOW)
    assert (found.tick.currency, found.tick.source, found.tick.volume) == ("USD", None, None)


@pytest.mark.parametrize("volume", ["-1", "nan", "inf", "x", "1e25", "1e999"])
def test_a_volume_that_is_none_is_named(volume: str) -> None:
    header = HEADER.strip() + ",currency,source,volume\n"
    with pytest.raises(BadLine, match=r"line 2: .*volume"):
        list(read_lines([header, f"{GOOD.strip()},USD,,{volume}\n"], "csv", NOW))


@pytest.mark.proves("H12")
def test_other_columns_are_refused() -> None:
    """A file that export did not write is no half import."""
    with pytest.raises(BadLine, match="the columns must be symbol,exchange"):
        list(read_lines(["a,b\n", "1,2\n"], "csv", NOW))


@pytest.mark.proves("H12")
@pytest.mark.parametrize(
    ("line", "why"),
    [(b"AAPL,\xff\n", "line 2: not UTF-8"), (b"AAPL," + 20_000 * b"x", "line 2: longer than")],
)
def test_a_line_that_is_no_text_is_named(line: bytes, why: str) -> None:
    """Bytes that are no UTF-8; a line without an end, of which no more than a piece is read."""
    with pytest.raises(BadLine, match=why):
        list(read_lines(Lines(io.BytesIO(HEADER.encode() + line)), "csv", NOW))


@pytest.mark.proves("H12")
def test_ticks_before_a_bad_line_come_first() -> None:
    """Pages of a size, what is left of one at the bad line, then its error; bytes are counted."""
    good = [GOOD.replace(",6", f",{n}") for n in range(5)]
    text = "".join([HEADER, *good, "x\n", GOOD])
    lines = Lines(io.BytesIO(text.encode()))
    there = pages(read_lines(lines, "csv", NOW), 2)
    assert [[tick.seq for _, tick in next(there)] for _ in range(3)] == [[0, 1], [2, 3], [4]]
    with pytest.raises(BadLine, match="line 7"):
        next(there)
    assert lines.bytes == len(text) - len(GOOD)
