"""What is counted of fetches and of the ages of prices, over all lives of who counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from stockstream import paths
from stockstream.histogram import Histogram
from stockstream.market.fetches import Fetches, Outcome
from stockstream.market.quote_ages import QuoteAges
from stockstream.quotes import Quote, Symbol, Version
from stockstream.statuses import QuoteRow
from stockstream.tables import Tables
from supervision.context import current_cell

if TYPE_CHECKING:
    from collections.abc import Callable


def as_actor(path: str, work: Callable[[], None]) -> None:
    token = current_cell.set(cast("Any", SimpleNamespace(path=path)))
    try:
        work()
    finally:
        current_cell.reset(token)


def row(timestamp: int, received: int) -> QuoteRow:
    quote = Quote(
        symbol=Symbol("AAPL"),
        price=1.0,
        timestamp=timestamp,
        exchange=None,
        currency=None,
        delayed=False,
        version=Version(1, 1),
        received=received,
    )
    return QuoteRow(quote, 1.0, None)


async def test_a_new_life_of_a_feed_counts_on() -> None:
    """By outcome, with the time that each took; a value on a bound belongs to it."""
    tables = Tables()

    def first() -> None:
        life = Fetches("api", tables.fetches)
        life.ended(Outcome.SUCCESSFUL, 0.005)
        life.ended(Outcome.FAILED, 11.0)

    as_actor(paths.feed("api"), first)
    again = Fetches("api", tables.fetches)
    as_actor(paths.feed("api"), lambda: again.ended(Outcome.SUCCESSFUL, 0.0051))
    figures = tables.fetches.rows["api"]
    assert figures.outcomes == {"successful": 2, "failed": 1}
    assert figures.ended is not None
    assert figures.ended.age < 60
    assert figures.seconds.cumulative() == [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3]


def test_the_age_of_a_price_is_by_the_providers_time() -> None:
    """In seconds, by upstream; one from the future has none."""
    tables = Tables()
    ages = QuoteAges(tables.quote_ages)

    def accept() -> None:
        ages.accepted("api", [row(1000, 1050), row(1000, 1051)])
        ages.accepted("other", [row(1000, 900)])

    as_actor(paths.STREAMER, accept)
    assert tables.quote_ages.rows["api"].cumulative()[:3] == [1, 2, 2]
    assert tables.quote_ages.rows["other"].cumulative()[0] == 1
    assert tables.quote_ages.rows["other"].total == 0
    assert [tables.quote_ages.rows["api"].quantile(part) for part in (0.5, 0.95)] == [0.05, 0.1]
    assert Histogram([1.0]).quantile(0.5) is None
    beyond = Histogram([1.0])
    beyond.add(2.0)
    assert beyond.quantile(0.5) is None
