"""What a feed of a cluster does beside fetching."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from stockstream import paths
from stockstream.market.acceptance import accept
from stockstream.market.feeds.standby import Standby
from stockstream.market.observed import Observed
from stockstream.market.time_base import Reading
from stockstream.quotes import Observation, Symbol
from stockstream.shards import Shard
from stockstream.statuses import Holding
from stockstream.tables import Tables
from supervision.context import current_cell

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ONE, TWO = Symbol("ONE"), Symbol("TWO")


def put(path: str, write: Callable[[], None]) -> None:
    token = current_cell.set(cast("Any", SimpleNamespace(path=path)))
    write()
    current_cell.reset(token)


def told(price: float, at: int) -> tuple[Observation, ...]:
    return Observation(ONE, price, at), Observation(TWO, price, at)


@pytest.mark.proves("N17")
@pytest.mark.parametrize(
    ("epoch", "found"), [(100, {}), (99, dict(zip((ONE, TWO), told(2.0, 2), strict=True)))]
)
def test_what_came_before_the_claim_above_a_higher_epoch_is_to_be_told_again(
    epoch: int, found: Mapping[Symbol, Observation]
) -> None:
    """A provider tells it once; what is behind another feed's price is not told again."""
    tables = Tables()
    accepted = accept(Observed("push", told(1.0, 1), Reading(1, 1), 0), {}, epoch=100)
    put(paths.STREAMER, lambda: tables.quotes.put_all({r.quote.symbol: r for r in accepted.rows}))
    put(paths.MEMBERSHIP, lambda: tables.holding.put(Holding({Shard("push/0"): epoch})))
    news = told(2.0, 2)
    behind = accept(
        Observed("push", news, Reading(2, 2), 0), tables.quotes.rows, epoch=epoch
    ).behind
    standby = Standby("push", 1, tables)
    assert standby.shares
    assert standby.overtaken(news, behind | {ONE}) == found
    assert standby.overtaken(news, ()) == {}


@pytest.mark.proves("N4", "N8")
def test_alone_only_who_had_the_connection_of_a_key_goes_on_having_it() -> None:
    """Nodes that cannot hear each other would throw each other out. Of a provider without a key
    each fetches for its own clients.
    """
    tables = Tables()
    free, keyed = Standby("push", 2, tables), Standby("push", 2, tables, exclusive=True)
    zero, one = Shard("push/0"), Shard("push/1")

    def hold(holding: Holding) -> None:
        put(paths.MEMBERSHIP, lambda: tables.holding.put(holding))

    assert free.held == keyed.held == {0, 1}
    assert not keyed.barred
    hold(Holding({zero: 1}, frozenset({zero})))
    assert free.held == keyed.held == {0}
    hold(Holding({zero: 1, one: 1}, frozenset({zero}), alone=True))
    assert (free.held, keyed.held) == ({0, 1}, {0})
    assert not keyed.barred
    hold(Holding({zero: 1, one: 1}, alone=True))
    assert (free.held, keyed.held) == ({0, 1}, frozenset())
    assert keyed.barred
    assert not free.barred
