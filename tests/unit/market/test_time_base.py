"""Steps of a clock against old answers: which prices are taken, and how soon. Without I/O or time.

A market makes prices that only rise, so a price tells when it was made: one lower than the last is
an older price after a newer one.
"""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from stockstream.market.acceptance import accept
from stockstream.market.observed import Observed
from stockstream.market.time_base import (
    LONE_POLLS,
    MIXED_MS,
    MIXED_POLLS,
    STEP_POLLS,
    Reading,
    TimeBase,
)
from stockstream.quotes import Observation, Symbol

HOUR = 3_600_000
BEFORE_MIDNIGHT = 1_795_391_940_000  # 2026-11-22T23:59:00Z
LIQUID = [Symbol(name) for name in ("AAPL", "MSFT", "TSLA")]
RARE = [Symbol(name) for name in ("BRK.A", "NVR")]
STEPS = [-HOUR, HOUR, -5_000, 5_000, -600_000, 600_000, -2 * 60_000, 2 * 60_000, -9 * 24 * HOUR]


class Market:
    """An upstream and our server, each with a clock, and the prices between them.

    Liquid symbols are stamped with the time of the answer, rare ones with that of their last trade.
    `grain` ms is what the upstream's stamps are cut to.
    """

    def __init__(self, interval=1_000, grain=1, liquid=LIQUID, rare=RARE):
        self.steady = 5_000_000
        self.interval = interval
        self.grain = grain
        self.server = self.upstream = BEFORE_MIDNIGHT - self.steady
        self.liquid = liquid
        self.trades = dict.fromkeys(rare)
        self.rows = {}
        self.base = TimeBase()
        self.dates = False
        for symbol in rare:
            self.trade(symbol)

    def trade(self, symbol):
        self.trades[symbol] = (self.steady / 1000, self.stamp())

    def stamp(self):
        return (self.steady + self.upstream) // self.grain * self.grain

    def answer(self):
        """What the upstream tells now."""
        now = [Observation(symbol, self.steady / 1000, self.stamp()) for symbol in self.liquid]
        return now + [Observation(symbol, *trade) for symbol, trade in self.trades.items()]

    def poll(self, *answer):
        """Ask, or be given an answer; whether all liquid symbols are fresh now."""
        date = self.steady + self.upstream if self.dates else None
        reading = Reading(self.steady, self.steady + self.server, date)
        poll = self.base.judge(answer or self.answer(), self.rows, reading)
        observed = Observed("", tuple(poll.newer), reading, self.base.clock.shift)
        accepted = accept(observed, self.rows, epoch=1)
        assert not accepted.behind
        for row in accepted.rows:
            symbol, before = row.quote.symbol, self.rows.get(row.quote.symbol)
            if before is not None:
                assert row.quote.price >= before.quote.price, f"an older price of {symbol}"
                assert row.quote.version > before.quote.version
            self.rows[symbol] = row
        assert poll.unchanged + len(poll.newer + poll.outdated + poll.ahead) == len(
            answer or self.answer()
        )
        return all(self.is_fresh(symbol) for symbol in self.liquid)

    def is_fresh(self, symbol):
        row = self.rows.get(symbol)
        return row is not None and row.quote.price == self.steady / 1000

    def wait(self, ms=None):
        self.steady += self.interval if ms is None else ms

    def go_on(self, polls):
        """So many polls, each of which brings fresh prices."""
        for _ in range(polls):
            self.wait()
            assert self.poll()

    def until_fresh(self):
        """How many ms of polling it takes."""
        began = self.steady
        for _ in range(5_000):
            self.wait()
            if self.poll():
                return self.steady - began
        raise AssertionError("never again")

    @property
    def patience(self):
        """Three intervals, as clients count them: of a second at least."""
        return STEP_POLLS * max(1_000, self.interval)


# A step


@pytest.mark.proves("W23", "W1")
@pytest.mark.parametrize("whose", ["server", "upstream", "both"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(("interval", "grain"), [(1_000, 1), (5_000, 1_000), (100, 1_000)])
def test_a_step_of_a_clock_stops_no_prices_for_more_than_three_intervals(
    whose, step, interval, grain
):
    """Whichever clock steps, and however far; and when it comes back, too."""
    market = Market(interval, grain)
    assert market.poll()
    market.go_on(12)
    for each in (step, -step):
        if whose in {"server", "both"}:
            market.server += each
        if whose in {"upstream", "both"}:
            market.upstream += each
        assert market.until_fresh() <= market.patience
        market.go_on(12)


def test_a_server_that_is_set_is_no_reason_to_doubt_the_upstream():
    """Ten minutes back, so that all prices seem to be ahead: not one poll is lost."""
    market = Market()
    market.poll()
    market.go_on(3)
    market.server -= 600_000
    market.go_on(3)
    assert market.base.clock.steps == 0


@pytest.mark.proves("W23")
@pytest.mark.parametrize("wrong", [-HOUR, -600_000, HOUR, 365 * 24 * HOUR, -365 * 24 * HOUR])
@pytest.mark.parametrize("dates", [True, False])
def test_a_start_with_a_wrong_clock_has_prices_within_three_polls(wrong, dates):
    """At once where the upstream's answers have a date, also once the clock is right again."""
    market = Market()
    market.server += wrong
    market.dates = dates
    assert market.poll() or market.until_fresh() <= (0 if dates else 2_000)
    market.go_on(5)
    market.server -= wrong
    market.go_on(5)


@pytest.mark.proves("W23")
@pytest.mark.parametrize("behind", [505_000, 19 * 60_000])
def test_who_takes_over_believes_what_others_were_told(behind):
    """A node that has just started with a clock that is behind, and was told no more than prices.

    By its clock all of them are of the future, and by the rows no step of the upstream's clock is
    as long: it would believe nothing, for good.
    """
    market = Market()
    market.go_on(5)
    market.wait(14_000)
    market.server -= behind
    market.base = TimeBase()
    assert market.poll()
    market.go_on(5)


@pytest.mark.proves("W23")
def test_one_wrong_time_among_the_rows_is_not_believed_by_who_takes_over():
    """It would have all be believed that is up to then."""
    market = Market()
    market.poll()
    row = market.rows["NVR"]
    wrong = replace(row.quote, timestamp=row.quote.timestamp + 9 * HOUR)
    market.rows["NVR"] = replace(row, quote=wrong)
    market.base = TimeBase()
    market.wait()
    market.poll()
    assert market.base.clock.lead == market.upstream
    market.wait()
    far = Observation(Symbol("AAPL"), 1e9, market.stamp() + HOUR)
    market.poll(far)
    assert market.rows["AAPL"].quote.price < 1e9


def test_rare_trades_go_on_after_a_step():
    """A price of before the step, whose time is ahead of all that comes now, is no obstacle."""
    market = Market()
    market.poll()
    market.go_on(60)
    market.upstream -= HOUR
    market.until_fresh()
    market.go_on(60)
    market.trade(RARE[0])
    market.wait()
    market.poll()
    assert market.rows[RARE[0]].quote.price == market.trades[RARE[0]][0]


def test_a_zone_that_is_mended_relabels_what_has_not_traded():
    """All times move by the hour, those of trades long ago too: one offset, and so a step."""
    market = Market()
    market.poll()
    market.go_on(20)
    market.upstream -= HOUR
    market.trades = {symbol: (price, at - HOUR) for symbol, (price, at) in market.trades.items()}
    assert market.until_fresh() <= market.patience
    assert all(
        market.rows[symbol].quote.timestamp == at for symbol, (_, at) in market.trades.items()
    )


@pytest.mark.proves("W23", "W1")
@pytest.mark.parametrize("step", [-HOUR, -600_000, HOUR])
@pytest.mark.parametrize("wrong", [2 * HOUR, 30_000, -2 * HOUR])
def test_one_symbol_with_a_wrong_time_hides_no_step(step, wrong):
    """A symbol whose time is ahead of all others, or behind them, is no reason to wait."""
    market = Market(liquid=[Symbol(name) for name in ("AAPL", "MSFT", "TSLA", "NFLX")])

    def poll():
        odd = Observation(Symbol("XAU"), market.steady / 1000, market.stamp() + wrong)
        return market.poll(*market.answer(), odd)

    for _ in range(12):
        market.wait()
        assert poll()
    for each in (step, -step):
        market.upstream += each
        fresh = []
        for _ in range(STEP_POLLS):
            market.wait()
            fresh.append(poll())
        assert fresh[-1]


@pytest.mark.proves("W23")
def test_symbols_of_late_replicas_hide_no_step():
    """A few symbols in each answer come from replicas that are late by some seconds."""
    dice = random.Random(7)
    market = Market(liquid=[Symbol(f"S{number}") for number in range(20)], rare=[])

    def poll():
        answer = market.answer()
        for number in dice.sample(range(20), 3):
            late, lag = answer[number], dice.randrange(3_000, 20_000)
            answer[number] = Observation(late.symbol, late.price - lag / 1000, late.timestamp - lag)
        market.poll(*answer)
        return sum(map(market.is_fresh, market.liquid)) >= 17

    for _ in range(12):
        market.wait()
        poll()
    market.upstream -= HOUR
    for _ in range(STEP_POLLS):
        market.wait()
        fresh = poll()
    assert fresh


@pytest.mark.proves("W23")
@pytest.mark.parametrize(("grain", "step"), [(60_000, -HOUR), (24 * HOUR, -24 * HOUR)])
def test_times_of_minutes_or_days_hide_no_step(grain, step):
    """Within a minute, or a day, they stand still; the prices do not."""
    market = Market(grain=grain, rare=[])
    market.poll()
    market.go_on(12)
    market.upstream += step
    assert market.until_fresh() <= market.patience
    market.upstream -= step
    assert market.until_fresh() <= market.patience
    market.go_on(70)


def test_a_failed_poll_does_not_begin_the_count_anew():
    """What brings nothing says nothing of the clock."""
    market = Market()
    market.poll()
    market.go_on(3)
    market.upstream -= HOUR
    for _ in range(STEP_POLLS - 1):
        market.wait()
        assert not market.poll()
        market.wait()  # a poll that failed
    market.wait()
    assert market.poll()


def test_a_single_symbol_needs_more_polls():
    """It agrees with itself too easily, but does not stand still for ever either."""
    market = Market(liquid=LIQUID[:1], rare=[])
    market.poll()
    market.go_on(3)
    market.upstream -= HOUR
    assert market.until_fresh() == LONE_POLLS * market.interval


def test_a_step_is_told_once_with_its_size():
    market = Market()
    market.poll()
    market.go_on(3)
    market.upstream -= 600_000
    market.until_fresh()
    assert market.base.clock.shift == pytest.approx(-600_000, abs=10)
    assert market.base.clock.steps == 1
    market.go_on(10)
    assert market.base.clock.steps == 1


def test_whoever_holds_the_base_next_goes_on_by_it():
    """The streamer dies and comes back: what it knew of the clock stands in the table."""
    market = Market()
    market.poll()
    market.go_on(3)
    market.upstream -= HOUR
    market.until_fresh()
    market.base = TimeBase(market.base.clock)
    market.go_on(3)


# No step


@pytest.mark.proves("W23", "W1")
def test_a_replica_whose_symbols_are_late_by_different_times_is_refused():
    """For as long as it answers; and the right one is taken at once when it is back."""
    market = Market()
    market.poll()
    market.go_on(30)
    for _ in range(100):
        market.wait()
        late = [
            Observation(symbol, (market.steady - lag) / 1000, market.stamp() - lag)
            for symbol, lag in zip(LIQUID, (4_000, 9_000, 15_000), strict=True)
        ]
        assert not market.poll(*late)
    assert market.base.clock.steps == 0
    market.go_on(3)


@pytest.mark.proves("W23", "W1")
def test_an_answer_that_stands_still_is_refused():
    """A cache that goes on serving what it has: one offset, but no time passes in it."""
    market = Market()
    market.poll()
    market.wait()
    cached = market.answer()
    market.poll()
    market.go_on(30)
    for _ in range(100):
        market.wait()
        assert not market.poll(*cached)
    market.go_on(3)


@pytest.mark.proves("W23", "W1")
def test_a_mixture_in_one_answer_is_refused_in_part():
    """Some symbols from an old replica, some from a right one: the right ones go on."""
    market = Market()
    market.poll()
    market.go_on(5)
    for _ in range(50):
        market.wait()
        first, *others = market.answer()
        old = [
            Observation(seen.symbol, seen.price - 60, seen.timestamp - 60_000) for seen in others
        ]
        market.poll(first, *old)
        assert market.is_fresh(first.symbol)
    assert market.base.clock.steps == 0


def older(market, lag):
    """What a living replica tells that is late by so many ms."""
    return [
        Observation(symbol, (market.steady - lag) / 1000, market.stamp() - lag)
        for symbol in market.liquid
    ]


@pytest.mark.proves("W23", "W1")
@pytest.mark.parametrize("lag", [3_500, 20_000, HOUR])
def test_replicas_that_take_turns_are_no_step(lag):
    """Once both were heard, not even a long row of old answers is."""
    market = Market()
    market.poll()
    market.go_on(5)
    for old_answers in (1, 2, 1, STEP_POLLS, 7, MIXED_POLLS - 1):
        for _ in range(old_answers):
            market.wait()
            assert not market.poll(*older(market, lag))
        market.go_on(1)
    assert market.base.clock.steps == 0


def test_what_was_of_two_minds_is_trusted_again_later():
    """Five minutes after the last old answer a step is a step."""
    market = Market()
    market.poll()
    market.go_on(5)
    market.wait()
    market.poll(*older(market, 20_000))
    market.go_on(1 + MIXED_MS // market.interval)
    market.upstream -= HOUR
    assert market.until_fresh() <= market.patience


def test_a_clock_that_was_set_back_a_little_has_caught_up_by_itself():
    """Two seconds: sooner than it could be told from anything else."""
    market = Market()
    market.poll()
    market.go_on(5)
    market.upstream -= 2_000
    assert market.until_fresh() <= market.patience
    assert market.base.clock.steps == 0
    market.upstream -= HOUR
    assert market.until_fresh() <= market.patience, "and that was no second mind"


def test_one_wrong_time_moves_no_base():
    """A single symbol of the year 2099, and then two: they are refused, the others go on."""
    market = Market()
    market.poll()
    far = BEFORE_MIDNIGHT + 70 * 365 * 24 * HOUR
    for bad in (["XAU"], ["XAU", "XAG"]):
        for polls in range(30):
            market.wait()
            wrong = [Observation(Symbol(name), 1.0, far + polls * 1_000) for name in bad]
            market.poll(*market.answer(), *wrong)
            assert all(market.is_fresh(symbol) for symbol in LIQUID)
            assert not any(market.rows.get(name) for name in bad)
    assert market.base.clock.steps == 0


# Anything

jumps = st.one_of(
    st.integers(4_000, 2 * 24 * HOUR), st.integers(4_000, 20_000), st.just(HOUR)
).flatmap(lambda size: st.sampled_from([size, -size]))


@pytest.mark.proves("W23", "W1")
@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32),
    interval=st.sampled_from([50, 250, 1_000, 5_000]),
    grain=st.sampled_from([1, 1_000]),
    steps=st.lists(
        st.tuples(st.integers(4, 12), st.sampled_from(["server", "upstream", "both"]), jumps),
        max_size=6,
    ),
)
def test_whatever_the_clocks_do_prices_are_fresh_and_none_is_older(seed, interval, grain, steps):
    """Steps of either clock, or of both, in any order, with rare trades in between."""
    dice = random.Random(seed)
    market = Market(interval, grain, rare=[Symbol(f"R{n}") for n in range(10)])
    assert market.poll()
    for polls, whose, jump in steps:
        for _ in range(polls):
            for symbol in market.trades:
                if dice.random() < 0.1:
                    market.trade(symbol)
            market.wait()
            market.poll()
        assert all(market.is_fresh(symbol) for symbol in market.liquid)
        if whose in {"server", "both"}:
            market.server += jump
        if whose in {"upstream", "both"}:
            market.upstream += jump
        assert market.until_fresh() <= market.patience
    market.go_on(math.ceil(10_000 / interval))
