"""Times as texts: the usual form is read quickly, and to the same as by a closer look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stockstream.market.timestamps import BadTimestamp, from_text

FIRST = datetime(1969, 12, 31, 23)  # noqa: DTZ001 - Hypothesis wants it so
LAST = datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001 - as above
SECONDS = st.datetimes(FIRST, LAST).map(lambda moment: moment.isoformat(timespec="seconds"))
DIGITS = st.text("0123456789", min_size=1, max_size=9)


def read(text: str) -> int | None:
    try:
        return from_text(text)
    except BadTimestamp:
        return None


@given(SECONDS, DIGITS)
def test_the_usual_form_is_what_it_says(second: str, digits: str) -> None:
    """In whole milliseconds, the nearest one; finer digits than microseconds do not count."""
    since = datetime.fromisoformat(second).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    micros = since // timedelta(microseconds=1) + int(f"{digits}00000"[:6])
    expected = (micros + 500) // 1000
    assert read(f"{second}.{digits}Z") == (expected if 0 < expected <= 253402300799999 else None)


@given(SECONDS, DIGITS, st.integers(0, 18), st.sampled_from("0123456789:-TtZW .x²"))
@example("2026-11-22T23:59:59", "5", 17, "6")
@example("2026-11-22T14:00:00", "5", 11, "2")
@example("2026-11-22T14:00:00", "0", 11, "2")
@example("9999-12-31T23:59:59", "9996", 0, "9")
def test_whatever_looks_like_it_is_read_as_by_a_closer_look(
    second: str, digits: str, place: int, other: str
) -> None:
    """With an offset in place of the Z there is no short way."""
    text = f"{second[:place]}{other}{second[place + 1 :]}.{digits}"
    assert read(f"{text}Z") == read(f"{text}+00:00")


@pytest.mark.parametrize("text", ["2026-11-22T10:00:00.²Z", "2026-11-22T10:00:00.1_0Z", "x.1Z"])
def test_what_is_no_time_is_refused(text: str) -> None:
    """Digits are those of ASCII."""
    with pytest.raises(BadTimestamp):
        from_text(text)
