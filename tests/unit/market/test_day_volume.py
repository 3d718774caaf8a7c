"""What was traded between two prices, by the day's volume that is told with them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stockstream.market.acceptance import accept
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading
from stockstream.market.versioning import Versioning
from stockstream.quotes import DayFigures, Flow, Observation, Symbol
from stockstream.shards import Sharding, shard
from stockstream.statuses import Holding, QuoteRow

AAPL = Symbol("AAPL")
NOON = 1_795_453_200_000  # 2026-11-23T12:00:00-05:00, a Monday
DAY = 86_400_000


class Told:
    """Prices as they are accepted, a second after each other."""

    def __init__(self) -> None:
        self.rows: dict[Symbol, QuoteRow] = {}
        self.at = NOON
        self.price = 100.0

    def __call__(
        self,
        volume: float | None,
        *,
        source: str = "us",
        epoch: int = 1,
        rolling: bool = False,
        after: int = 1_000,
        flow: Flow | None = None,
    ) -> float | None:
        """What was traded since the price before."""
        self.at += after
        self.price += 0.01
        figures = None if volume is None else DayFigures(volume=volume, rolling=rolling)
        seen = Observation(AAPL, self.price, self.at, "NASDAQ", "USD", figures=figures, flow=flow)
        observed = Observed(source, (seen,), Reading(self.at, self.at), 0)
        (row,) = accept(observed, self.rows, epoch=epoch).rows
        self.rows[AAPL] = row
        return None if row.traded is None else row.traded.volume


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=20), st.data())
def test_of_a_day_it_sums_up_to_what_the_day_grew_by(
    traded: list[int], data: st.DataObject
) -> None:
    """Whichever of the prices are missed, but for the first and the last."""
    volumes = [1_000_000.0 + sum(traded[: count + 1]) for count in range(len(traded))]
    taken = data.draw(st.sets(st.integers(0, len(traded) - 1))) | {0, len(traded) - 1}
    told = Told()
    total = sum(told(volumes[place]) or 0.0 for place in sorted(taken))
    assert total == volumes[-1] - volumes[0]


def test_a_price_without_a_volume_ends_the_count() -> None:
    """As where it is told after a connection, and not with the trades that follow."""
    told = Told()
    told(1_000)
    assert told(None) is None
    assert told(9_000) is None
    assert told(9_005) == 5


def test_the_first_one_says_nothing_of_what_was_traded_before_it() -> None:
    """Nor does the first of another source, or of another claim in a cluster."""
    told = Told()
    assert told(1_000) is None
    assert told(1_010) == 10
    assert told(1_020, source="eu") is None
    assert told(1_025, source="eu") == 5
    assert told(1_030, source="eu", epoch=2) is None
    assert told(1_031, source="eu", epoch=2) == 1


def test_a_price_that_gets_a_version_above_others_counts_nothing_again() -> None:
    """It is recorded a second time; what was traded with it was recorded with the first."""
    told = Told()
    told(1_000)
    assert told(1_010) == 10
    there = Versioning(Sharding(), "a")
    claim = Holding({shard("us", 0): 7})
    (again,) = there.reissued(frozenset(claim.epochs), claim, told.rows.values())
    assert (again.quote.version.epoch, again.traded) == (7, None)
    told.rows[AAPL] = again
    assert told(1_015, epoch=7) is None
    assert told(1_018, epoch=7) == 3


def test_a_volume_of_the_last_24_hours_says_nothing() -> None:
    told = Told()
    assert told(1_000, rolling=True) is None
    assert told(1_010, rolling=True) is None


def test_a_correction_takes_nothing_back_and_is_not_counted_twice() -> None:
    told = Told()
    told(1_000)
    assert told(990) == 0
    assert told(995) == 0
    assert told(1_007) == 7


def test_a_volume_of_nought_in_a_day_is_one_that_is_not_told() -> None:
    told = Told()
    told(1_000)
    assert told(0.0) is None
    assert told(1_004) == 4


def test_with_a_new_day_it_begins_anew() -> None:
    """Also when the day's volume is that of the day before until the market opens."""
    told = Told()
    told(1_000_000)
    assert told(1_000_000, after=DAY) is None
    assert told(500) == 500
    assert told(650) == 150
    assert told(100, after=DAY) == 100
    assert told(0.0, after=DAY) == 0


def test_trades_that_a_connection_tells_are_counted_whatever_is_left_out_of_them() -> None:
    """Also over midnight, and with a volume of the day that is asked for beside them."""
    told = Told()
    assert told(None, flow=Flow(5, 100.0)) is None
    assert told(None, flow=Flow(5, 103.0)) == 3
    assert told(9_000_000.0) is None
    assert told(None) is None
    assert told(None, flow=Flow(5, 110.5)) == 7.5
    assert told(None, flow=Flow(5, 111.5), after=DAY) == 1
    assert told(None, flow=Flow(5, 111.0)) == 0
    assert told(None, flow=Flow(5, 112.0)) == 0.5


def test_what_another_connection_has_told_counts_from_its_first_trade() -> None:
    """Nothing of it was counted; of one from before, or of another source, nobody can tell."""
    told = Told()
    told(None, flow=Flow(5, 100.0))
    assert told(None, flow=Flow(9, 4.0)) == 4
    assert told(None, flow=Flow(9, 5.0)) == 1
    assert told(None, flow=Flow(5, 101.0)) is None
    assert told(None, flow=Flow(11, 7.0), source="eu") is None
    told = Told()
    told(1_000.0)
    assert told(None, flow=Flow(5, 100.0)) is None


def test_parts_of_a_share_have_no_noise() -> None:
    told = Told()
    told(1_000.1)
    assert told(1_000.3) == 0.2


@pytest.mark.parametrize("volume", [None, 5.0])
def test_a_row_goes_to_another_node_and_back(volume: float | None) -> None:
    """One of an older node has none."""
    told = Told()
    told(volume)
    row = told.rows[AAPL]
    sent = msgspec.json.encode(row)
    assert msgspec.json.decode(sent, type=QuoteRow) == row
    fields = msgspec.json.decode(sent)
    del fields["traded"]
    assert msgspec.convert(fields, QuoteRow).traded is None


def test_of_two_connections_that_tell_the_same_the_newer_one_counts() -> None:
    """While the one takes the place of the other; also where what they tell comes in turns."""
    told = Told()
    old, new = NOON - DAY, NOON + 2_000
    assert told(None, flow=Flow(old, 1_000.0)) is None
    assert told(None, flow=Flow(old, 1_005.0)) == 5
    assert told(None, flow=Flow(new, 3.0)) == 3
    assert told(None, flow=Flow(old, 1_009.0)) is None
    assert told(None, flow=Flow(new, 8.0)) == 5
    # With our clock set back, a new one looks older.
    assert told(None, flow=Flow(old + 1, 2.0), after=120_000) is None
    assert told(None, flow=Flow(old + 1, 9.0)) == 7
