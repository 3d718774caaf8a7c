"""Which symbols are live, by what several upstreams confirmed in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.confirmations import Answer, Pace, after
from stockstream.quotes import Symbol
from stockstream.statuses import Confirmations, Rejection, StaleReason
from stockstream.symbol_states import next_due, standing, unconfirmed

pytestmark = pytest.mark.proves("W21")

A, B, C = SYMBOLS = tuple(map(Symbol, "ABC"))
SOME = st.frozensets(st.sampled_from(SYMBOLS))
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two"]),
        st.sampled_from([500, 1_000, 4_000, 20_000]),  # ms until it answers
        st.none() | SOME,  # asked for
        SOME,  # told
        SOME,  # refused, unless told
        st.sampled_from([1.0, 5.0]),
    ),
    max_size=12,
)
REFUSED = StaleReason.NOT_POSITIVE


@given(STEPS, st.frozensets(st.sampled_from(["one", "two"])))
def test_a_symbol_is_live_by_what_was_confirmed_and_nothing_else(steps, away):
    """A model keeps every confirmation of every symbol; whatever is live by the rows has one that
    is young enough, and whatever is stale has none.
    """
    rows: dict[str, Confirmations] = {}
    confirmed: dict[tuple[str, Symbol], int] = {}
    limits: dict[tuple[str, Symbol], int] = {}
    now = 0
    for name, pause, asked, told, refused, interval in steps:
        now += pause
        pace = Pace(interval, 100.0, asked)
        bad = {s: Rejection(REFUSED, "price is 0", now) for s in refused - told}
        rows[name] = after(rows.get(name), Answer(now, asked, told, bad), pace)
        for symbol in SYMBOLS:
            key = name, symbol
            if symbol in told:
                confirmed[key] = now
                limits.pop(key, None)
            elif key in confirmed and (asked is None or symbol in asked):
                limits[key] = min(limits.get(key, 10**9), pace.limit(symbol))
    for later in (0, 1_000, 3_000, 15_000, 400_000):
        at = now + later
        found = unconfirmed(rows, at)
        for symbol in SYMBOLS:
            how = standing(symbol, rows, at)
            times = {n: t for (n, s), t in confirmed.items() if s == symbol}
            if not times:
                assert how is None
                assert symbol not in found
                continue
            assert how is not None
            assert how.confirmed == max(times.values()), "no time but that of a confirmation"
            young = [n for n, t in times.items() if at < t + limits.get((n, symbol), 10**9)]
            if not young:
                assert how.reason is not None
            elif len(times) == 1:
                assert how.reason is None
            assert found.get(symbol, how._replace(reason=None)) == how
            gone = standing(symbol, rows, at, away)
            assert gone is not None
            told = unconfirmed(rows, at, away)
            assert told.get(symbol, gone._replace(reason=None)) == gone
            if times.keys() <= away:
                assert gone.reason is not None, "nobody is there who told it"
            if any(n in young and n not in away and symbol in rows[n].told for n in times):
                assert gone.reason is None, "one is enough"
        assert all(row.lapsed.keys().isdisjoint(row.told) for row in rows.values())


def test_the_next_to_become_stale_is_known():
    """So that nobody has to look all the time."""
    pace = Pace(1.0, 100.0, None)
    row = after(None, Answer(0, None, frozenset(SYMBOLS)), pace)
    row = after(row, Answer(1_000, None, frozenset({A, B})), pace)
    row = after(row, Answer(2_000, None, frozenset({A})), pace)
    assert [next_due({"one": row}, now) for now in (2_000, 3_000, 3_999)] == [3_000, 4_000, 4_000]
    assert next_due({"one": row}, 4_000) == float("inf")


def test_a_longer_interval_makes_nothing_live_again():
    """A shorter one makes it stale sooner."""
    slow, fast = Pace(5.0, 100.0, None), Pace(1.0, 100.0, None)
    row = after(None, Answer(0, None, frozenset({A})), slow)
    row = after(row, Answer(2_500, None, frozenset()), slow)
    assert row.lapsed[A].due == 15_000
    row = after(row, Answer(2_600, None, frozenset()), fast)
    assert row.lapsed[A].due == 3_000
    row = after(row, Answer(7_600, None, frozenset()), slow)
    assert row.lapsed[A] == (StaleReason.NOT_LISTED, 0, 3_000)
