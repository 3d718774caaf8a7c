"""Posting notices one after another, with retries; the clock is passed in."""

from __future__ import annotations

from stockstream.alerts.posting import Outcome
from stockstream.notices.letters import MOST_WAITING, Letters
from stockstream.notices.notice import Notice, NoticeKind

TAKEN, FAILED = Outcome(0.1, None, 200), Outcome(0.1, "status 500", 500)
GONE = Outcome(0.1, "status 410", 410, final=True)
WAIT = Outcome(0.1, "status 503", 503, asked=90.0)


def notice(number: int) -> Notice:
    return Notice(str(number), NoticeKind.FEED, "api", "stale", True, "", "n", "", 1)


def first(letters: Letters) -> str | None:
    return None if letters.first is None else letters.first.id


def test_one_that_fails_is_tried_again_with_growing_pauses_and_keeps_its_place() -> None:
    """A minute at most; and one that was taken begins anew."""
    letters = Letters()
    for number in (1, 2):
        letters.add(notice(number), 0.0)
    now, pauses = 0.0, []
    for _ in range(8):
        assert letters.first is not None
        assert not letters.ended(letters.first, FAILED, now)
        pauses.append(letters.due(now))
        now += letters.due(now)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert first(letters) == "1"
    assert letters.first is not None
    letters.ended(letters.first, TAKEN, now)
    assert (first(letters), letters.due(now)) == ("2", 0)
    assert letters.first is not None
    letters.ended(letters.first, FAILED, now)
    assert letters.due(now) == 1
    assert (letters.delivered, letters.failed, len(letters)) == (1, 9, 1)


def test_a_receiver_may_ask_for_a_longer_rest() -> None:
    """As with alerts."""
    letters = Letters()
    letters.add(notice(1), 0.0)
    assert letters.first is not None
    letters.ended(letters.first, WAIT, 0.0)
    assert letters.due(0.0) == 90


def test_after_an_hour_or_a_refusal_for_good_it_is_given_up() -> None:
    """The next ones are tried."""
    letters = Letters()
    for number in (1, 2, 3):
        letters.add(notice(number), float(number))
    assert letters.first is not None
    assert not letters.ended(letters.first, FAILED, 3_600.9)
    assert letters.ended(letters.first, FAILED, 3_601.0)
    assert first(letters) == "2"
    assert letters.ended(letters.first, GONE, 3_601.0)
    assert (first(letters), letters.given_up) == ("3", 2)


def test_when_too_many_wait_the_oldest_give_way_but_not_the_one_under_way() -> None:
    """Its outcome is still to come."""
    letters = Letters()
    for number in range(MOST_WAITING + 3):
        letters.add(notice(number), 0.0)
    assert (len(letters), letters.dropped, first(letters)) == (MOST_WAITING, 3, "0")
    assert letters.first is not None
    letters.ended(letters.first, TAKEN, 0.0)
    assert first(letters) == "4"


def test_without_an_address_nothing_waits() -> None:
    """It was taken away while they did."""
    letters = Letters()
    letters.add(notice(1), 0.0)
    assert letters.first is not None
    letters.ended(letters.first, FAILED, 0.0)
    letters.clear()
    assert (first(letters), letters.dropped, letters.due(0.0)) == (None, 1, 0)
