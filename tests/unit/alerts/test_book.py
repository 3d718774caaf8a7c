"""The book: what follows from judged prices, and what a kill at any moment cannot undo."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.alerts import book as book_module
from stockstream.alerts.book import AlertBook, Standing
from stockstream.alerts.rules import Kind
from supervision import NotTheWriter
from tests.unit.alerts.support import NOON, row, rule, run, writable_book


def prices(book: AlertBook, *found: float, first: int = 1) -> None:
    run(book.judge([row(price, first + n) for n, price in enumerate(found)], NOON))


def test_nobody_but_the_watcher_writes() -> None:
    """A book is memory that many see."""
    with pytest.raises(NotTheWriter):
        run(AlertBook().judge([], NOON))


def test_an_alert_tells_the_rule_and_the_price_that_crossed(book: AlertBook) -> None:
    """And waits to be stored and to be delivered, each in its own time."""
    book.put_rule(rule(7, webhook="https://there"), None, NOON)
    prices(book, 99.0, 101.0, 102.0)
    alert = book.undelivered()
    assert alert is not None
    assert (alert.id, alert.rule, alert.price, alert.owner) == ("7-1-2", 7, 101.0, "me")
    assert (alert.kind, alert.threshold, alert.fired_at) == ("above", 100.0, NOON)
    unstored = book.unstored()
    assert unstored is not None
    assert (unstored.alerts, unstored.webhooks) == ([alert], ["https://there"])
    assert unstored.standings == {7: Standing(1, armed=False)}
    book.delivered(alert)
    assert book.undelivered() is None
    assert book.unstored() == unstored
    book.stored(unstored)
    assert book.unstored() is None


def test_prices_in_another_currency_are_not_compared(book: AlertBook) -> None:
    """740 pence are not over 8 pounds; a price that tells no currency is taken as it is."""
    book.put_rule(rule(threshold=8.0, currency="GBP"), None, NOON)
    for seq, (price, currency) in enumerate([(7.4, "GBP"), (740.0, "GBX"), (7.5, None)], 1):
        run(book.judge([row(price, seq, currency=currency)], NOON))
    assert (book.status().judged, book.undelivered()) == (1, None)
    run(book.judge([row(8.1, 4, currency="GBP")], NOON))
    alert = book.undelivered()
    assert alert is not None
    assert (alert.exchange, alert.currency, alert.source) == ("NASDAQ", "GBP", "us")


def test_a_rule_without_a_currency_takes_that_of_the_first_price_it_judges(
    book: AlertBook,
) -> None:
    """It is stored with its standing; a changed rule begins anew."""
    book.put_rule(rule(threshold=100.0), None, NOON)
    for seq, (price, currency) in enumerate([(2.0, "GBP"), (740.0, "GBX"), (3.0, None)], 1):
        run(book.judge([row(price, seq, currency=currency)], NOON))
    assert book.undelivered() is None
    unstored = book.unstored()
    assert unstored is not None
    assert unstored.standings == {1: Standing(1, armed=True, currency="GBP")}
    book.put_rule(rule(threshold=100.0, revision=2), None, NOON)
    run(book.judge([row(99.0, 4, currency="GBX"), row(740.0, 5, currency="GBX")], NOON))
    assert book.status().fired == 1


def test_the_currency_is_stored_of_a_rule_whose_standing_stays_as_it_is(book: AlertBook) -> None:
    """A rule of an older release is armed and has none: a restart would take it from any price."""
    book.put_rule(rule(threshold=8.0, armed=True), None, NOON)
    run(book.judge([row(7.4, 1, currency="GBP")], NOON))
    unstored = book.unstored()
    assert unstored is not None
    assert unstored.standings == {1: Standing(1, armed=True, currency="GBP")}
    book.stored(unstored)
    run(book.judge([row(7.3, 2, currency="GBP"), row(740.0, 3, currency="GBX")], NOON))
    assert (book.unstored(), book.undelivered()) == (None, None)


def test_a_price_is_judged_once_though_it_comes_again(book: AlertBook) -> None:
    """Older ones and the same are passed over: a batch may be seen beside the quotes' table."""
    book.put_rule(rule(), None, NOON)
    prices(book, 99.0, 101.0)
    prices(book, 99.0, 101.0)
    assert book.status().fired == 1
    assert book.status().judged == 2


def test_a_rule_of_another_owner_keeps_its_standing(book: AlertBook) -> None:
    """It went to an account: its next alert is told there, and what was judged stays judged."""
    book.put_rule(rule(), None, NOON)
    book.put_rule(rule(2, Kind.MOVE, 5.0, window=60), None, NOON)
    prices(book, 99.0, 101.0)
    assert book.status().fired == 1
    for number, kind, window in ((1, Kind.ABOVE, None), (2, Kind.MOVE, 60)):
        threshold = 100.0 if number == 1 else 5.0
        moved = rule(number, kind, threshold, window=window, owner="account:1")
        book.put_rule(moved, row(101.0, 2), NOON)
    assert book.status().fired == 1, "by the price that it was judged by"
    prices(book, 90.0, 107.0, first=3)
    unstored = book.unstored()
    assert unstored is not None
    owners = [(alert.owner, alert.rule) for alert in unstored.alerts]
    assert owners[0] == ("me", 1)
    assert {("account:1", 1), ("account:1", 2)} <= set(owners[1:])
    assert ("me", 2) not in owners


def test_a_rule_that_is_read_again_keeps_its_standing_and_a_changed_one_begins_anew(
    book: AlertBook,
) -> None:
    """The database is behind the book; only a change of the rule itself counts."""
    book.put_rule(rule(armed=True), None, NOON)
    prices(book, 101.0)
    book.put_rule(rule(armed=True), row(101.0, 1), NOON)
    prices(book, 102.0, first=2)
    assert book.status().fired == 1
    book.put_rule(rule(threshold=50.0, revision=2), row(102.0, 2), NOON)
    prices(book, 103.0, first=3)
    assert book.status().fired == 1
    unstored = book.unstored()
    assert unstored is not None
    assert unstored.standings == {1: Standing(2, armed=False)}


def test_a_rule_that_was_armed_when_the_process_ended_fires_at_what_it_finds(
    book: AlertBook,
) -> None:
    """The crossing happened while nobody looked; it is told once there is a price."""
    book.put_rule(rule(armed=True), row(101.0, 9), NOON)
    assert book.status().fired == 1


def test_a_move_is_measured_from_when_the_rule_was_made(book: AlertBook) -> None:
    """What the price did before is no matter to it, though it is to another user's rule."""
    book.put_rule(rule(1, Kind.MOVE, 5.0, window=300), row(100.0, 1), NOON)
    prices(book, 110.0, first=2)
    book.put_rule(rule(2, Kind.MOVE, 5.0, window=300, owner="you"), row(110.0, 2), NOON)
    prices(book, 111.0, 116.0, first=3)
    unstored = book.unstored()
    assert unstored is not None
    assert [(a.rule, a.price, a.reference) for a in unstored.alerts] == [
        (1, 110.0, 100.0),
        (2, 116.0, 110.0),
    ]


def test_a_dropped_rule_is_silent_and_what_it_fired_stays(book: AlertBook) -> None:
    """Its symbol is not wanted any more, unless another rule is about it."""
    book.put_rule(rule(1), None, NOON)
    book.put_rule(rule(2, Kind.MOVE, 5.0, window=60), None, NOON)
    prices(book, 99.0, 101.0)
    book.drop_rule(1)
    book.drop_rule(1)
    assert book.symbols == {"AAPL"}
    book.keep_only(set())
    assert book.symbols == frozenset()
    prices(book, 50.0, 101.0, first=3)
    unstored = book.unstored()
    assert unstored is not None
    assert [alert.rule for alert in unstored.alerts] == [1]
    assert unstored.standings == {}


def test_what_cannot_be_stored_for_long_gives_way_and_is_counted(
    book: AlertBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest first; memory has an end."""
    monkeypatch.setattr(book_module, "MOST_WAITING", 3)
    book.put_rule(rule(), None, NOON)
    for number in range(5):
        prices(book, 98.0, 101.0, first=2 * number + 1)
    assert book.status().dropped == 2
    assert book.status().unstored == 3
    unstored = book.unstored()
    assert unstored is not None
    assert [alert.number for alert in unstored.alerts] == [3, 4, 5]


def test_a_price_costs_the_rules_it_crosses_and_those_in_turns(
    book: AlertBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it means nothing to are not looked at."""
    monkeypatch.setattr(book_module, "JUDGED_PER_TURN", 10)
    for number in range(1, 101):
        book.put_rule(rule(number, threshold=100.0 + number), None, NOON)
    assert run(book.judge([row(99.0, 1)], NOON)) == 10
    assert run(book.judge([row(100.5, 2)], NOON)) == 0
    assert run(book.judge([row(140.5, 3)], NOON)) == 4
    assert book.status().fired == 40
    assert book.status().judged == 140


def test_cooldowns_end_in_turns_and_standings_are_stored_in_parts(
    book: AlertBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A price that crosses every rule does not come back as one long step a minute later."""
    monkeypatch.setattr(book_module, "JUDGED_PER_TURN", 10)
    monkeypatch.setattr(book_module, "STANDINGS_AT_ONCE", 30)
    for number in range(1, 101):
        book.put_rule(rule(number, cooldown=60, armed=True), None, NOON)
    prices(book, 101.0, 98.0, 101.0)
    assert book.status().withheld == 100
    ending = book.end_cooldowns(NOON + 120_000, NOON + 120_000)
    next(ending)
    book.drop_rule(100)
    assert run(ending) == 9
    assert book.status().fired == 199
    stored = 0
    while (unstored := book.unstored()) is not None:
        stored += len(unstored.standings)
        assert len(unstored.standings) <= 30
        book.stored(unstored)
    assert stored == 99


@given(st.lists(st.sampled_from([90.0, 99.5, 100.0, 110.0]), max_size=20), st.data())
def test_judging_that_was_cut_off_and_begun_again_is_as_if_it_never_was(
    found: list[float], data: st.DataObject
) -> None:
    """A kill at any turn: the successor judges the batch from its start, with the same end."""

    def rules(book: AlertBook) -> None:
        for number in range(1, 6):
            book.put_rule(rule(number, threshold=99.0 + number / 4), None, NOON)
        book.put_rule(rule(6, Kind.MOVE, 5.0, window=60), None, NOON)
        book.put_rule(rule(7, hysteresis=0.0, cooldown=3), None, NOON)

    rows = [row(price, seq) for seq, price in enumerate(found, 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book_module, "JUDGED_PER_TURN", 1)
        with writable_book() as undisturbed:
            rules(undisturbed)
            turns = run(undisturbed.judge(rows, NOON))
        with writable_book() as killed:
            rules(killed)
            for _ in range(3):
                stop = data.draw(st.integers(0, turns + 1))
                run(islice(killed.judge(rows, NOON), stop))
            run(killed.judge(rows, NOON))
    told = [
        [(a.id, a.price, a.crossings) for a, _ in book._unstored] for book in (undisturbed, killed)
    ]
    assert told[0] == told[1]
    assert undisturbed._armed == killed._armed


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([90.0, 110.0])), max_size=60))
def test_standings_never_go_before_what_was_fired(steps: list[tuple[int, float]]) -> None:
    """Stored part by part: a rule is never disarmed in the database while what it fired waits.

    In the end all is there, once.
    """
    with pytest.MonkeyPatch.context() as patch, writable_book() as book:
        patch.setattr(book_module, "AT_ONCE", 2)
        for number in (1, 2, 3):
            book.put_rule(rule(number, symbol=f"S{number}"), None, NOON)
        for seq, (which, price) in enumerate(steps, 1):
            run(book.judge([row(price, seq, symbol=f"S{which}")], NOON))
        stored: list[str] = []
        standings: dict[int, bool] = {}
        while (unstored := book.unstored()) is not None:
            stored += [alert.id for alert in unstored.alerts]
            standings |= {n: standing.armed for n, standing in unstored.standings.items()}
            waiting = {alert.rule for alert, _ in list(book._unstored)[len(unstored.alerts) :]}
            assert waiting.isdisjoint(unstored.standings)
            book.stored(unstored)
        assert len(stored) == len(set(stored)) == book.status().fired
        assert standings == {n: armed for n, armed in book._armed.items() if armed is not None}
