"""The cool-down: how often a rule may tell, and that what it does not tell at once is not lost."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.alerts.rules import Kind
from tests.unit.alerts.support import NOON, row, rule, run, writable_book

if TYPE_CHECKING:
    from stockstream.alerts.book import AlertBook
    from stockstream.messages import Alert

OVER, UNDER = 101.0, 99.0


def at(book: AlertBook, seconds: float, price: float, *, seq: int | None = None) -> None:
    """A price of so many seconds after noon, judged at once."""
    moment = NOON + round(1000 * seconds)
    found = row(price, round(10 * seconds) + 1 if seq is None else seq, at=moment)
    for _ in book.judge([found], moment):
        pass


def cross(book: AlertBook, seconds: float) -> None:
    """Back, and over the threshold again a tenth of a second later."""
    at(book, seconds, UNDER)
    at(book, seconds + 0.1, OVER)


def told(book: AlertBook) -> list[Alert]:
    """What the book has fired and nobody has taken."""
    found = []
    while (alert := book.undelivered()) is not None:
        found.append(alert)
        book.delivered(alert)
    return found


def test_a_jittering_price_is_told_once_per_cooldown_and_every_crossing_is_counted(
    book: AlertBook,
) -> None:
    """Five crossings a second for ten minutes are an alert a minute, not three thousand."""
    book.put_rule(rule(hysteresis=0.0, cooldown=60), None, NOON)
    for tenth in range(0, 6_000, 2):
        cross(book, tenth / 10)
        run(book.end_cooldowns(NOON + 100 * tenth + 100, NOON + 100 * tenth + 100))
    run(book.end_cooldowns(NOON + 700_000, NOON + 700_000))
    alerts = told(book)
    assert len(alerts) == 11
    assert sum(alert.crossings for alert in alerts) == 3_000
    assert alerts[0].crossings == 1
    assert 3_000 - len(alerts) <= book.status().withheld < 3_000
    assert book.status().fired == len(alerts)


def test_the_last_crossing_is_told_when_the_cooldown_ends(book: AlertBook) -> None:
    """With its own price, once, as one alert for all that were withheld; told then, not before."""
    book.put_rule(rule(hysteresis=0.0, cooldown=60, webhook="https://there"), None, NOON)
    cross(book, 0)
    cross(book, 20)
    at(book, 30, UNDER)
    at(book, 30.5, 107.0, seq=444)
    assert [alert.crossings for alert in told(book)] == [1]
    run(book.end_cooldowns(NOON + 60_099, NOON + 60_099))
    assert told(book) == []
    run(book.end_cooldowns(NOON + 60_100, NOON + 60_100))
    (alert,) = told(book)
    assert (alert.price, alert.crossings, alert.timestamp) == (107.0, 2, NOON + 30_500)
    assert (alert.fired_at, alert.id) == (NOON + 60_100, "1-1-444")
    unstored = book.unstored()
    assert unstored is not None
    assert [a.crossings for a in unstored.alerts] == [1, 2]
    assert unstored.webhooks == ["https://there"] * 2
    run(book.end_cooldowns(NOON + 500_000, NOON + 500_000))
    assert told(book) == []


def test_what_is_told_late_begins_a_cooldown_too(book: AlertBook) -> None:
    """Else a price that jitters would be told twice a minute."""
    book.put_rule(rule(cooldown=60), None, NOON)
    cross(book, 0)
    cross(book, 50)
    run(book.end_cooldowns(NOON + 61_000, NOON + 61_000))
    assert len(told(book)) == 2
    cross(book, 100)
    assert told(book) == []
    run(book.end_cooldowns(NOON + 121_000, NOON + 121_000))
    assert [alert.crossings for alert in told(book)] == [1]


def test_a_crossing_after_the_cooldown_is_told_at_once_with_what_was_withheld(
    book: AlertBook,
) -> None:
    """Also when nobody has looked at the time meanwhile."""
    book.put_rule(rule(cooldown=60), None, NOON)
    cross(book, 0)
    cross(book, 10)
    cross(book, 60)
    assert [alert.crossings for alert in told(book)] == [1, 2]


def test_without_a_cooldown_each_crossing_is_told(book: AlertBook) -> None:
    """0 is none; a rule's cool-down is no other rule's."""
    book.put_rule(rule(1, cooldown=0), None, NOON)
    book.put_rule(rule(2, cooldown=60), None, NOON)
    for second in range(5):
        cross(book, second)
    assert [alert.rule for alert in told(book)] == [1, 2, 1, 1, 1, 1]
    assert book.status().withheld == 4


def test_a_move_has_one_too(book: AlertBook) -> None:
    """The reference told is that of the last crossing."""
    book.put_rule(rule(1, Kind.MOVE, 5.0, window=10, cooldown=60), None, NOON)
    for second, price in ((0, 100.0), (1, 106.0), (20, 106.0), (21, 120.0), (40, 120.0)):
        at(book, second, price)
    run(book.end_cooldowns(NOON + 61_000, NOON + 61_000))
    assert [(a.price, a.reference, a.crossings) for a in told(book)] == [
        (106.0, 100.0, 1),
        (120.0, 106.0, 1),
    ]


def test_a_rule_that_is_deleted_or_changed_forgets_what_it_withheld(book: AlertBook) -> None:
    """Its user wants something else now; the changed one begins without a cool-down."""
    book.put_rule(rule(1, cooldown=60), None, NOON)
    book.put_rule(rule(2, cooldown=60, owner="you"), None, NOON)
    for second in (0, 10):
        cross(book, second)
    assert len(told(book)) == 2
    book.drop_rule(1)
    book.put_rule(rule(2, cooldown=60, owner="you", revision=2), row(UNDER, 900), NOON)
    run(book.end_cooldowns(NOON + 300_000, NOON + 300_000))
    assert told(book) == []
    at(book, 20, OVER, seq=901)
    assert [alert.crossings for alert in told(book)] == [1]


@pytest.mark.proves("W23")
@pytest.mark.parametrize("step", [-3_600_000, -5_000, 5_000, 3_600_000])
def test_a_step_of_the_wall_clock_is_nothing_to_a_cooldown(book: AlertBook, step: int) -> None:
    """It lasts as long as it should, and so do the windows of moves."""
    book.put_rule(rule(1, cooldown=60), None, NOON)
    book.put_rule(rule(2, Kind.MOVE, 5.0, window=60, owner="you"), None, NOON)
    cross(book, 0)
    assert [alert.rule for alert in told(book)] == [1]

    def later(seconds: int, price: float) -> list[tuple[int, int]]:
        steady = NOON + 1000 * seconds
        found = row(price, 100 + seconds, at=steady + step, steady=steady)
        run(book.judge([found], steady + step))
        run(book.end_cooldowns(steady, steady + step))
        return [(alert.rule, alert.crossings) for alert in told(book)]

    assert later(10, UNDER) == []
    assert later(11, OVER) == []
    assert later(59, 104.5) == [(2, 1)], "from 99, which is in the window still"
    assert later(60, 104.5) == []
    assert later(61, 104.5) == [(1, 1)]


def test_the_end_of_the_process_ends_all_cooldowns(book: AlertBook) -> None:
    """What is withheld is told, and stored, before nobody knows of it any more."""
    book.put_rule(rule(cooldown=3_600), None, NOON)
    cross(book, 0)
    cross(book, 1)
    run(book.end_cooldowns(NOON + 2_000, NOON + 2_000, early=True))
    assert [alert.crossings for alert in told(book)] == [1, 1]


@pytest.mark.parametrize("crossings", [1, 2])
def test_a_standing_waits_for_what_its_rule_withholds(book: AlertBook, crossings: int) -> None:
    """A process killed meanwhile leaves a rule that is armed, and fires at what it finds."""
    book.put_rule(rule(1, cooldown=60), None, NOON)
    cross(book, 0)
    at(book, 1, UNDER)
    first = book.unstored()
    assert first is not None
    assert first.standings[1].armed
    book.stored(first)
    for second in range(crossings):
        cross(book, 10 + second)
    assert book.unstored() is None
    run(book.end_cooldowns(NOON + 61_000, NOON + 61_000))
    later = book.unstored()
    assert later is not None
    assert ([a.crossings for a in later.alerts], later.standings[1].armed) == ([crossings], False)


@given(
    st.lists(st.tuples(st.integers(1, 40), st.booleans()), max_size=60),
    st.sampled_from([0, 1, 10, 60]),
)
def test_no_crossing_is_lost_and_no_two_alerts_are_closer_than_the_cooldown(
    steps: list[tuple[int, bool]], cooldown: int
) -> None:
    """Whatever the times: what is told in the end stands for exactly the crossings there were."""
    with writable_book() as book, writable_book() as each:
        book.put_rule(rule(hysteresis=0.0, cooldown=cooldown), None, NOON)
        each.put_rule(rule(hysteresis=0.0, cooldown=0), None, NOON)
        now = 0
        for seq, (seconds, over) in enumerate(steps, 1):
            now += seconds
            for one in (book, each):
                at(one, now, OVER if over else UNDER, seq=seq)
            run(book.end_cooldowns(NOON + 1000 * now, NOON + 1000 * now))
        run(book.end_cooldowns(NOON + 1000 * (now + cooldown), NOON + 1000 * (now + cooldown)))
        alerts = told(book)
        assert sum(alert.crossings for alert in alerts) == each.status().fired
        times = [alert.fired_at for alert in alerts]
        assert all(b - a >= 1000 * cooldown for a, b in pairwise(times))
        crossings = told(each)
        if crossings:
            assert alerts[-1].id == crossings[-1].id
