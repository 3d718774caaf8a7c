"""Rules and quotes for tests of the alerts."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from stockstream import paths
from stockstream.alerts.book import AlertBook
from stockstream.alerts.rules import Kind, Rule
from stockstream.quotes import Quote, Version, parse_symbol
from stockstream.shards import Shard
from stockstream.statuses import Holding, QuoteRow
from supervision.context import current_cell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervision import Slot
    from supervision.cell import Cell

NOON = 1_795_348_800_000
"""Noon of a day in 2026, in ms since 1970."""


def rule(
    number: int = 1,
    kind: Kind = Kind.ABOVE,
    threshold: float = 100.0,
    *,
    symbol: str = "AAPL",
    window: int | None = None,
    hysteresis: float = 1.0,
    cooldown: int = 0,
    revision: int = 1,
    armed: bool | None = None,
    owner: str = "me",
    webhook: str | None = None,
    currency: str | None = None,
) -> Rule:
    return Rule(
        number,
        owner,
        revision,
        parse_symbol(symbol),
        kind,
        threshold,
        window,
        hysteresis,
        cooldown,
        webhook,
        armed,
        currency,
    )


def row(
    price: float,
    seq: int,
    *,
    symbol: str = "AAPL",
    at: int | None = None,
    steady: int | None = None,
    currency: str | None = None,
) -> QuoteRow:
    """A quote, one second after the one before it unless told otherwise.

    Both clocks say the same, unless told what the monotonic one says.
    """
    moment = NOON + 1000 * seq if at is None else at
    quote = Quote(
        parse_symbol(symbol), price, moment, "NASDAQ", currency, False, Version(1, seq), moment
    )
    steady = moment if steady is None else steady
    return QuoteRow(quote, price, None, steady=steady, source="us")


def run(turns: Iterator[None]) -> int:
    """Run to the end; answer how often others got a turn."""
    return sum(1 for _ in turns)


@contextmanager
def acting_as(path: str) -> Iterator[None]:
    """The test may write what the actor at `path` writes."""
    token = current_cell.set(cast("Cell", SimpleNamespace(path=path)))
    try:
        yield
    finally:
        current_cell.reset(token)


@contextmanager
def writable_book() -> Iterator[AlertBook]:
    """An empty book, which the test may write as the watcher would."""
    with acting_as(paths.ALERTS):
        yield AlertBook()


def hold(holding: Slot[Holding], *recording: str, alone: bool = False) -> None:
    """The membership's row: this node records these shards."""
    with acting_as(paths.MEMBERSHIP):
        holding.put(Holding(recording=frozenset(map(Shard, recording)), alone=alone))
