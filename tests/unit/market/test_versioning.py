"""Which epoch is given to what a node of a cluster observed, where upstreams have other shards."""

from __future__ import annotations

import pytest

from stockstream.market.acceptance import accept
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading
from stockstream.market.versioning import Versioning
from stockstream.quotes import Observation, Symbol
from stockstream.shards import Shard, Sharding
from stockstream.statuses import Holding

SYMBOLS = tuple(map(Symbol, ("AAPL", "AMZN", "MSFT", "NFLX", "NVDA", "TSLA")))
SHARDING = Sharding({"us": 1, "px": 8})


def observed(upstream: str) -> Observed:
    seen = tuple(Observation(symbol, 1.0, 1) for symbol in SYMBOLS)
    return Observed(upstream, seen, Reading(1, 1), 0)


@pytest.mark.proves("N4", "N5")
def test_each_upstream_is_versioned_by_its_own_shards() -> None:
    """All of an upstream with a single one, and of another what is in the shard that is held."""
    mine = SHARDING.of("px", SYMBOLS[0])
    assert {SHARDING.of("px", symbol) for symbol in SYMBOLS} > {mine}
    versioning = Versioning(SHARDING, "one")
    holding = Holding({Shard("us/0"): 7, mine: 9}, frozenset({mine}))
    [everything] = versioning.portions(observed("us"), holding, 0)
    assert [seen.symbol for seen in everything.observed.observations] == list(SYMBOLS)
    assert everything.epoch == 7
    [some] = versioning.portions(observed("px"), holding, 0)
    told = [seen.symbol for seen in some.observed.observations]
    assert told == [symbol for symbol in SYMBOLS if SHARDING.of("px", symbol) == mine]
    assert some.epoch == 9


def test_a_node_says_more_of_the_rows_whose_upstream_it_fetches() -> None:
    """The shard of their symbol at another upstream does not count."""
    versioning = Versioning(SHARDING, "one")
    rows = {row.quote.symbol: row for row in accept(observed("us"), {}, epoch=1).rows}
    assert rows.keys() == set(SYMBOLS)
    assert set(versioning.held(rows, Holding({Shard("us/0"): 1}))) == set(rows.values())
    others = {SHARDING.of("px", symbol): 1 for symbol in SYMBOLS}
    assert not list(versioning.held(rows, Holding(others)))


def test_an_upstream_that_is_not_named_has_one_shard() -> None:
    """And those that are named have all of theirs."""
    assert Sharding().of("api", SYMBOLS[0]) == "api/0"
    assert len(SHARDING.shards) == 9
    assert SHARDING.everywhere(SYMBOLS[0]) == {"us/0", SHARDING.of("px", SYMBOLS[0])}
