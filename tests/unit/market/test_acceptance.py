"""Which observations become quotes, with which versions."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.acceptance import accept, epoch_of, take_in
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading, TimeBase
from stockstream.market.troubles import CLEAN_ROUNDS_TO_BE_OVER, Troubles
from stockstream.quotes import Observation, Symbol, Version

EPOCH = 1_795_378_525_327
MIDNIGHT = 1_795_392_000_000  # 2026-11-23T00:00:00Z
AAPL = Symbol("AAPL")


def take(rows, *observations, epoch=EPOCH, received=MIDNIGHT - 1000):
    base = TimeBase(source="api")
    reading = Reading(0, received)
    poll = base.judge(observations, rows, reading)
    accepted = accept(Observed("api", tuple(poll.newer), reading, 0), rows, epoch=epoch)
    assert len(accepted.rows) == len(poll.newer), "of one feed all is taken"
    assert not accepted.behind
    rows.update({row.quote.symbol: row for row in accepted.rows})
    return poll


def seen(price, at=1000, **more):
    return Observation(AAPL, price, at, **more)


@pytest.mark.proves("W1")
def test_each_symbol_counts_its_own_accepted_quotes():
    rows = {}
    for price in (1.0, 2.0, 3.0):
        take(rows, seen(price), Observation(Symbol("MSFT"), 5.0, 1000))
    assert rows[AAPL].quote.version == Version(EPOCH, 3)
    assert rows["MSFT"].quote.version == Version(EPOCH, 1), "the same again is not accepted again"


@pytest.mark.proves("W1")
def test_the_count_goes_on_from_the_rows_whoever_reads_them():
    """A successor makes its epoch from the table, so its versions stay above."""
    rows = {}
    take(rows, seen(1.0))
    epoch = epoch_of(rows, now := EPOCH + 999)
    assert epoch == EPOCH
    take(rows, seen(2.0), epoch=epoch)
    assert rows[AAPL].quote.version == (EPOCH, 2)
    assert epoch_of({}, now) == now


@pytest.mark.proves("N3", "N14")
@pytest.mark.parametrize(
    ("shift", "source", "goes_in"), [(0, "api", 0), (9, "api", 1), (0, "b", 1)]
)
def test_another_nodes_higher_version_of_an_older_price_stays_out(shift, source, goes_in):
    """Both were alone, and fetched in turns. Not where times of the two cannot be compared.

    Found by the simulation: as they met again, clients were shown older prices for an interval.
    """
    here, there = {}, {}
    take(here, seen(2.0, 2000), epoch=EPOCH)
    take(there, seen(1.0, 1000), epoch=EPOCH + 7)
    row = msgspec.structs.replace(there[AAPL], shift=shift, source=source)

    taken = take_in([row], here)

    assert (len(taken.newer), taken.refused) == (goes_in, 1 - goes_in)


def test_prices_in_two_currencies_are_not_compared():
    """With the other one the day begins anew; a price that tells none is of the one before."""
    rows = {}
    take(rows, seen(7.4, 1000, currency="GBP", previous_close=7.0))
    take(rows, seen(7.5, 2000))
    assert (rows[AAPL].open, rows[AAPL].previous, rows[AAPL].base.price) == (7.4, 7.4, 7.0)
    take(rows, seen(7.6, 3000, currency="GBP"))
    take(rows, seen(740.0, 4000, currency="GBX"))
    assert (rows[AAPL].open, rows[AAPL].previous, rows[AAPL].base.price) == (740.0, None, 740.0)
    assert rows[AAPL].quote.version.seq == 4
    take(rows, seen(741.0, 5000, currency="GBX"))
    assert (rows[AAPL].open, rows[AAPL].previous) == (740.0, 740.0)


def test_a_day_opens_with_its_first_accepted_price():
    rows = {}
    take(rows, seen(10.0), received=MIDNIGHT - 2)
    take(rows, seen(11.0), received=MIDNIGHT - 1)
    assert rows[AAPL].open == 10.0
    take(rows, seen(12.0), received=MIDNIGHT)
    assert rows[AAPL].open == 12.0
    take(rows, seen(13.0), received=MIDNIGHT + 1)
    assert rows[AAPL].open == 12.0
    take(rows, seen(14.0), received=MIDNIGHT - 1)
    assert rows[AAPL].open == 12.0, "a clock that was set back over midnight begins no day"


def test_the_previous_price_is_the_last_that_differed():
    rows = {}
    take(rows, seen(1.0, 1))
    assert rows[AAPL].previous is None
    take(rows, seen(1.0, 2))
    assert rows[AAPL].previous is None
    take(rows, seen(2.0, 3))
    take(rows, seen(2.0, 4))
    assert rows[AAPL].previous == 1.0


def test_a_newer_time_of_the_same_price_is_news():
    """A price that stands while its time moves on is not frozen, and a client has to know."""
    rows = {}
    take(rows, seen(1.0, 1))
    assert len(take(rows, seen(1.0, 2)).newer) == 1
    assert take(rows, seen(1.0, 2)).unchanged == 1


def test_an_older_time_is_outdated_and_an_equal_one_with_another_price_is_not():
    rows = {}
    take(rows, seen(1.0, 5))
    assert len(take(rows, seen(2.0, 4)).outdated) == 1
    assert len(take(rows, seen(2.0, 5)).newer) == 1


@pytest.mark.proves("W1")
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 5), st.sampled_from(["A", "B"])), max_size=40
    )
)
def test_versions_only_rise_and_times_never_fall(feed):
    rows = {}
    last = {}
    for price, at, symbol in feed:
        poll = take(rows, Observation(Symbol(symbol), float(price), at))
        assert len(poll.newer) + poll.unchanged + len(poll.outdated) == 1
        for row in [rows[seen.symbol] for seen in poll.newer]:
            before = last.get(symbol)
            if before is not None:
                assert row.quote.version == (EPOCH, before.version.seq + 1)
                assert row.quote.timestamp >= before.timestamp
            last[symbol] = row.quote


def test_a_trouble_is_told_once_until_it_is_over():
    troubles = Troubles()
    assert [troubles.seen("reset") for _ in range(3)] == [True, False, False]
    assert troubles.counts["reset"] == 3
    for _ in range(CLEAN_ROUNDS_TO_BE_OVER - 1):
        assert troubles.after_success([]) == []
    assert not troubles.seen("reset"), "one in five is the same trouble still"
    for _ in range(CLEAN_ROUNDS_TO_BE_OVER - 1):
        assert troubles.after_success([]) == []
    assert troubles.after_success([]) == ["reset"]
    assert troubles.seen("reset")


def test_a_round_with_a_trouble_in_it_is_no_clean_one_for_that_trouble():
    troubles = Troubles()
    troubles.seen("bad_item", 7)
    for _ in range(50):
        assert troubles.after_success(["bad_item"]) == []
    assert troubles.counts["bad_item"] == 7


@pytest.mark.proves("W1")
def test_two_upstreams_that_tell_one_time_do_not_take_turns():
    """Both go on telling their price of it. The first stands, may correct itself, and is known."""
    rows = {}
    reading = Reading(0, MIDNIGHT - 1000)

    def told(upstream, price, at=1000, shift=0):
        observed = Observed(upstream, (seen(price, at),), reading, shift)
        accepted = accept(observed, rows, epoch=EPOCH)
        rows.update({row.quote.symbol: row for row in accepted.rows})
        return len(accepted.rows), len(accepted.behind)

    assert told("first", 10.0) == (1, 0)
    for _ in range(3):
        assert told("second", 20.0) == (0, 1)
        assert told("first", 10.0) == (0, 0)
    assert told("second", 10.0) == (0, 0), "the same price is no trouble"
    assert told("second", 20.0, at=4000, shift=3000) == (0, 1), "as the clocks were before a step"
    assert told("first", 11.0) == (1, 0)
    assert told("second", 20.0, at=2000) == (1, 0)
    assert told("first", 12.0, at=2000) == (0, 1)
    assert rows[AAPL].quote.version.seq == 3


def told_by(source, rows, observation, received):
    accepted = accept(Observed(source, (observation,), Reading(0, received), 0), rows, epoch=EPOCH)
    rows.update({row.quote.symbol: row for row in accepted.rows})
    return rows[observation.symbol]


SATURDAY = 1_796_490_000_000  # 2026-12-05T17:00:00Z


@pytest.mark.parametrize(
    ("exchange", "kept", "session"),
    [("NASDAQ", "NASDAQ", "closed"), ("KRAKEN", None, "always"), (None, None, "always")],
)
def test_a_fallback_that_tells_no_exchange_leaves_a_symbol_at_its_market(exchange, kept, session):
    """It was told to be always open, at a week's end too. A place that has no hours is not kept."""
    rows = {}
    friday = SATURDAY - 21 * 3_600_000  # the latest trades are of the day before
    row = told_by("us", rows, seen(1.0, friday, exchange=exchange), SATURDAY)
    for source, price in (("us2", 2.0), ("us2", 3.0), ("us3", 4.0)):
        row = told_by(source, rows, seen(price, friday + round(price * 1000)), SATURDAY)
        assert row.source == source
        assert row.quote.exchange == kept
        assert row.session is not None
        assert row.session.session == session
    back = told_by("us", rows, seen(5.0, friday + 9000, exchange=exchange), SATURDAY)
    assert back.quote.exchange == exchange
