"""When an answer of the history about the first prices of a day is the last word."""

from __future__ import annotations

import pytest

from stockstream.history.first_prices import has_all, nothing_waits
from stockstream.statuses import RecorderStatus
from stockstream.times import Moment


@pytest.mark.proves("W22")
@pytest.mark.parametrize(
    ("recorder", "expected"),
    [
        (None, False),  # it has not looked yet at what a life before left on disk
        (RecorderStatus(), True),
        (RecorderStatus(spooled=1), False),
        (RecorderStatus(alert="DATA_DIRECTORY: spool: Permission denied"), False),
        (RecorderStatus(recorded_ticks=5, lost=3), True),  # what is lost does not come
    ],
)
def test_prices_of_the_life_before_may_still_wait_to_be_recorded(recorder, expected):
    assert nothing_waits(recorder) is expected


@pytest.mark.proves("W22")
def test_a_replica_has_the_last_word_only_when_it_has_all_that_was_recorded():
    recorded = Moment(10.0)
    assert has_all(recorded, None), "the primary"
    assert has_all(recorded, Moment(10.0))
    assert not has_all(recorded, Moment(9.9))
    assert not has_all(None, None)
    assert not has_all(None, Moment(11.0))
