"""How long ago a range begins that is given as `last`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from stockstream.history.candles import INTERVALS
from stockstream.times import to_ms
from web.api.history import CANDLES_FROM, CANDLES_LAST, CANDLES_TO
from web.parameters import InvalidParameterError, read_parameters

if TYPE_CHECKING:
    from web.api.ranges import Last

MONDAY_NOON = "2026-11-30T12:00:00.000Z"  # 7:00 in New York: trade before the session


def ms(text: str) -> int:
    return to_ms(datetime.fromisoformat(text))


def read(text: str) -> Last:
    given = read_parameters((CANDLES_FROM, CANDLES_TO, CANDLES_LAST), {}, {"last": [text]})
    found = given[CANDLES_LAST]
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "interval", "now", "calendar", "start"),
    [
        ("15m", "1m", MONDAY_NOON, None, "2026-11-30T11:45:00Z"),
        ("1w", "1h", "2026-11-30T12:34:00Z", None, "2026-11-23T12:00:00Z"),
        # Monday's session has not begun: Friday's has, and ended at 13:00; from 4:00 in New York.
        ("1td", "5m", MONDAY_NOON, "XNYS", "2026-11-27T09:00:00Z"),
        ("1td", "5m", "2026-11-30T14:30:00Z", "XNYS", "2026-11-30T09:00:00Z"),
        ("1td", "1m", "2026-11-30T14:29:59Z", "XNYS", "2026-11-27T09:00:00Z"),
        # Thanksgiving is none.
        ("3td", "15m", MONDAY_NOON, "XNYS", "2026-11-24T09:00:00Z"),
        # An hour earlier by UTC in summer.
        ("1td", "5m", "2027-03-15T20:00:00Z", "XNYS", "2027-03-15T08:00:00Z"),
        ("2td", "5m", "2027-03-15T20:00:00Z", "XNYS", "2027-03-12T09:00:00Z"),
        # Another day there than by UTC.
        ("1td", "5m", "2026-11-29T23:30:00Z", "XASX", "2026-11-29T23:00:00Z"),
        ("1td", "5m", MONDAY_NOON, None, "2026-11-29T12:00:00Z"),
        ("5td", "15m", MONDAY_NOON, "24/7", "2026-11-25T12:00:00Z"),
        ("1td", "1m", "2031-01-01T00:00:00Z", "XNYS", "2030-12-31T00:00:00Z"),
        ("1mo", "1h", "2026-03-31T10:20:00Z", None, "2026-02-28T10:00:00Z"),
        ("3mo", "4h", "2026-01-15T10:20:00Z", None, "2025-10-15T08:00:00Z"),
        ("1y", "1d", "2028-02-29T10:20:00Z", None, "2027-02-28T00:00:00Z"),
        ("5y", "1w", MONDAY_NOON, None, "2021-11-29T00:00:00Z"),
        ("9999y", "1d", MONDAY_NOON, None, "1970-01-01T00:00:00Z"),
        ("ytd", "1d", MONDAY_NOON, "XNYS", "2026-01-01T00:00:00Z"),
        ("all", "1d", MONDAY_NOON, "XNYS", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_range_begins_so_long_ago(
    text: str, interval: str, now: str, calendar: str | None, start: str
) -> None:
    """With the candle that it begins in; months by the calendar, trading days by the exchange's."""
    found = read(text).range(INTERVALS[interval], ms(now), calendar)
    assert (found.start, found.end) == (ms(start), ms(now) + 1)


@pytest.mark.parametrize(
    "text", ["", "1", "0d", "1x", "-1d", "1td ", "td", "261td", "YTD", "1mo1d"]
)
def test_what_is_no_range_is_refused_by_name(text: str) -> None:
    """With what would be one."""
    with pytest.raises(InvalidParameterError) as refused:
        read(text)
    assert set(refused.value.fields) == {"last"}
