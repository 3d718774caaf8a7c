"""Which notices are told, and when."""

from __future__ import annotations

from stockstream.notices.book import MOST_DUE, MOST_KNOWN, NoticeBook
from stockstream.notices.notice import NoticeKind, Said

OPEN, CLOSED = (Said(NoticeKind.CIRCUIT, "api", state, state) for state in ("open", "closed"))


def told(book: NoticeBook, now: float) -> list[tuple[str, int, int]]:
    return [(each.said.state, each.at, each.times) for each in book.take(now)]


def test_each_change_is_told_at_once_and_once() -> None:
    """The next state is no repeat of the one before."""
    book = NoticeBook()
    book.say(OPEN, 0.0, 1)
    book.say(CLOSED, 0.5, 2)
    assert told(book, 0.5) == [("open", 1, 1), ("closed", 2, 1)]
    assert told(book, 0.5) == []


def test_the_same_within_a_minute_is_counted_and_told_after_it() -> None:
    """In one, with the time of the last; and that begins a minute of its own."""
    book = NoticeBook()
    for second in range(60):
        book.say(OPEN, float(second), second)
    assert told(book, 59.9) == [("open", 0, 1)]
    assert told(book, 60.0) == [("open", 59, 59)]
    book.say(OPEN, 61.0, 61)
    assert told(book, 119.9) == []
    assert told(book, 120.0) == [("open", 61, 1)]
    assert told(book, 500.0) == []
    assert (book.said[NoticeKind.CIRCUIT], book.held) == (61, 60)


def test_after_a_minute_it_is_told_at_once_again() -> None:
    """At the very end of the minute, too."""
    book = NoticeBook()
    book.say(OPEN, 0.0, 0)
    assert told(book, 0.0) == [("open", 0, 1)]
    book.say(OPEN, 60.0, 60)
    assert told(book, 60.0) == [("open", 60, 1)]


def test_what_is_no_longer_so_is_not_told_late() -> None:
    """It would contradict the newer one; it counts in the next one like it."""
    book = NoticeBook()
    book.say(OPEN, 0.0, 0)
    book.say(CLOSED, 1.0, 1)
    book.say(OPEN, 2.0, 2)
    book.say(CLOSED, 30.0, 30)
    assert told(book, 30.0) == [("open", 0, 1), ("closed", 1, 1)]
    assert told(book, 61.0) == [("closed", 30, 1)]
    book.say(OPEN, 100.0, 100)
    assert told(book, 100.0) == [("open", 100, 2)]


def test_what_is_bad_stays_so_until_it_is_said_to_be_well() -> None:
    """Told or held back: the last word of each subject counts, with its time."""
    book = NoticeBook()
    well = CLOSED._replace(bad=False)
    book.say(OPEN, 0.0, 1)
    book.say(OPEN, 1.0, 2)
    assert list(book.bad.values()) == [(OPEN, 2)]
    book.say(well, 2.0, 3)
    assert not book.bad
    for number in range(MOST_KNOWN + 1):
        book.say(OPEN._replace(subject=str(number)), 3.0, 4)
    assert len(book.bad) == MOST_KNOWN


def test_what_it_remembers_has_an_end() -> None:
    """Of what was told, and of what nobody comes to tell; the newest stay."""
    book = NoticeBook()
    for number in range(2 * MOST_KNOWN):
        book.say(Said(NoticeKind.FEED, str(number), "stale", ""), 0.0, number)
    due = book.take(0.0)
    assert [each.at for each in due] == list(range(2 * MOST_KNOWN - MOST_DUE, 2 * MOST_KNOWN))
    assert len(book._minutes) == MOST_KNOWN
    assert len(book._states) == MOST_KNOWN
    book.take(60.0)
    assert not book._minutes
    assert not book._states
