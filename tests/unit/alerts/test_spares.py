"""Alerts on several nodes: judged on all, stored and told by the one that records the symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from stockstream import paths
from stockstream.alerts.book import AlertBook, Standing
from stockstream.alerts.spares import SPARE_MS, Recording
from stockstream.shards import Sharding, index_of, shard_of
from supervision import Slot
from tests.unit.alerts.support import NOON, acting_as, hold, row, rule, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stockstream.messages import Alert
    from stockstream.statuses import Holding

SHARD = "us/0"
TAKEN_OVER = NOON + 5_000


@dataclass
class Node:
    """The book of one node, and its holding."""

    book: AlertBook
    holding: Slot[Holding]

    def sees(self, *prices: float, first: int = 1, own: bool = False) -> None:
        rows = [row(price, first + n) for n, price in enumerate(prices)]
        run(self.book.judge(rows, NOON, own=own))

    def stores(self) -> list[str]:
        """Ids of what it would store next."""
        unstored = self.book.unstored()
        return [] if unstored is None else [alert.id for alert in unstored.alerts]

    def tells(self) -> list[str]:
        """Ids of what its own clients are told, the others taken off."""
        found = []
        while (alert := self.book.undelivered()) is not None:
            found.append(alert.id)
            self.book.delivered(alert)
        return found

    def tells_others(self) -> tuple[Alert, ...]:
        alerts = self.book.untold(100)
        self.book.told(alerts)
        return alerts


def node_with(**shards: int) -> Node:
    """By default there are one of `api` and one of `us`, where the rows of the tests are from."""
    holding: Slot[Holding] = Slot("holding", writer=paths.MEMBERSHIP)
    return Node(AlertBook(Recording(holding, Sharding(shards or {"us": 1, "api": 1}))), holding)


@pytest.fixture
def node() -> Iterator[Node]:
    """A node of a cluster that records nothing yet, and may be written."""
    with acting_as(paths.ALERTS):
        node = node_with()
        hold(node.holding)
        node.book.put_rule(rule(), None, NOON)
        yield node


@pytest.mark.proves("N22")
def test_another_nodes_price_is_judged_and_its_alert_is_left_to_that_node(node: Node) -> None:
    """Neither stored nor told here, and its standing is not written; the next one is as there."""
    node.sees(99.0, 101.0)
    assert (node.stores(), node.tells(), node.tells_others()) == ([], [], ())
    assert node.book.unstored() is None
    assert node.book.status().judged == 2
    hold(node.holding, SHARD)
    node.sees(102.0, first=3)
    assert node.book.status().fired == 0, "it had crossed before"


@pytest.mark.proves("N22")
def test_what_this_node_has_fetched_is_its_to_store_and_to_tell_everywhere(node: Node) -> None:
    """Also when it has lost the shard since: nobody else may have seen the price."""
    node.sees(99.0, 101.0, own=True)
    assert node.stores() == node.tells() == ["1-1-2"]
    assert [alert.id for alert in node.tells_others()] == ["1-1-2"]
    assert node.tells_others() == ()


@pytest.mark.proves("N22", "T16")
def test_who_takes_over_stores_and_tells_what_its_predecessor_may_have_left(node: Node) -> None:
    """With the standing; once."""
    node.sees(99.0, 101.0)
    assert node.book.take_over(TAKEN_OVER) == 0, "it records nothing yet"
    hold(node.holding, SHARD)
    assert node.book.take_over(TAKEN_OVER) == 1
    assert node.stores() == node.tells() == ["1-1-2"]
    assert [alert.id for alert in node.tells_others()] == ["1-1-2"]
    unstored = node.book.unstored()
    assert unstored is not None
    assert unstored.standings == {1: Standing(1, armed=False)}
    assert node.book.take_over(TAKEN_OVER) == 0


@pytest.mark.proves("N22", "T16")
def test_an_alert_that_was_heard_before_the_takeover_is_stored_and_not_told_again(
    node: Node,
) -> None:
    """Its node may have told it and died before it stored it. Others that heard it do not tell."""
    with acting_as(paths.ALERTS):
        fetcher = node_with()
        hold(fetcher.holding, SHARD)
        fetcher.book.put_rule(rule(), None, NOON)
        fetcher.sees(99.0, 101.0, own=True)
        told = fetcher.tells_others()
    node.sees(99.0, 101.0)
    node.book.hear(told)
    node.book.hear(told)
    assert node.tells() == ["1-1-2"]
    assert node.stores() == []
    hold(node.holding, SHARD)
    node.book.take_over(TAKEN_OVER)
    assert node.stores() == ["1-1-2"]
    assert node.tells() == []


@pytest.mark.proves("N22")
def test_a_spare_is_kept_for_a_minute(node: Node) -> None:
    """A node that takes the shard over later finds all of that time stored."""
    node.sees(99.0, 101.0)
    hold(node.holding, SHARD)
    fired = NOON + 2_000
    assert node.book.take_over(fired + SPARE_MS + 1) == 0
    assert node.stores() == []


@pytest.mark.proves("N8", "N22")
def test_a_price_that_only_a_node_alone_has_seen_fires_nothing_later(node: Node) -> None:
    """Who recorded the symbol before goes on for all."""
    hold(node.holding, alone=True)
    node.sees(99.0, 101.0)
    hold(node.holding, SHARD)
    assert node.book.take_over(TAKEN_OVER) == 0
    assert (node.stores(), node.tells()) == ([], [])


@pytest.mark.proves("N22")
def test_what_a_cooldown_withheld_is_told_by_who_records_when_it_ends(node: Node) -> None:
    """Not by who fetched the crossings: that node may be gone."""
    node.book.put_rule(rule(2, cooldown=60, hysteresis=0.0), None, NOON)
    node.sees(99.0, 101.0, 99.0, 101.0)
    hold(node.holding, SHARD)
    run(node.book.end_cooldowns(NOON + 100_000, NOON + 100_000))
    assert [key for key in node.stores() if key.startswith("2-")] == ["2-1-4"]


@pytest.mark.proves("N22")
def test_with_more_shards_a_node_stores_those_of_its_own(node: Node) -> None:
    """Those of the shard that their price came from."""
    many = node_with(us=8)
    ours, theirs = "AAPL", "MSFT"
    part = shard_of("us", row(1.0, 1, symbol=ours).quote.symbol, 8)
    assert index_of(row(1.0, 1, symbol=theirs).quote.symbol, 8) != int(part.partition("/")[2])
    hold(many.holding, part)
    for number, symbol in enumerate((ours, theirs), 1):
        many.book.put_rule(rule(number, symbol=symbol), None, NOON)
        crossing = [row(99.0, 1, symbol=symbol), row(101.0, 2, symbol=symbol)]
        run(many.book.judge(crossing, NOON))
    assert many.stores() == ["1-1-2"]


@pytest.mark.proves("N22")
def test_an_alert_belongs_to_who_records_the_shard_that_its_price_came_from() -> None:
    """Another node may record the shard that its symbol has at another upstream."""
    shards = Sharding({"us": 1, "px": 8})
    holding: Slot[Holding] = Slot("holding", writer=paths.MEMBERSHIP)
    records = Recording(holding, shards)
    symbol = row(1.0, 1).quote.symbol
    with acting_as(paths.ALERTS):
        node = Node(AlertBook(records), holding)
        hold(holding, shards.of("px", symbol))
        node.book.put_rule(rule(), None, NOON)
        node.sees(99.0, 101.0)
        assert (node.stores(), node.tells()) == ([], [])
        assert records(symbol, "px")
        assert not records(symbol, "us")
        assert records(symbol, None)
        hold(holding, "us/0")
        assert node.book.take_over(TAKEN_OVER) == 1
        assert node.stores() == ["1-1-2"]
