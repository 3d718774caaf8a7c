"""The book of flushes: what is news, what a client lacks, and the messages that follow."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from stockstream.delivery import flush_book
from stockstream.delivery.flush_book import RESTAMP_MS, FlushBook
from stockstream.quotes import DayFigures, TopOfBook, Version
from stockstream.statuses import Unconfirmed
from stockstream.tables import Subscription
from tests.unit.delivery.support import NOON, row

if TYPE_CHECKING:
    from stockstream.delivery.flush_book import Pieces

ALL = Subscription(everything=True)
BOTH = Subscription(frozenset({"AAPL", "MSFT"}))


def named(*symbols: str) -> Subscription:
    return Subscription(frozenset(symbols))


def read(pieces: Pieces) -> Any:
    return json.loads(b"".join(pieces))


@pytest.fixture
def book() -> FlushBook:
    """A book in which AAPL was flushed first and MSFT second."""
    book = FlushBook()
    book.fetched(NOON, 0)
    book.note([row("AAPL", 150.0, 1)])
    book.flush()
    book.note([row("MSFT", 310.0, 1)])
    book.flush()
    return book


@pytest.mark.proves("W7", "D4")
def test_between_two_flushes_the_newest_of_a_symbol_wins(book: FlushBook) -> None:
    """Three prices of one symbol are one update; one that comes late and is older is nothing."""
    book.note([row("AAPL", 151.0, 2), row("AAPL", 153.0, 4)])
    book.note([row("AAPL", 152.0, 3)])
    assert book.flush() == {"AAPL"}
    (update,) = read(book.prices(["AAPL"]))["prices"]
    assert (update["symbol"], update["price"], update["version"]) == ("AAPL", 153.0, [1, 4])
    assert update["timestamp"] == "2026-11-22T12:00:00.000Z"


@pytest.mark.proves("W6")
def test_a_price_that_did_not_change_is_no_news(book: FlushBook) -> None:
    """A newer version of the same price is not sent again, until its time has moved on far."""
    book.note([row("AAPL", 150.0, 2, timestamp=NOON + RESTAMP_MS - 1)])
    assert not book.waiting
    book.note([row("AAPL", 150.0, 3, timestamp=NOON + RESTAMP_MS)])
    assert book.flush() == {"AAPL"}


@pytest.mark.proves("W1")
def test_an_older_version_is_no_news(book: FlushBook) -> None:
    """Whatever its price says: versions decide."""
    book.note([row("AAPL", 999.0, 1)])
    assert not book.waiting


def test_a_client_lacks_what_changed_after_the_flush_it_saw(book: FlushBook) -> None:
    """Flush by flush, by name or all of them."""
    assert sorted(book.lacking(ALL, 0)) == ["AAPL", "MSFT"]
    assert book.lacking(ALL, 1) == ["MSFT"]
    assert book.lacking(BOTH, 1) == ["MSFT"]
    assert book.lacking(named("AAPL", "NFLX"), 1) == []
    assert book.lacking(ALL, 2) == []


@pytest.mark.proves("W2")
def test_what_was_listed_after_subscribing_comes_with_all_its_fields(book: FlushBook) -> None:
    """A client that saw flush 1 does not know MSFT's fields; of AAPL a price is enough."""
    book.note([row("AAPL", 151.0, 2)])
    book.flush()
    snapshot, prices = map(read, book.updates(["AAPL", "MSFT"], seen=1))
    assert snapshot["type"] == "snapshot"
    assert snapshot["as_of"] == "2026-11-22T12:00:00.000Z"
    assert [quote["symbol"] for quote in snapshot["quotes"]] == ["MSFT"]
    assert snapshot["quotes"][0]["open"] == 100.0
    assert [update["symbol"] for update in prices["prices"]] == ["AAPL"]
    assert set(prices["prices"][0]) == {"symbol", "price", "timestamp", "version"}


@pytest.mark.parametrize("change", [{"opened": 149.0}, {"currency": "EUR"}, {"source": "us2"}])
def test_a_field_of_snapshots_that_changes_comes_in_a_snapshot(
    book: FlushBook, change: dict[str, float | str]
) -> None:
    """A new day's opening price, say; also to a client that missed the flush it changed in."""
    book.note([row("AAPL", 150.0, 2, **change)])
    book.flush()
    book.note([row("AAPL", 151.0, 3, **change)])
    book.flush()
    (missed,) = map(read, book.updates(["AAPL"], seen=2))
    assert (missed["type"], missed["quotes"][0]["version"]) == ("snapshot", [1, 3])
    (present,) = map(read, book.updates(["AAPL"], seen=3))
    assert (present["type"], present["prices"][0]["version"]) == ("prices", [1, 3])


def test_a_snapshot_is_of_what_was_added(book: FlushBook) -> None:
    """Nothing added, no snapshot; added without a price yet, an empty one."""

    def symbols(want: Subscription, before: Subscription) -> list[str] | None:
        message = book.snapshot(want, before)
        if message is None:
            return None
        return sorted(quote["symbol"] for quote in read(message)["quotes"])

    assert symbols(BOTH, named()) == ["AAPL", "MSFT"]
    assert symbols(BOTH, named("AAPL")) == ["MSFT"]
    assert symbols(ALL, named("MSFT")) == ["AAPL"]
    assert symbols(named("NFLX"), named()) == []
    assert symbols(BOTH, BOTH) is None
    assert symbols(named("AAPL"), BOTH) is None
    assert symbols(ALL, ALL) is None
    assert symbols(named(), ALL) is None


@pytest.mark.proves("W3")
def test_what_a_client_has_is_left_out_of_its_snapshot(book: FlushBook) -> None:
    """Versions are pairs; what changes before the snapshot is made comes all the same."""
    since = {"AAPL": Version(1, 1), "MSFT": Version(0, 99), "NFLX": Version(9, 9)}
    known = book.known(BOTH, since)
    assert known == {"AAPL"}
    assert book.known(named("MSFT"), since) == frozenset()
    at = book.number

    def symbols() -> list[str]:
        message = book.snapshot(BOTH, named(), known, at)
        assert message is not None
        return sorted(quote["symbol"] for quote in read(message)["quotes"])

    assert symbols() == ["MSFT"]
    book.note([row("AAPL", 151.0, 2)])
    book.flush()
    assert symbols() == ["AAPL", "MSFT"]


@pytest.mark.proves("W21")
def test_a_state_is_told_once_to_whoever_does_not_know_it(book: FlushBook) -> None:
    """Under the version there is; a price alone is as long as ever."""
    book.note_unconfirmed(
        {"AAPL": Unconfirmed("not_told", 5_000), "NFLX": Unconfirmed("not_told", 1)}
    )
    assert book.flush() == {"AAPL"}
    (update,) = read(book.updates(["AAPL"], seen=2)[0])["prices"]
    assert update["version"] == [1, 1]
    assert (update["state"], update["reason"], update["confirmed"]) == ("stale", "not_told", 5_000)
    book.note([row("AAPL", 151.0, 2), row("MSFT", 311.0, 2)])
    book.flush()
    told, missed = (read(book.updates(["AAPL", "MSFT"], seen)[0])["prices"] for seen in (3, 2))
    assert [set(update) for update in told] == [{"symbol", "price", "timestamp", "version"}] * 2
    assert {update["symbol"]: update.get("state") for update in missed} == {
        "MSFT": None,
        "AAPL": "stale",
    }
    book.note_unconfirmed({})
    book.flush()
    (live,) = read(book.updates(["AAPL"], seen=4)[0])["prices"]
    assert set(live) == {"symbol", "price", "timestamp", "version", "state"}
    assert live["state"] == "live"


@pytest.mark.proves("W3", "W21")
def test_what_changed_under_a_version_comes_to_a_client_that_has_the_version(
    book: FlushBook,
) -> None:
    """Stale or live again: the version alone does not say what the client knows of it."""
    since = {"AAPL": Version(1, 1)}
    assert book.known(BOTH, since) == {"AAPL"}
    for stale in ({"AAPL": Unconfirmed("not_told", 5_000)}, {}):
        book.note_unconfirmed(stale)
        book.flush()
        assert book.known(BOTH, since) == frozenset()
    book.note([row("AAPL", 151.0, 2)])
    book.flush()
    assert book.known(BOTH, {"AAPL": Version(1, 2)}) == {"AAPL"}


@pytest.mark.proves("W23")
def test_a_message_says_when_it_was_made_and_what_was_fetched_by_one_clock(
    book: FlushBook,
) -> None:
    """The server's monotonic one, so that their difference is an age."""
    book.fetched(NOON, 61_250)
    book.at(62.0)
    for message in (book.prices(()), book.snapshot(BOTH, named())):
        assert message is not None
        head = read(message)
        assert (head["steady"], head["fetched"]) == (62_000, 61_250)
        assert head["as_of"] == "2026-11-22T12:00:00.000Z"


def test_figures_of_the_day_come_with_a_price_and_only_when_they_changed(book: FlushBook) -> None:
    """A volume alone is no news. One that has figures for the first time tells them."""
    more, less = DayFigures(152.0, 148.0, volume=2_000.0), DayFigures(152.0, 148.0, volume=1_000.0)
    book.note([row("AAPL", 151.0, 2, figures=less)])
    book.flush()
    (update,) = read(book.prices(["AAPL"]))["prices"]
    assert update["day"] == {"high": 152.0, "low": 148.0, "volume": 1_000.0}
    book.note([row("AAPL", 151.0, 3, figures=more)])
    assert not book.waiting
    book.note([row("AAPL", 151.5, 4, figures=less), row("MSFT", 311.0, 2)])
    book.flush()
    updates = read(book.prices(["AAPL", "MSFT"]))["prices"]
    assert all("day" not in update for update in updates)
    (quote,) = read(book._snapshot(["AAPL"]))["quotes"]
    assert quote["day"] == {"high": 152.0, "low": 148.0, "volume": 1_000.0}


def test_who_missed_a_flush_is_told_the_figures_that_changed_in_it(book: FlushBook) -> None:
    """They did not change again with the price that it is told; others get the price alone."""
    for seq, price in enumerate((151.0, 152.0), 2):
        book.note([row("AAPL", price, seq, figures=DayFigures(volume=7.0))])
        book.flush()
    (late,) = book.updates(["AAPL"], book.number - 2)
    (update,) = read(late)["prices"]
    assert (update["price"], update["day"], update["state"]) == (152.0, {"volume": 7.0}, "live")
    (in_time,) = book.updates(["AAPL"], book.number - 1)
    assert "day" not in read(in_time)["prices"][0]


def test_figures_that_come_after_their_price_are_told_in_a_snapshot(book: FlushBook) -> None:
    """As all that is said of a version that clients have already; and that they are gone."""
    book.note([row("AAPL", 150.0, 1, figures=DayFigures(at=NOON - 1, rolling=True))])
    assert book.flush() == {"AAPL"}
    (message,) = book.updates(["AAPL"], book.number - 1)
    assert read(message)["type"] == "snapshot"
    at = "2026-11-22T11:59:59.999Z"
    assert read(message)["quotes"][0]["day"] == {"rolling": True, "at": at}
    book.note([row("AAPL", 151.0, 2)])
    book.flush()
    (message,) = book.updates(["AAPL"], book.number - 1)
    assert "day" not in read(message)["quotes"][0]


def test_bid_and_ask_come_with_each_price_and_go_with_it(book: FlushBook) -> None:
    """In updates, with a state and in snapshots; of one that has none, nobody is told any."""
    book.note([row("AAPL", 151.0, 2, top=TopOfBook(150.9, 151.1))])
    book.flush()
    for message in (book.prices(["AAPL"]), book.prices((), ["AAPL"]), book._snapshot(["AAPL"])):
        ((told,),) = (value for value in read(message).values() if isinstance(value, list))
        assert (told["bid"], told["ask"]) == (150.9, 151.1)
        assert "quoted_at" not in told
    for seq, top in ((3, None), (4, TopOfBook())):
        book.note([row("AAPL", 151.0 + seq, seq, top=top)])
        book.flush()
        for message in (book.prices(["AAPL"]), book.prices((), ["AAPL"])):
            assert {"bid", "ask", "quoted_at"}.isdisjoint(read(message)["prices"][0])


def test_another_bid_beside_an_unchanged_price_is_news_once_a_second(book: FlushBook) -> None:
    """A feed that tells each change of a book floods nobody."""
    book.note([row("AAPL", 150.0, 2, timestamp=NOON + 999, top=TopOfBook(149.9, 150.1))])
    assert not book.waiting
    book.note([row("AAPL", 150.0, 3, timestamp=NOON + 1_000, top=TopOfBook(149.8, 150.1))])
    assert book.flush() == {"AAPL"}
    (update,) = read(book.prices(["AAPL"]))["prices"]
    assert (update["bid"], update["version"]) == (149.8, [1, 3])
    book.note([row("AAPL", 150.0, 4, timestamp=NOON + 9_000, top=TopOfBook(149.8, 150.1))])
    assert not book.waiting


def test_a_bid_that_is_told_later_comes_with_the_state(book: FlushBook) -> None:
    """Of the version that clients have: so they take it. It costs no snapshot."""
    book.note([row("AAPL", 150.0, 1, top=TopOfBook(149.9, 150.1, NOON + 5_000))])
    assert book.flush() == {"AAPL"}
    (message,) = book.updates(["AAPL"], book.number - 1)
    (update,) = read(message)["prices"]
    assert (update["bid"], update["ask"], update["version"]) == (149.9, 150.1, [1, 1])
    assert (update["state"], update["quoted_at"]) == ("live", "2026-11-22T12:00:05.000Z")
    book.note([row("AAPL", 150.0, 1, top=TopOfBook(149.9, 150.1, NOON + 5_000))])
    assert not book.waiting


def test_a_bid_beside_a_price_that_was_no_news_is(book: FlushBook) -> None:
    """Else, after two trades in a second, nobody is told another bid until the next trade."""
    book.note([row("AAPL", 150.0, 2, timestamp=NOON + 400, top=TopOfBook(149.9, 150.1))])
    assert not book.waiting
    later = TopOfBook(149.8, 150.1, NOON + 600)
    book.note([row("AAPL", 150.0, 2, timestamp=NOON + 400, top=later)])
    assert book.flush() == {"AAPL"}
    (update,) = read(book.prices(["AAPL"]))["prices"]
    assert (update["bid"], update["version"]) == (149.8, [1, 2])


def test_a_client_from_elsewhere_may_lack_a_bid_that_was_told_later(book: FlushBook) -> None:
    """Of the version that it has, where this node heard of that with the later bid at once."""
    book.note([row("AAPL", 151.0, 2, top=TopOfBook(150.8, 151.1, NOON + 5_000))])
    book.flush()
    assert book.known(BOTH, {"AAPL": Version(1, 2)}) == frozenset()
    book.note([row("AAPL", 152.0, 3, top=TopOfBook(151.8, 152.1))])
    book.flush()
    assert book.known(BOTH, {"AAPL": Version(1, 3)}) == {"AAPL"}


@pytest.mark.proves("D1")
def test_an_update_is_encoded_once_whoever_wants_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand different sets of symbols share the pieces they have in common, and so do
    snapshots: one client that asks for all again and again costs no encoding.
    """
    encoded: Counter[str] = Counter()

    def counting(name, encode):
        def count(of_row, *state, **more):
            encoded[f"{name} {of_row.quote.symbol}"] += 1
            return encode(of_row, *state, **more)

        monkeypatch.setattr(flush_book, name, count)

    counting("price_update", flush_book.price_update)
    counting("snapshot_part", flush_book.snapshot_part)
    book = FlushBook()
    book.note([row("AAPL", 151.0, 2), row("MSFT", 311.0, 2)])
    book.flush()
    for _ in range(500):
        book.prices(["AAPL"])
        book.prices(["AAPL", "MSFT"])
        book.snapshot(ALL, named())
        book.snapshot(BOTH, named())
    assert encoded == {
        f"{name} {symbol}": 1
        for name in ("price_update", "snapshot_part")
        for symbol in ("AAPL", "MSFT")
    }
    book.note([row("AAPL", 152.0, 3)])
    book.flush()
    snapshot = book.snapshot(ALL, named())
    assert snapshot is not None
    assert {q["symbol"]: q["price"] for q in read(snapshot)["quotes"]} == {
        "AAPL": 152.0,
        "MSFT": 311.0,
    }
